/**
 * Packet sockets and their receive ring: `linux/if_packet.h`, `linux/if_ether.h`, packet(7).
 * Layouts are printed and verified in `native-notes/if_packet.md`.
 *
 * TPACKET_V3: the ring is a row of blocks, and a block a row of frames of any length.
 *
 *   block                                          frame
 *   +-----------------------+ 0                    +---------------------+ 0
 *   | version, priv         |                      | tpacket3_hdr        |
 *   | block_status          | KERNEL or USER       +---------------------+ 48
 *   | num_pkts              |                      | sockaddr_ll         |
 *   | offset_to_first_pkt --+--> first frame       +---------------------+ 68, then headroom
 *   | ...                   |                      | virtio_net_hdr (10) | if PACKET_VNET_HDR
 *   +-----------------------+ 48                   +---------------------+ tp_mac
 *   | frame | frame | ...   |                      | Ethernet frame      |
 *   +-----------------------+                      +---------------------+ tp_mac + tp_snaplen
 *
 * `block_status` is the only word that both sides write: whoever it names owns the block.
 */

export const SOL_PACKET = 263
export const PACKET_RX_RING = 5
export const PACKET_STATISTICS = 6
export const PACKET_VERSION = 10
export const PACKET_RESERVE = 12
export const PACKET_VNET_HDR = 15
export const PACKET_QDISC_BYPASS = 20
export const PACKET_IGNORE_OUTGOING = 23

/** Value of PACKET_VERSION: the third form of the ring. */
export const TPACKET_V3 = 2

export const TP_STATUS_KERNEL = 0
export const TP_STATUS_USER = 1
/** The sender's transport checksum is not computed yet. */
export const TP_STATUS_CSUMNOTREADY = 8
export const TP_STATUS_VLAN_VALID = 16
export const TP_STATUS_VLAN_TPID_VALID = 64

export const ETH_P_ALL = 0x0003
export const ETH_P_IP = 0x0800
export const ETH_P_8021Q = 0x8100
export const ARPHRD_ETHER = 1
export const ARPHRD_LOOPBACK = 772

/** Size and field offsets in bytes, host byte order (`spkt`-style names are the kernel's). */
export const tpacket_req3 = {
  size: 28,
  tp_block_size: 0,
  tp_block_nr: 4,
  tp_frame_size: 8,
  tp_frame_nr: 12,
  tp_retire_blk_tov: 16,
  tp_sizeof_priv: 20,
  tp_feature_req_word: 24,
} as const

/** `struct tpacket_block_desc` with its union: offsets from the begin of the block. */
export const tpacket_block_desc = {
  size: 48,
  block_status: 8,
  num_pkts: 12,
  offset_to_first_pkt: 16,
  blk_len: 20,
} as const

export const tpacket3_hdr = {
  size: 48,
  tp_next_offset: 0,
  tp_sec: 4,
  tp_nsec: 8,
  tp_snaplen: 12,
  tp_len: 16,
  tp_status: 20,
  tp_mac: 24,
  tp_net: 26,
  tp_vlan_tci: 32,
  tp_vlan_tpid: 36,
} as const

export const tpacket_stats_v3 = {
  size: 12,
  tp_packets: 0,
  tp_drops: 4,
  tp_freeze_q_cnt: 8,
} as const

/** `sll_protocol` is in network byte order, everything else in the host's. */
export const sockaddr_ll = {
  size: 20,
  sll_family: 0,
  sll_protocol: 2,
  sll_ifindex: 4,
  sll_hatype: 8,
  sll_pkttype: 10,
  sll_halen: 11,
  sll_addr: 12,
} as const

/** The address of an interface for bind(2). `protocol` 0 receives nothing. */
export function linkAddress(family: number, ifindex: number, protocol: number): Uint8Array {
  const bytes = new Uint8Array(sockaddr_ll.size)
  const host = new Int32Array(bytes.buffer)
  new Uint16Array(bytes.buffer)[sockaddr_ll.sll_family >> 1] = family
  new DataView(bytes.buffer).setUint16(sockaddr_ll.sll_protocol, protocol)
  host[sockaddr_ll.sll_ifindex >> 2] = ifindex
  return bytes
}
