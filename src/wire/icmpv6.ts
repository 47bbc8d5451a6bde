/**
 * ICMPv6 (RFC 4443) and its neighbour discovery (RFC 4861 section 4).
 *
 *   0      1      2          4                       8                    24
 *   | type | code | checksum | identifier, sequence  | data ...                       echo
 *   | type | code | checksum | MTU or pointer        | quoted packet ...              error
 *   | type | code | checksum | flags                 | target address      | options  neighbour
 *
 *   option: | type | length in units of 8 bytes | link-layer address ... |
 *
 * The checksum covers a pseudo header too: `finishTransport6` of `checksum.ts`.
 */
import { finishTransport6, isTransportGood6 } from './checksum.js'
import { type Field, field } from './field.js'
import { PROTO_ICMPV6 } from './ipv4.js'
import * as ipv6 from './ipv6.js'

export const HEADER_BYTES = 8
export const CHECKSUM_OFFSET = 2

export const TYPE_DESTINATION_UNREACHABLE = 1
export const TYPE_PACKET_TOO_BIG = 2
export const TYPE_TIME_EXCEEDED = 3
export const TYPE_PARAMETER_PROBLEM = 4
/** From here on messages inform; below are errors. */
export const TYPE_ECHO_REQUEST = 128
export const TYPE_ECHO_REPLY = 129
export const TYPE_ROUTER_SOLICITATION = 133
export const TYPE_ROUTER_ADVERTISEMENT = 134
export const TYPE_NEIGHBOUR_SOLICITATION = 135
export const TYPE_NEIGHBOUR_ADVERTISEMENT = 136
export const TYPE_REDIRECT = 137

/** Codes of TYPE_DESTINATION_UNREACHABLE. */
export const CODE_NO_ROUTE = 0
export const CODE_ADMINISTRATIVELY_PROHIBITED = 1
export const CODE_ADDRESS_UNREACHABLE = 3
export const CODE_PORT_UNREACHABLE = 4
/** Codes of TYPE_TIME_EXCEEDED. */
export const CODE_HOP_LIMIT_EXCEEDED = 0
export const CODE_REASSEMBLY_TIME_EXCEEDED = 1
/** Codes of TYPE_PARAMETER_PROBLEM. */
export const CODE_ERRONEOUS_HEADER = 0
export const CODE_UNKNOWN_NEXT_HEADER = 1

/** Option types. */
export const OPTION_SOURCE_LINK_LAYER = 1
export const OPTION_TARGET_LINK_LAYER = 2

/** Flags of a neighbour advertisement, in the 32-bit word at offset 4. */
export const FLAG_ROUTER = 0x80000000 | 0
export const FLAG_SOLICITED = 0x40000000
export const FLAG_OVERRIDE = 0x20000000

/** Solicitation or advertisement without options, and with one link-layer address of Ethernet. */
export const NEIGHBOUR_BYTES_MIN = 24
export const NEIGHBOUR_BYTES = 32
/** What keeps neighbour discovery on its link: no router forwards 255. */
const HOP_LIMIT = 255
const NONE = -1

const TYPE_NAMES: Readonly<Record<number, string>> = {
  [TYPE_DESTINATION_UNREACHABLE]: 'destination unreachable',
  [TYPE_PACKET_TOO_BIG]: 'packet too big',
  [TYPE_TIME_EXCEEDED]: 'time exceeded',
  [TYPE_PARAMETER_PROBLEM]: 'parameter problem',
  [TYPE_ECHO_REQUEST]: 'echo request',
  [TYPE_ECHO_REPLY]: 'echo reply',
  [TYPE_ROUTER_SOLICITATION]: 'router solicitation',
  [TYPE_ROUTER_ADVERTISEMENT]: 'router advertisement',
  [TYPE_NEIGHBOUR_SOLICITATION]: 'neighbour solicitation',
  [TYPE_NEIGHBOUR_ADVERTISEMENT]: 'neighbour advertisement',
  [TYPE_REDIRECT]: 'redirect',
}

const ND_FLAG_NAMES = { 4: 'router', 2: 'solicited', 1: 'override' }
const OPTION_NAMES: Readonly<Record<number, string>> = {
  [OPTION_SOURCE_LINK_LAYER]: 'source link-layer address',
  [OPTION_TARGET_LINK_LAYER]: 'target link-layer address',
}

// biome-ignore format: one field a line
export const fields: readonly Field[] = [
  field('type', 0, 1, 'number', 'What the message is.', { names: TYPE_NAMES }),
  field('code', 1, 1, 'number', 'What it is more exactly; depends on the type.'),
  field('checksum', 2, 2, 'hex', 'Internet checksum of pseudo header and message.'),
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
  field('parameter', 4, 4, 'number', 'The MTU of a packet too big, the pointer of a parameter problem; else 0.'),
]

