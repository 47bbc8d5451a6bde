/**
 * The UDP header (RFC 768; over IPv6: RFC 8200 section 8.1).
 *
 *   0             2                  4        6          8
 *   | source port | destination port | length | checksum | payload ...
 *
 * Over IPv4 a checksum of 0 means that there is none; one that comes out as 0 is sent as 0xffff.
 */
import { type Field, field } from './field.js'
import { setPorts } from './transport.js'

export const HEADER_BYTES = 8
export const CHECKSUM_OFFSET = 6

// biome-ignore format: one field a line
export const fields: readonly Field[] = [
  field('source port', 0, 2, 'number', 'Port of the sender.'),
  field('destination port', 2, 2, 'number', 'Port of the receiver.'),
  field('length', 4, 2, 'number', 'Bytes of header and payload.'),
  field('checksum', 6, 2, 'hex', 'Internet checksum of pseudo header, header and payload; 0: none.'),
]

/**
 * Whether `[at, end)` begins with a whole UDP header. Its length field is not judged: that of a
 * first fragment counts bytes that are still to come, and IPVS does not look at it either.
 */
export function isWellFormed(_view: DataView, at: number, end: number): boolean {
  return end - at >= HEADER_BYTES
}

/** Bytes of header and payload, as the sender says. */
export function length(view: DataView, at: number): number {
  return view.getUint16(at + 4)
}

export function checksum(view: DataView, at: number): number {
  return view.getUint16(at + CHECKSUM_OFFSET)
}

/** Writes all 8 bytes. The checksum stays 0: `finishTransport4` or 6. */
export function writeHeader(
  view: DataView,
  at: number,
  sourcePort: number,
  destinationPort: number,
  length: number,
): void {
  setPorts(view, at, sourcePort, destinationPort)
  view.setUint16(at + 4, length)
  view.setUint16(at + CHECKSUM_OFFSET, 0)
}
