/**
 * The IPv6 header and its extension headers (RFC 8200 sections 3 and 4).
 *
 *   0                              2               3             4
 *   | version, traffic class, flow label                         |   0
 *   | payload length               | next header   | hop limit   |   4
 *   | source, 4 words                                            |   8
 *   | destination, 4 words                                       |  24
 *
 * An address is four int32 words, the first one the most significant. Between this header and the
 * transport's there may be others, each of which says what follows it:
 *
 *   | next header | length      | ...                                 length: units of 8, less one
 *   | next header | reserved    | offset, 2 bits, M | identification  fragment header: 8 bytes
 *
 * Linux counts AH (RFC 4302) among them; its length is in units of 4, less two. ESP is a transport.
 */
import { type Field, field } from './field.js'
import { PROTO_AH, PROTOCOL_NAMES } from './ipv4.js'

export const HEADER_BYTES = 40
export const NEXT_HEADER_OFFSET = 6
/** Where source and destination stand, 32 bytes. */
export const ADDRESSES_OFFSET = 8
export const FRAGMENT_HEADER_BYTES = 8

export const PROTO_HOP_BY_HOP = 0
export const PROTO_ROUTING = 43
export const PROTO_FRAGMENT = 44
export const PROTO_NONE = 59
export const PROTO_DESTINATION_OPTIONS = 60

/**
 * A real packet has at most four or five; more are there to make us walk. Linux walks on (it was
 * recorded with 12), so this is well above what anybody can mean.
 */
export const EXTENSIONS_MAX = 16

/** Indices of what `walkExtensions` finds. */
export const FOUND_PROTOCOL = 0
export const FOUND_TRANSPORT_AT = 1
export const FOUND_FRAGMENT_AT = 2
export const FOUND_FRAGMENT_OFFSET = 3
export const FOUND_MORE_FRAGMENTS = 4
export const FOUND_WORDS = 5

const NONE = -1
const OFFSET_MASK = 0xfff8

export const NEXT_HEADER_NAMES: Readonly<Record<number, string>> = {
  ...PROTOCOL_NAMES,
  [PROTO_HOP_BY_HOP]: 'hop-by-hop options',
  [PROTO_ROUTING]: 'routing',
  [PROTO_FRAGMENT]: 'fragment',
  [PROTO_NONE]: 'nothing',
  [PROTO_DESTINATION_OPTIONS]: 'destination options',
}

// biome-ignore format: one field a line
export const fields: readonly Field[] = [
  field('version', 0, 4, 'number', 'Always 6.', { shift: 28, width: 4 }),
  field('traffic class', 0, 4, 'hex', 'DSCP in the upper 6 bits, ECN in the lower 2.', { shift: 20, width: 8 }),
  field('flow label', 0, 4, 'hex', 'Chosen by the sender, the same for all packets of one flow.', { width: 20 }),
  field('payload length', 4, 2, 'number', 'Bytes behind this header, extension headers included.'),
  field('next header', 6, 1, 'number', 'What follows: an extension header, or the payload.', { names: NEXT_HEADER_NAMES }),
  field('hop limit', 7, 1, 'number', 'Routers that the packet may still cross.'),
  field('source', 8, 16, 'ipv6', 'Address of the sender.'),
  field('destination', 24, 16, 'ipv6', 'Address of the receiver.'),
]

/** Hop-by-hop options, routing and destination options begin alike. */
// biome-ignore format: one field a line
export const extensionFields: readonly Field[] = [
  field('next header', 0, 1, 'number', 'What follows this header.', { names: NEXT_HEADER_NAMES }),
  field('length', 1, 1, 'number', 'Length of this header in units of 8 bytes, the first 8 not counted.'),
]

// biome-ignore format: one field a line
export const fragmentFields: readonly Field[] = [
  field('next header', 0, 1, 'number', 'What the first fragment begins with.', { names: NEXT_HEADER_NAMES }),
  field('reserved', 1, 1, 'hex', 'Zero.'),
  field('fragment offset', 2, 2, 'number', 'Where this fragment belongs, in units of 8 bytes.', { shift: 3, width: 13 }),
  field('more fragments', 2, 2, 'number', '1: more fragments follow.', { width: 1 }),
  field('identification', 4, 4, 'hex', 'The same in all fragments of one packet.'),
]

