/**
 * ICMP for IPv4 (RFC 792; the next-hop MTU: RFC 1191).
 *
 *   0      1      2          4            6          8
 *   | type | code | checksum | identifier | sequence | data ...            echo
 *   | type | code | checksum | unused     | MTU      | quoted packet ...   error
 *
 * The codec of ICMPv6 is `icmpv6.ts`; the two begin alike.
 */
import { type Field, field } from './field.js'
import { complement, fold, sum } from './internet-sum.js'

export const HEADER_BYTES = 8
export const CHECKSUM_OFFSET = 2

export const TYPE_ECHO_REPLY = 0
export const TYPE_DESTINATION_UNREACHABLE = 3
export const TYPE_SOURCE_QUENCH = 4
export const TYPE_REDIRECT = 5
export const TYPE_ECHO_REQUEST = 8
export const TYPE_TIME_EXCEEDED = 11
export const TYPE_PARAMETER_PROBLEM = 12

/** Codes of TYPE_DESTINATION_UNREACHABLE. */
export const CODE_NET_UNREACHABLE = 0
export const CODE_HOST_UNREACHABLE = 1
export const CODE_PROTOCOL_UNREACHABLE = 2
export const CODE_PORT_UNREACHABLE = 3
export const CODE_FRAGMENTATION_NEEDED = 4
export const CODE_ADMINISTRATIVELY_PROHIBITED = 13
/** Codes of TYPE_TIME_EXCEEDED. */
export const CODE_TTL_EXCEEDED = 0
export const CODE_REASSEMBLY_TIME_EXCEEDED = 1

const TYPE_NAMES: Readonly<Record<number, string>> = {
  [TYPE_ECHO_REPLY]: 'echo reply',
  [TYPE_DESTINATION_UNREACHABLE]: 'destination unreachable',
  [TYPE_SOURCE_QUENCH]: 'source quench',
  [TYPE_REDIRECT]: 'redirect',
  [TYPE_ECHO_REQUEST]: 'echo request',
  [TYPE_TIME_EXCEEDED]: 'time exceeded',
  [TYPE_PARAMETER_PROBLEM]: 'parameter problem',
}

// biome-ignore format: one field a line
export const fields: readonly Field[] = [
  field('type', 0, 1, 'number', 'What the message is.', { names: TYPE_NAMES }),
  field('code', 1, 1, 'number', 'What it is more exactly; depends on the type.'),
  field('checksum', 2, 2, 'hex', 'Internet checksum of the whole message.'),
]

/** Bytes 4 to 7 of an echo. */
// biome-ignore format: one field a line
export const echoFields: readonly Field[] = [
  field('identifier', 4, 2, 'number', 'Tells the echoes of one sender from those of another.'),
  field('sequence', 6, 2, 'number', 'Counts the echoes of one sender.'),
]

/** Bytes 4 to 7 of an error. */
// biome-ignore format: one field a line
export const errorFields: readonly Field[] = [
  field('unused', 4, 2, 'hex', 'Zero in most errors.'),
  field('next-hop mtu', 6, 2, 'number', 'Largest packet that gets through, where fragmentation was needed; else 0.'),
]

/** Whether `[at, end)` holds the 8 bytes that every message has. */
export function isWellFormed(_view: DataView, at: number, end: number): boolean {
  return end - at >= HEADER_BYTES
}

/** Whether the checksum of the whole message `[at, end)` is right. */
export function isChecksumGood(view: DataView, at: number, end: number): boolean {
  return fold(sum(view, at, end - at)) === 0xffff
}

export function type(view: DataView, at: number): number {
  return view.getUint8(at)
}

export function code(view: DataView, at: number): number {
  return view.getUint8(at + 1)
}

export function checksum(view: DataView, at: number): number {
  return view.getUint16(at + CHECKSUM_OFFSET)
}

/**
 * Whether a message of this type quotes a packet that belongs to a connection, as IPVS judges it
 * (ip_vs_in_icmp): redirects and parameter problems are not looked into.
 */
export function isError(type: number): boolean {
  return (
    type === TYPE_DESTINATION_UNREACHABLE ||
    type === TYPE_SOURCE_QUENCH ||
    type === TYPE_TIME_EXCEEDED
  )
}

/** Where the packet begins that an error quotes. */
export function embedded(at: number): number {
  return at + HEADER_BYTES
}

/** Of an echo. */
export function identifier(view: DataView, at: number): number {
  return view.getUint16(at + 4)
}

/** Of an echo. */
export function sequence(view: DataView, at: number): number {
  return view.getUint16(at + 6)
}

/** Of a destination unreachable with CODE_FRAGMENTATION_NEEDED. */
export function nextHopMtu(view: DataView, at: number): number {
  return view.getUint16(at + 6)
}

export function setType(view: DataView, at: number, type: number): void {
  view.setUint8(at, type)
}

/** Computes the checksum of the whole message `[at, end)`. */
export function updateChecksum(view: DataView, at: number, end: number): void {
  view.setUint16(at + CHECKSUM_OFFSET, 0)
  view.setUint16(at + CHECKSUM_OFFSET, complement(sum(view, at, end - at)))
}

/**
 * Writes the first 8 bytes; `rest` is bytes 4 to 7 (identifier and sequence, or the MTU). The
 * checksum stays 0: `updateChecksum` when the data stands behind it.
 */
export function writeHeader(
  view: DataView,
  at: number,
  type: number,
  code: number,
  rest: number,
): void {
  view.setUint8(at, type)
  view.setUint8(at + 1, code)
  view.setUint16(at + CHECKSUM_OFFSET, 0)
  view.setInt32(at + 4, rest)
}
