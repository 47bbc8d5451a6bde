/**
 * The TCP header (RFC 9293 section 3.1).
 *
 *   0              1              2                             4
 *   | source port                 | destination port            |   0
 *   | sequence number                                           |   4
 *   | acknowledgement number                                    |   8
 *   | data offset  | flags        | window                      |  12
 *   | checksum                    | urgent pointer              |  16
 *   | options, up to 40 bytes                                   |  20
 *
 * Sequence and acknowledgement numbers are int32 bit patterns. Ports: `transport.ts`.
 */
import { type Field, field } from './field.js'
import { setPorts } from './transport.js'

export const HEADER_BYTES_MIN = 20
export const HEADER_BYTES_MAX = 60
export const CHECKSUM_OFFSET = 16

export const FLAG_FIN = 0x01
export const FLAG_SYN = 0x02
export const FLAG_RST = 0x04
export const FLAG_PSH = 0x08
export const FLAG_ACK = 0x10
export const FLAG_URG = 0x20
export const FLAG_ECE = 0x40
export const FLAG_CWR = 0x80

const FLAG_NAMES: Readonly<Record<number, string>> = {
  [FLAG_CWR]: 'CWR',
  [FLAG_ECE]: 'ECE',
  [FLAG_URG]: 'URG',
  [FLAG_ACK]: 'ACK',
  [FLAG_PSH]: 'PSH',
  [FLAG_RST]: 'RST',
  [FLAG_SYN]: 'SYN',
  [FLAG_FIN]: 'FIN',
}

// biome-ignore format: one field a line
export const fields: readonly Field[] = [
  field('source port', 0, 2, 'number', 'Port of the sender.'),
  field('destination port', 2, 2, 'number', 'Port of the receiver.'),
  field('sequence', 4, 4, 'number', 'Number of the first byte of payload; of the SYN itself in a SYN.'),
  field('acknowledgement', 8, 4, 'number', 'Number of the next byte expected, where ACK is set.'),
  field('data offset', 12, 1, 'number', 'Length of the header in units of 4 bytes, 5 to 15.', { shift: 4, width: 4 }),
  field('flags', 13, 1, 'flags', 'What the segment is for.', { names: FLAG_NAMES }),
  field('window', 14, 2, 'number', 'Bytes that the sender is ready to receive, before scaling.'),
  field('checksum', 16, 2, 'hex', 'Internet checksum of pseudo header, header and payload.'),
  field('urgent pointer', 18, 2, 'number', 'End of urgent data, where URG is set.'),
]

/** Whether `[at, end)` begins with a whole TCP header, options included. */
export function isWellFormed(view: DataView, at: number, end: number): boolean {
  if (end - at < HEADER_BYTES_MIN) return false
  const bytes = dataOffsetBytes(view, at)
  return bytes >= HEADER_BYTES_MIN && bytes <= end - at
}

export function sequence(view: DataView, at: number): number {
  return view.getInt32(at + 4)
}

export function acknowledgement(view: DataView, at: number): number {
  return view.getInt32(at + 8)
}

/** Bytes of the header, 0 to 60; what the field says times 4. */
export function dataOffsetBytes(view: DataView, at: number): number {
  return (view.getUint8(at + 12) >>> 4) << 2
}

/** All eight, FLAG_FIN to FLAG_CWR. */
export function flags(view: DataView, at: number): number {
  return view.getUint8(at + 13)
}

export function window(view: DataView, at: number): number {
  return view.getUint16(at + 14)
}

export function checksum(view: DataView, at: number): number {
  return view.getUint16(at + CHECKSUM_OFFSET)
}

export function urgentPointer(view: DataView, at: number): number {
  return view.getUint16(at + 18)
}

/** For a header with options behind its 20 bytes; a multiple of 4. */
export function setDataOffsetBytes(view: DataView, at: number, bytes: number): void {
  view.setUint8(at + 12, bytes << 2)
}

/** Writes a header of 20 bytes, without options. The checksum stays 0: `finishTransport4` or 6. */
export function writeHeader(
  view: DataView,
  at: number,
  sourcePort: number,
  destinationPort: number,
  sequence: number,
  acknowledgement: number,
  flags: number,
  window: number,
): void {
  setPorts(view, at, sourcePort, destinationPort)
  view.setInt32(at + 4, sequence)
  view.setInt32(at + 8, acknowledgement)
  setDataOffsetBytes(view, at, HEADER_BYTES_MIN)
  view.setUint8(at + 13, flags)
  view.setUint16(at + 14, window)
  view.setInt32(at + CHECKSUM_OFFSET, 0)
}