/** Whether `[at, end)` begins with an IPv6 packet that lies within the frame. */
export function isWellFormed(view: DataView, at: number, end: number): boolean {
  return (
    end - at >= HEADER_BYTES &&
    view.getUint8(at) >>> 4 === 6 &&
    view.getUint16(at + 4) + HEADER_BYTES <= end - at
  )
}

/**
 * Whether `[at, end)` begins with a whole IPv6 header, whatever has become of the packet: for what
 * an ICMPv6 error quotes, which may be cut.
 */
export function isQuoteWellFormed(view: DataView, at: number, end: number): boolean {
  return end - at >= HEADER_BYTES && view.getUint8(at) >>> 4 === 6
}

export function trafficClass(view: DataView, at: number): number {
  return (view.getUint16(at) >>> 4) & 0xff
}

/** 20 bits. */
export function flowLabel(view: DataView, at: number): number {
  return view.getInt32(at) & 0xfffff
}

/** Bytes behind the fixed header. */
export function payloadLength(view: DataView, at: number): number {
  return view.getUint16(at + 4)
}

export function nextHeader(view: DataView, at: number): number {
  return view.getUint8(at + 6)
}

export function hopLimit(view: DataView, at: number): number {
  return view.getUint8(at + 7)
}

/** Word 0 to 3 of the source address. */
export function source(view: DataView, at: number, word: number): number {
  return view.getInt32(at + 8 + (word << 2))
}

/** Word 0 to 3 of the destination address. */
export function destination(view: DataView, at: number, word: number): number {
  return view.getInt32(at + 24 + (word << 2))
}

export function setPayloadLength(view: DataView, at: number, bytes: number): void {
  view.setUint16(at + 4, bytes)
}

export function setNextHeader(view: DataView, at: number, nextHeader: number): void {
  view.setUint8(at + 6, nextHeader)
}

export function setHopLimit(view: DataView, at: number, hopLimit: number): void {
  view.setUint8(at + 7, hopLimit)
}

export function setSource(
  view: DataView,
  at: number,
  word0: number,
  word1: number,
  word2: number,
  word3: number,
): void {
  view.setInt32(at + 8, word0)
  view.setInt32(at + 12, word1)
  view.setInt32(at + 16, word2)
  view.setInt32(at + 20, word3)
}

export function setDestination(
  view: DataView,
  at: number,
  word0: number,
  word1: number,
  word2: number,
  word3: number,
): void {
  view.setInt32(at + 24, word0)
  view.setInt32(at + 28, word1)
  view.setInt32(at + 32, word2)
  view.setInt32(at + 36, word3)
}

/** Writes the first 8 of the 40 bytes; `setSource` and `setDestination` write the others. */
export function writeHeader(
  view: DataView,
  at: number,
  trafficClass: number,
  flowLabel: number,
  payloadLength: number,
  nextHeader: number,
  hopLimit: number,
): void {
  view.setInt32(at, 0x60000000 | (trafficClass << 20) | flowLabel)
  setPayloadLength(view, at, payloadLength)
  setNextHeader(view, at, nextHeader)
  setHopLimit(view, at, hopLimit)
}

/** Whether a header of this number is one that the walk steps over. */
export function isExtension(protocol: number): boolean {
  return (
    protocol === PROTO_HOP_BY_HOP ||
    protocol === PROTO_ROUTING ||
    protocol === PROTO_FRAGMENT ||
    protocol === PROTO_DESTINATION_OPTIONS
  )
}

/** Bytes of an extension header that is neither a fragment header nor AH. */
export function extensionBytes(view: DataView, at: number): number {
  return (view.getUint8(at + 1) + 1) << 3
}