/** Bytes 4 to 23 of a neighbour solicitation or advertisement. */
// biome-ignore format: one field a line
export const neighbourFields: readonly Field[] = [
  field('flags', 4, 4, 'flags', 'Of an advertisement: from a router, an answer, better than what is cached.', { shift: 29, width: 3, names: ND_FLAG_NAMES }),
  field('target', 8, 16, 'ipv6', 'The address asked for, or the one that the sender holds.'),
]

// biome-ignore format: one field a line
export const optionFields: readonly Field[] = [
  field('option', 0, 1, 'number', 'Whose link-layer address this is.', { names: OPTION_NAMES }),
  field('option length', 1, 1, 'number', 'Length of the option in units of 8 bytes.'),
  field('link-layer address', 2, 6, 'mac', 'The link-layer address.'),
]

/** Whether `[at, end)` holds the 8 bytes that every message has. */
export function isWellFormed(_view: DataView, at: number, end: number): boolean {
  return end - at >= HEADER_BYTES
}

/** Whether messages of this type are neighbour discovery, to which RFC 4861 applies. */
export function isNeighbourDiscovery(type: number): boolean {
  return type >= TYPE_ROUTER_SOLICITATION && type <= TYPE_REDIRECT
}

/**
 * Whether the message `[at, end)` in the IPv6 packet at `ipAt` passes all that RFC 4861 tells a
 * receiver to check: sections 7.1.1 and 7.1.2 for neighbour solicitations and advertisements; of
 * the other three types only what they share with these (hop limit, checksum, code, options).
 */
export function isWellFormedNeighbourDiscovery(
  view: DataView,
  ipAt: number,
  at: number,
  end: number,
): boolean {
  if (end - at < HEADER_BYTES) return false
  const messageType = type(view, at)
  const optionsAt = at + optionsOffset(messageType)
  if (ipv6.hopLimit(view, ipAt) !== HOP_LIMIT || code(view, at) !== 0) return false
  if (optionsAt > end || !areOptionsWellFormed(view, optionsAt, end)) return false
  if (!isTransportGood6(view, ipAt, at, end, PROTO_ICMPV6)) return false
  if (messageType === TYPE_NEIGHBOUR_SOLICITATION) return isSolicitation(view, ipAt, at, end)
  if (messageType === TYPE_NEIGHBOUR_ADVERTISEMENT) return isAdvertisement(view, ipAt, at)
  return true
}

function isSolicitation(view: DataView, ipAt: number, at: number, end: number): boolean {
  if (isMulticastWord(target(view, at, 0))) return false
  const fromNowhere =
    (ipv6.source(view, ipAt, 0) |
      ipv6.source(view, ipAt, 1) |
      ipv6.source(view, ipAt, 2) |
      ipv6.source(view, ipAt, 3)) ===
    0
  if (!fromNowhere) return true
  // Duplicate address detection: the sender has no address yet, and nowhere to be answered at.
  return (
    isSolicitedNode(view, ipAt) && linkLayerOption(view, at, end, OPTION_SOURCE_LINK_LAYER) === NONE
  )
}

function isAdvertisement(view: DataView, ipAt: number, at: number): boolean {
  if (isMulticastWord(target(view, at, 0))) return false
  const solicited = (flags(view, at) & FLAG_SOLICITED) !== 0
  return !(solicited && isMulticastWord(ipv6.destination(view, ipAt, 0)))
}

/** Whether the destination is in ff02::1:ff00:0/104. */
function isSolicitedNode(view: DataView, ipAt: number): boolean {
  return (
    ipv6.destination(view, ipAt, 0) === (0xff020000 | 0) &&
    ipv6.destination(view, ipAt, 1) === 0 &&
    ipv6.destination(view, ipAt, 2) === 1 &&
    ipv6.destination(view, ipAt, 3) >>> 24 === 0xff
  )
}

/** Whether an address that begins with this word is multicast, ff00::/8. */
function isMulticastWord(word0: number): boolean {
  return word0 >>> 24 === 0xff
}

/** Where the options of a message of neighbour discovery begin. */
function optionsOffset(type: number): number {
  if (type === TYPE_ROUTER_SOLICITATION) return 8
  if (type === TYPE_ROUTER_ADVERTISEMENT) return 16
  return type === TYPE_REDIRECT ? 40 : NEIGHBOUR_BYTES_MIN
}

