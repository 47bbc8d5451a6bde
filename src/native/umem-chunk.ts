/** What of an umem's chunk is a frame's: our choice within what AF_XDP allows. */
import { XDP_PACKET_HEADROOM } from './if-xdp.js'

export const CHUNK = {
  /** The sizes that the kernel takes: half a page, or a page. */
  bytes: [2048, 4096],
  /** Kept free beside XDP's own: a frame of 60 bytes and the two before it are one cache line. */
  headroom: 2,
} as const

const ETHERNET_BYTES = 14
const VLAN_TAG_BYTES = 4

/** The longest IP packet that a chunk (by default the largest) holds, tagged or not. */
export function mtuOfChunk(chunkBytes: number = CHUNK.bytes[1]): number {
  return chunkBytes - XDP_PACKET_HEADROOM - CHUNK.headroom - ETHERNET_BYTES - VLAN_TAG_BYTES
}
