/** What a test asks of captured frames. */
import { build } from '../../src/wire/build.js'
import type { RawPeer } from '../port/raw-peer.js'

const HEADER_BYTES = 14
const ETH_P_IP = 0x0800
const ETH_P_IPV6 = 0x86dd

/** The IP packet in an untagged frame, without padding; undefined if there is none. */
export function ipPacketOf(frame: Uint8Array): Buffer | undefined {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length)
  const type = bytes.readUInt16BE(12)
  const packet = bytes.subarray(HEADER_BYTES)
  if (type === ETH_P_IP) return packet.subarray(0, packet.readUInt16BE(2))
  if (type === ETH_P_IPV6) return packet.subarray(0, 40 + packet.readUInt16BE(4))
  return undefined
}

/** The address as it stands in a packet. */
function bytesOf(address: string): Buffer {
  const packet = ipPacketOf(
    build(
      address.includes(':')
        ? { ipv6: { source: address, destination: address } }
        : { ipv4: { source: address, destination: address } },
    ),
  )!
  return address.includes(':') ? packet.subarray(8, 24) : packet.subarray(12, 16)
}

/**
 * The packets with this source or destination that a packet socket has caught, but for neighbour
 * discovery, which each host does when it likes.
 */
export function packets(peer: RawPeer, end: 'source' | 'destination', address: string): Buffer[] {
  const wanted = bytesOf(address)
  const first = wanted.length === 4 ? 12 : 8
  const at = end === 'source' ? first : first + wanted.length
  return peer
    .drain()
    .flatMap((frame) => ipPacketOf(frame) ?? [])
    .filter((packet) => packet[0] >>> 4 === (wanted.length === 4 ? 4 : 6))
    .filter((packet) => packet.subarray(at, at + wanted.length).equals(wanted))
    .filter((packet) => !isNeighbourTalk(packet))
}

function isNeighbourTalk(packet: Buffer): boolean {
  return packet[0] >>> 4 === 6 && packet[6] === 58 && packet[40] >= 133
}
