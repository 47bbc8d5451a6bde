/**
 * The IPv4 header (RFC 791; DSCP and ECN in the type of service: RFC 2474, RFC 3168).
 *
 *   0              1              2                             4
 *   | version, IHL | tos          | total length                |   0
 *   | identification              | R D M  fragment offset      |   4
 *   | ttl          | protocol     | header checksum             |   8
 *   | source                                                    |  12
 *   | destination                                               |  16
 *   | options, up to 40 bytes                                   |  20
 *
 * Addresses are int32 bit patterns. Fragment offsets are in bytes here, in units of 8 on the wire.
 * A total length of 0 (BIG TCP within one machine) is not well-formed: no wire carries it.
 */
import { type Field, field } from './field.js'
import { complement, fold, halves, sum } from './internet-sum.js'

export const HEADER_BYTES_MIN = 20
export const HEADER_BYTES_MAX = 60
/** Where source and destination stand, 8 bytes. */
export const ADDRESSES_OFFSET = 12

export const PROTO_ICMP = 1
export const PROTO_IPIP = 4
export const PROTO_TCP = 6
export const PROTO_UDP = 17
export const PROTO_IPV6 = 41
export const PROTO_GRE = 47
export const PROTO_ESP = 50
export const PROTO_AH = 51
export const PROTO_ICMPV6 = 58
export const PROTO_SCTP = 132

/** Bits of the 16-bit word at offset 6. */
export const FLAG_DONT_FRAGMENT = 0x4000
export const FLAG_MORE_FRAGMENTS = 0x2000
const OFFSET_MASK = 0x1fff
/** What makes a fragment: more of them follow, or some came before. */
export const FRAGMENT_MASK = FLAG_MORE_FRAGMENTS | OFFSET_MASK

export const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  [PROTO_ICMP]: 'ICMP',
  [PROTO_IPIP]: 'IPIP',
  [PROTO_TCP]: 'TCP',
  [PROTO_UDP]: 'UDP',
  [PROTO_IPV6]: 'IPv6',
  [PROTO_GRE]: 'GRE',
  [PROTO_ESP]: 'ESP',
  [PROTO_AH]: 'AH',
  [PROTO_ICMPV6]: 'ICMPv6',
  [PROTO_SCTP]: 'SCTP',
}

const FLAG_NAMES = { 4: 'reserved', 2: 'DF', 1: 'MF' }

// biome-ignore format: one field a line
export const fields: readonly Field[] = [
  field('version', 0, 1, 'number', 'Always 4.', { shift: 4, width: 4 }),
  field('header length', 0, 1, 'number', 'Length of the header in units of 4 bytes, 5 to 15.', { width: 4 }),
  field('tos', 1, 1, 'hex', 'Type of service: DSCP in the upper 6 bits, ECN in the lower 2.'),
  field('total length', 2, 2, 'number', 'Bytes of the packet from this header on; what follows is padding.'),
  field('identification', 4, 2, 'hex', 'The same in all fragments of one datagram.'),
  field('flags', 6, 2, 'flags', 'DF: must not be fragmented. MF: more fragments follow.', { shift: 13, width: 3, names: FLAG_NAMES }),
  field('fragment offset', 6, 2, 'number', 'Where this fragment belongs in the datagram, in units of 8 bytes.', { width: 13 }),
  field('ttl', 8, 1, 'number', 'Routers that the packet may still cross.'),
  field('protocol', 9, 1, 'number', 'What the payload is.', { names: PROTOCOL_NAMES }),
  field('checksum', 10, 2, 'hex', 'Internet checksum of the header.'),
  field('source', 12, 4, 'ipv4', 'Address of the sender.'),
  field('destination', 16, 4, 'ipv4', 'Address of the receiver.'),
]

/**
 * Whether `[at, end)` begins with an IPv4 packet whose lengths agree: the header within the packet,
 * the packet within the frame. Says nothing of the checksum.
 */
export function isWellFormed(view: DataView, at: number, end: number): boolean {
  if (end - at < HEADER_BYTES_MIN) return false
  const first = view.getUint8(at)
  const total = view.getUint16(at + 2)
  return first >= 0x45 && first <= 0x4f && total >= (first & 15) << 2 && total <= end - at
}

/**
 * Whether `[at, end)` begins with a whole IPv4 header, whatever has become of the packet: for what
 * an ICMP error quotes, which is usually cut.
 */
export function isQuoteWellFormed(view: DataView, at: number, end: number): boolean {
  if (end - at < HEADER_BYTES_MIN) return false
  const first = view.getUint8(at)
  return first >= 0x45 && first <= 0x4f && (first & 15) << 2 <= end - at
}

/**
 * Whether the header's checksum is right. Only for a header that is well-formed. Nearly all headers
 * have no options, and every frame comes by here: their five words are added without a loop.
 */
