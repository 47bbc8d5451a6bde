/**
 * The header that says what hardware was left to do for a frame: `linux/virtio_net.h`. With
 * PACKET_VNET_HDR it stands before each frame that a packet socket receives or sends, in the
 * host's byte order. Verified in `native-notes/virtio_net.md`.
 */

export const virtio_net_hdr = {
  size: 10,
  flags: 0,
  gso_type: 1,
  hdr_len: 2,
  gso_size: 4,
  csum_start: 6,
  csum_offset: 8,
} as const

/** In `flags`: the transport checksum, from `csum_start` on, is still to be computed. */
export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1
/** In `gso_type`: one ordinary frame, not an aggregate. */
export const VIRTIO_NET_HDR_GSO_NONE = 0
