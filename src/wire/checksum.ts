/**
 * Checksums of transports: the Internet checksum over pseudo header, header and payload (RFC 9293
 * section 3.1, RFC 768, RFC 8200 section 8.1). The arithmetic itself is `internet-sum.ts`, exported
 * from here too.
 *
 *   pseudo header 4: | source 4 | destination 4 | 0, protocol | transport bytes |
 *   pseudo header 6: | source 16 | destination 16 | transport bytes, 4 | 0 0 0, protocol |
 *
 * SCTP and plain ICMP have no pseudo header; theirs are in `sctp.ts` and `icmp.ts`.
 */
import { CHECKSUM_OFFSET as ICMPV6_CHECKSUM } from './icmp.js'
import { complement, fold, sum } from './internet-sum.js'
import { PROTO_ICMPV6, PROTO_TCP, PROTO_UDP, ADDRESSES_OFFSET as V4_ADDRESSES } from './ipv4.js'
import { ADDRESSES_OFFSET as V6_ADDRESSES } from './ipv6.js'
import { CHECKSUM_OFFSET as TCP_CHECKSUM } from './tcp.js'
import { CHECKSUM_OFFSET as UDP_CHECKSUM } from './udp.js'

export { adjust, complement, fold, sum } from './internet-sum.js'

const NONE = -1

/** The partial sum of the pseudo header of the IPv4 packet at `ipAt`. */
export function pseudoHeader4(
  view: DataView,
  ipAt: number,
  protocol: number,
  transportBytes: number,
): number {
  return sum(view, ipAt + V4_ADDRESSES, 8, protocol + transportBytes)
}

/** The partial sum of the pseudo header of the IPv6 packet at `ipAt`. */
export function pseudoHeader6(
  view: DataView,
  ipAt: number,
  protocol: number,
  transportBytes: number,
): number {
  return sum(view, ipAt + V6_ADDRESSES, 32, protocol + transportBytes)
}

/** Where the checksum stands in a transport's header, -1 if it has none with a pseudo header. */
export function transportChecksumOffset(protocol: number): number {
  if (protocol === PROTO_TCP) return TCP_CHECKSUM
  if (protocol === PROTO_UDP) return UDP_CHECKSUM
  if (protocol === PROTO_ICMPV6) return ICMPV6_CHECKSUM
  return NONE
}

/**
 * Writes the checksum of the whole TCP segment or UDP datagram `[transportAt, end)` of the IPv4
 * packet at `ipAt`. Does nothing for other protocols.
 */
export function finishTransport4(
  view: DataView,
  ipAt: number,
  transportAt: number,
  end: number,
  protocol: number,
): void {
  const bytes = end - transportAt
  finish(view, transportAt, bytes, protocol, pseudoHeader4(view, ipAt, protocol, bytes))
}

/** The same for TCP, UDP or ICMPv6 over IPv6, extension headers or none. */
export function finishTransport6(
  view: DataView,
  ipAt: number,
  transportAt: number,
  end: number,
  protocol: number,
): void {
  const bytes = end - transportAt
  finish(view, transportAt, bytes, protocol, pseudoHeader6(view, ipAt, protocol, bytes))
}

function finish(
  view: DataView,
  at: number,
  bytes: number,
  protocol: number,
  pseudoHeader: number,
): void {
  const offset = transportChecksumOffset(protocol)
  if (offset === NONE) return
  view.setUint16(at + offset, 0)
  const checksum = complement(sum(view, at, bytes, pseudoHeader))
  // RFC 768: 0 would say that there is no checksum. In one's complement 0xffff is the same number.
  view.setUint16(at + offset, checksum === 0 && protocol === PROTO_UDP ? 0xffff : checksum)
}

/**
 * Whether the checksum of the whole TCP segment or UDP datagram `[transportAt, end)` is right. UDP
 * without a checksum is right, and so is what has no pseudo header.
 */
export function isTransportGood4(
  view: DataView,
  ipAt: number,
  transportAt: number,
  end: number,
  protocol: number,
): boolean {
  const offset = transportChecksumOffset(protocol)
  if (offset === NONE) return true
  if (protocol === PROTO_UDP && view.getUint16(transportAt + offset) === 0) return true
  const bytes = end - transportAt
  return fold(sum(view, transportAt, bytes, pseudoHeader4(view, ipAt, protocol, bytes))) === 0xffff
}

/** The same over IPv6, where UDP has to have a checksum. */
export function isTransportGood6(
  view: DataView,
  ipAt: number,
  transportAt: number,
  end: number,
  protocol: number,
): boolean {
  const offset = transportChecksumOffset(protocol)
  if (offset === NONE) return true
  if (protocol === PROTO_UDP && view.getUint16(transportAt + offset) === 0) return false
  const bytes = end - transportAt
  return fold(sum(view, transportAt, bytes, pseudoHeader6(view, ipAt, protocol, bytes))) === 0xffff
}