export function isChecksumGood(view: DataView, at: number): boolean {
  const bytes = headerBytes(view, at)
  if (bytes !== HEADER_BYTES_MIN) return fold(sum(view, at, bytes)) === 0xffff
  return (
    fold(
      halves(view.getInt32(at)) +
        halves(view.getInt32(at + 4)) +
        halves(view.getInt32(at + 8)) +
        halves(view.getInt32(at + 12)) +
        halves(view.getInt32(at + 16)),
    ) === 0xffff
  )
}

export function headerBytes(view: DataView, at: number): number {
  return (view.getUint8(at) & 15) << 2
}

/** Bytes of header and payload. */
export function totalLength(view: DataView, at: number): number {
  return view.getUint16(at + 2)
}

export function tos(view: DataView, at: number): number {
  return view.getUint8(at + 1)
}

export function identification(view: DataView, at: number): number {
  return view.getUint16(at + 4)
}

/** Whether the packet is only a part of a datagram. */
export function isFragment(view: DataView, at: number): boolean {
  return (view.getUint16(at + 6) & FRAGMENT_MASK) !== 0
}

/** In bytes, 0 to 65528. */
export function fragmentOffset(view: DataView, at: number): number {
  return (view.getUint16(at + 6) & OFFSET_MASK) << 3
}

export function moreFragments(view: DataView, at: number): boolean {
  return (view.getUint16(at + 6) & FLAG_MORE_FRAGMENTS) !== 0
}

export function dontFragment(view: DataView, at: number): boolean {
  return (view.getUint16(at + 6) & FLAG_DONT_FRAGMENT) !== 0
}

export function ttl(view: DataView, at: number): number {
  return view.getUint8(at + 8)
}

export function protocol(view: DataView, at: number): number {
  return view.getUint8(at + 9)
}

export function checksum(view: DataView, at: number): number {
  return view.getUint16(at + 10)
}

export function source(view: DataView, at: number): number {
  return view.getInt32(at + 12)
}

export function destination(view: DataView, at: number): number {
  return view.getInt32(at + 16)
}

/** For a header with options behind its 20 bytes; a multiple of 4. */
export function setHeaderBytes(view: DataView, at: number, bytes: number): void {
  view.setUint8(at, 0x40 | (bytes >>> 2))
}

export function setTos(view: DataView, at: number, tos: number): void {
  view.setUint8(at + 1, tos)
}

export function setTotalLength(view: DataView, at: number, bytes: number): void {
  view.setUint16(at + 2, bytes)
}

export function setIdentification(view: DataView, at: number, identification: number): void {
  view.setUint16(at + 4, identification)
}

/** `flags` of FLAG_DONT_FRAGMENT and FLAG_MORE_FRAGMENTS; the offset in bytes, a multiple of 8. */
export function setFragment(view: DataView, at: number, flags: number, offset: number): void {
  view.setUint16(at + 6, flags | (offset >>> 3))
}

export function setTtl(view: DataView, at: number, ttl: number): void {
  view.setUint8(at + 8, ttl)
}

export function setProtocol(view: DataView, at: number, protocol: number): void {
  view.setUint8(at + 9, protocol)
}

export function setSource(view: DataView, at: number, address: number): void {
  view.setInt32(at + 12, address)
}

export function setDestination(view: DataView, at: number, address: number): void {
  view.setInt32(at + 16, address)
}

/**
 * Lowers a TTL that is not 0, and corrects the checksum (RFC 1624). The TTL is the upper byte of
 * its word, so the sum falls by 0x0100 and the checksum rises by as much, with the carry brought
 * round. A wrong checksum stays wrong by as much as it was: damage is not hidden. A right one
 * becomes exactly what `updateChecksum` would write, never 0xffff.
 */
export function decrementTtl(view: DataView, at: number): void {
  view.setUint8(at + 8, view.getUint8(at + 8) - 1)
  const raised = view.getUint16(at + 10) + 0x0100
  view.setUint16(at + 10, raised >= 0xffff ? raised - 0xffff : raised)
}

/** Computes the checksum from scratch, over options too. */
export function updateChecksum(view: DataView, at: number): void {
  view.setUint16(at + 10, 0)
  view.setUint16(at + 10, complement(sum(view, at, headerBytes(view, at))))
}

/**
 * Writes a header of 20 bytes, without options, checksum included. `flags` of FLAG_DONT_FRAGMENT
 * and FLAG_MORE_FRAGMENTS; the fragment offset is 0 (`setFragment` then `updateChecksum` for
 * another).
 */
export function writeHeader(
  view: DataView,
  at: number,
  tos: number,
  totalLength: number,
  identification: number,
  flags: number,
  ttl: number,
  protocol: number,
  source: number,
  destination: number,
): void {
  setHeaderBytes(view, at, HEADER_BYTES_MIN)
  setTos(view, at, tos)
  setTotalLength(view, at, totalLength)
  setIdentification(view, at, identification)
  setFragment(view, at, flags, 0)
  setTtl(view, at, ttl)
  setProtocol(view, at, protocol)
  setSource(view, at, source)
  setDestination(view, at, destination)
  updateChecksum(view, at)
}