/** Whether options fill `[optionsAt, end)` exactly, none of them empty. */
function areOptionsWellFormed(view: DataView, optionsAt: number, end: number): boolean {
  let next = optionsAt
  while (next + 8 <= end) {
    const bytes = view.getUint8(next + 1) << 3
    if (bytes === 0) return false
    next += bytes
  }
  return next === end
}

/**
 * Where the first option of this type with a link-layer address of Ethernet begins in the message
 * `[at, end)` of neighbour discovery; -1 if there is none. An empty option, or one that leaves the
 * message, ends the search.
 */
export function linkLayerOption(
  view: DataView,
  at: number,
  end: number,
  optionType: number,
): number {
  if (end - at < HEADER_BYTES) return NONE
  let next = at + optionsOffset(type(view, at))
  while (next + 8 <= end) {
    const bytes = view.getUint8(next + 1) << 3
    if (bytes === 0) return NONE
    if (view.getUint8(next) === optionType && bytes === 8) return next
    next += bytes
  }
  return NONE
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

/** Whether a message of this type quotes the packet that it is about. */
export function isError(type: number): boolean {
  return type < TYPE_ECHO_REQUEST
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

/** Of a packet too big: an int32 bit pattern. */
export function nextHopMtu(view: DataView, at: number): number {
  return view.getInt32(at + 4)
}

/** Of a neighbour advertisement: FLAG_ROUTER, FLAG_SOLICITED, FLAG_OVERRIDE. */
export function flags(view: DataView, at: number): number {
  return view.getInt32(at + 4)
}

/** Word 0 to 3 of the target of a neighbour solicitation or advertisement. */
export function target(view: DataView, at: number, word: number): number {
  return view.getInt32(at + 8 + (word << 2))
}

/** Of an option that `linkLayerOption` found. */
export function optionMacHigh(view: DataView, optionAt: number): number {
  return view.getUint16(optionAt + 2)
}

export function optionMacLow(view: DataView, optionAt: number): number {
  return view.getInt32(optionAt + 4)
}

export function setType(view: DataView, at: number, type: number): void {
  view.setUint8(at, type)
}

/**
 * Writes the first 8 bytes; `rest` is bytes 4 to 7. The checksum stays 0: `finishTransport6` when
 * the IPv6 header and the data stand.
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

/**
 * Writes a solicitation for the target with the sender's MAC: NEIGHBOUR_BYTES at `at`, checksum
 * included, so the addresses of the IPv6 header at `ipAt` have to stand already.
 */
export function writeNeighbourSolicitation(
  view: DataView,
  ipAt: number,
  at: number,
  target0: number,
  target1: number,
  target2: number,
  target3: number,
  macHigh: number,
  macLow: number,
): void {
  writeHeader(view, at, TYPE_NEIGHBOUR_SOLICITATION, 0, 0)
  writeTarget(view, at, target0, target1, target2, target3)
  writeLinkLayerOption(view, at + NEIGHBOUR_BYTES_MIN, OPTION_SOURCE_LINK_LAYER, macHigh, macLow)
  finishTransport6(view, ipAt, at, at + NEIGHBOUR_BYTES, PROTO_ICMPV6)
}

/** Writes an advertisement of the target's MAC in the same way. */
export function writeNeighbourAdvertisement(
  view: DataView,
  ipAt: number,
  at: number,
  flags: number,
  target0: number,
  target1: number,
  target2: number,
  target3: number,
  macHigh: number,
  macLow: number,
): void {
  writeHeader(view, at, TYPE_NEIGHBOUR_ADVERTISEMENT, 0, flags)
  writeTarget(view, at, target0, target1, target2, target3)
  writeLinkLayerOption(view, at + NEIGHBOUR_BYTES_MIN, OPTION_TARGET_LINK_LAYER, macHigh, macLow)
  finishTransport6(view, ipAt, at, at + NEIGHBOUR_BYTES, PROTO_ICMPV6)
}

function writeTarget(
  view: DataView,
  at: number,
  target0: number,
  target1: number,
  target2: number,
  target3: number,
): void {
  view.setInt32(at + 8, target0)
  view.setInt32(at + 12, target1)
  view.setInt32(at + 16, target2)
  view.setInt32(at + 20, target3)
}

/** Writes an option of 8 bytes with a link-layer address of Ethernet. */
export function writeLinkLayerOption(
  view: DataView,
  optionAt: number,
  option: number,
  macHigh: number,
  macLow: number,
): void {
  view.setUint8(optionAt, option)
  view.setUint8(optionAt + 1, 1)
  view.setUint16(optionAt + 2, macHigh)
  view.setInt32(optionAt + 4, macLow)
}
