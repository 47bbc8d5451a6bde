/**
 * AF_XDP sockets, their memory and their rings: `linux/if_xdp.h`,
 * Documentation/networking/af_xdp.rst. Verified in `native-notes/if_xdp.md`.
 *
 * The umem is a row of chunks of equal size; a frame lies in one of them, and its address is its
 * distance from the begin of the umem. Four rings say whose a chunk is; in each, one side produces
 * and the other consumes:
 *
 *      fill         we       --> kernel    chunks for frames to come
 *      rx           kernel   --> we        frames that have come
 *      tx           we       --> kernel    frames to be sent
 *      completion   kernel   --> we        chunks of frames that were sent
 *
 * A ring's memory holds two counters of 32 bits that only ever grow (and wrap), a word of flags and
 * a power of two of entries: `xdp_mmap_offsets` tells where. Entries of rx and tx are `xdp_desc`,
 * those of fill and completion addresses of 64 bits.
 */

export const AF_XDP = 44
export const SOL_XDP = 283

export const XDP_MMAP_OFFSETS = 1
export const XDP_RX_RING = 2
export const XDP_TX_RING = 3
export const XDP_UMEM_REG = 4
export const XDP_UMEM_FILL_RING = 5
export const XDP_UMEM_COMPLETION_RING = 6
export const XDP_STATISTICS = 7
export const XDP_OPTIONS = 8
/** Frames that one call sends at most in copy mode, 32 if it isn't said. Since Linux 6.17. */
export const XDP_MAX_TX_SKB_BUDGET = 9

/** In `sxdp_flags`. */
export const XDP_SHARED_UMEM = 1
export const XDP_COPY = 2
export const XDP_ZEROCOPY = 4
export const XDP_USE_NEED_WAKEUP = 8
/** In the flag word of a fill or tx ring: the kernel sleeps and must be called. */
export const XDP_RING_NEED_WAKEUP = 1
/** In `xdp_options`: the device writes into the umem itself. */
export const XDP_OPTIONS_ZEROCOPY = 1

/** Where in the socket's file each ring is mapped from. */
export const XDP_PGOFF_RX_RING = 0
export const XDP_PGOFF_TX_RING = 0x80000000
export const XDP_UMEM_PGOFF_FILL_RING = 0x1_0000_0000
export const XDP_UMEM_PGOFF_COMPLETION_RING = 0x1_8000_0000

/** `linux/bpf.h`: bytes before each frame that the kernel keeps free for XDP programs. */
export const XDP_PACKET_HEADROOM = 256

/** Size and field offsets in bytes, host byte order. */
export const xdp_umem_reg = {
  size: 32,
  addr: 0,
  len: 8,
  chunk_size: 16,
  headroom: 20,
  flags: 24,
} as const
export const sockaddr_xdp = {
  size: 16,
  sxdp_family: 0,
  sxdp_flags: 2,
  sxdp_ifindex: 4,
  sxdp_queue_id: 8,
  sxdp_shared_umem_fd: 12,
} as const
export const xdp_ring_offset = { size: 32, producer: 0, consumer: 8, desc: 16, flags: 24 } as const
export const xdp_mmap_offsets = { size: 128, rx: 0, tx: 32, fr: 64, cr: 96 } as const
export const xdp_desc = { size: 16, addr: 0, len: 8, options: 12 } as const
export const xdp_statistics = {
  size: 48,
  rx_dropped: 0,
  rx_invalid_descs: 8,
  tx_invalid_descs: 16,
  rx_ring_full: 24,
  rx_fill_ring_empty_descs: 32,
  tx_ring_empty_descs: 40,
} as const

/** The address for bind(2): a queue of an interface, and the socket whose umem it shares. */
export function xdpAddress(ifindex: number, queue: number, flags: number, sharedFd = 0) {
  const bytes = new Uint8Array(sockaddr_xdp.size)
  const halves = new Uint16Array(bytes.buffer)
  const words = new Uint32Array(bytes.buffer)
  halves[sockaddr_xdp.sxdp_family >> 1] = AF_XDP
  halves[sockaddr_xdp.sxdp_flags >> 1] = flags
  words[sockaddr_xdp.sxdp_ifindex >> 2] = ifindex
  words[sockaddr_xdp.sxdp_queue_id >> 2] = queue
  words[sockaddr_xdp.sxdp_shared_umem_fd >> 2] = sharedFd
  return bytes
}