/** Bytes of an authentication header. */
export function authenticationBytes(view: DataView, at: number): number {
  return (view.getUint8(at + 1) + 2) << 2
}

/** What an extension header of any kind says follows it. */
export function extensionNextHeader(view: DataView, at: number): number {
  return view.getUint8(at)
}

/** In bytes, 0 to 65528. `at` is where the fragment header begins. */
export function fragmentHeaderOffset(view: DataView, at: number): number {
  return view.getUint16(at + 2) & OFFSET_MASK
}

export function fragmentHeaderMore(view: DataView, at: number): boolean {
  return (view.getUint16(at + 2) & 1) !== 0
}

export function fragmentHeaderIdentification(view: DataView, at: number): number {
  return view.getInt32(at + 4)
}

/** Writes an extension header of options that are only padding (RFC 8200 section 4.2). */
export function writePaddingHeader(
  view: DataView,
  at: number,
  nextHeader: number,
  bytes: number,
): void {
  view.setUint8(at, nextHeader)
  view.setUint8(at + 1, (bytes >>> 3) - 1)
  // PadN options of at most 255 bytes of data; a lone last byte is a Pad1.
  for (let next = at + 2; next < at + bytes; ) {
    const option = Math.min(at + bytes - next, 257)
    if (option === 1) view.setUint8(next, 0)
    else view.setUint16(next, 0x0100 | (option - 2))
    for (let i = 2; i < option; i++) view.setUint8(next + i, 0)
    next += option
  }
}

/** Writes a fragment header; the offset in bytes, a multiple of 8. */
export function writeFragmentHeader(
  view: DataView,
  at: number,
  nextHeader: number,
  offset: number,
  more: boolean,
  identification: number,
): void {
  view.setUint8(at, nextHeader)
  view.setUint8(at + 1, 0)
  view.setUint16(at + 2, offset | (more ? 1 : 0))
  view.setInt32(at + 4, identification)
}

/**
 * Finds the transport behind the extension headers of the IPv6 packet at `at`, which ends at `end`
 * (its own end, not the frame's). False if a header leaves the packet, if there are more than
 * EXTENSIONS_MAX, or if one fragment claims to be a fragment twice. Else `out` holds
 *
 *   [0] the transport's protocol            [1] where it begins, counted as `at` is; at most `end`
 *   [2] where the fragment header begins, -1 if there is none
 *   [3] the fragment's offset in bytes      [4] 1 if more fragments follow, else 0
 *
 * Behind the header of a fragment that is not the first stands the middle of something, so the walk
 * ends there: [0] is what the fragment header names, which may be an extension header.
 */
export function walkExtensions(view: DataView, at: number, end: number, out: Int32Array): boolean {
  let protocol = nextHeader(view, at)
  let next = at + HEADER_BYTES
  out[FOUND_FRAGMENT_AT] = NONE
  out[FOUND_FRAGMENT_OFFSET] = 0
  out[FOUND_MORE_FRAGMENTS] = 0
  let isRest = false
  for (let walked = 0; (isExtension(protocol) || protocol === PROTO_AH) && !isRest; walked++) {
    if (walked === EXTENSIONS_MAX || next + 8 > end) return false
    if (protocol === PROTO_FRAGMENT) {
      if (out[FOUND_FRAGMENT_AT] !== NONE) return false
      const offset = fragmentHeaderOffset(view, next)
      out[FOUND_FRAGMENT_AT] = next
      out[FOUND_FRAGMENT_OFFSET] = offset
      out[FOUND_MORE_FRAGMENTS] = view.getUint16(next + 2) & 1
      isRest = offset !== 0
      protocol = extensionNextHeader(view, next)
      next += FRAGMENT_HEADER_BYTES
    } else {
      const bytes =
        protocol === PROTO_AH ? authenticationBytes(view, next) : extensionBytes(view, next)
      protocol = extensionNextHeader(view, next)
      next += bytes
    }
  }
  out[FOUND_PROTOCOL] = protocol
  out[FOUND_TRANSPORT_AT] = next
  return next <= end
}
