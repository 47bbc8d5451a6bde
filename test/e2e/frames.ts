/** What a test asks of a captured frame. */

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
