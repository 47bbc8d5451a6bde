/**
 * What a packet says to the state machine of its connection, in one number: the flags of a TCP
 * segment, the type of the SCTP chunk that decides, 0 for UDP; -1 if its header is not all there,
 * with which nothing is opened and no state changes.
 */
import { PROTO_AH, PROTO_ESP, PROTO_SCTP, PROTO_TCP, PROTO_UDP } from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as sctp from '../wire/sctp.js'
import * as tcp from '../wire/tcp.js'
import * as udp from '../wire/udp.js'

/** Does the director serve this protocol? */
export function isServed(protocol: number): boolean {
  return protocol === PROTO_TCP || protocol === PROTO_UDP || protocol === PROTO_SCTP
}

/** AH and ESP hide their ports: they go where the key exchange of their two ends goes. */
export function isIpsec(protocol: number): boolean {
  return protocol === PROTO_ESP || protocol === PROTO_AH
}

/** The ports of a key exchange (IKE, RFC 7296 section 2): 500 at both ends. */
export const IKE_PORTS = (500 << 16) | 500

export function eventOf(protocol: number, view: DataView, segment: number, end: number): number {
  if (protocol === PROTO_TCP) {
    return end - segment < tcp.HEADER_BYTES_MIN ? -1 : tcp.flags(view, segment)
  }
  if (protocol === PROTO_UDP) return end - segment < udp.HEADER_BYTES ? -1 : 0
  return sctpEvent(view, segment, end)
}

/**
 * The first chunk decides, except that an ABORT right behind COOKIE-ECHO or COOKIE-ACK counts for
 * both (`set_sctp_state`).
 */
function sctpEvent(view: DataView, segment: number, end: number): number {
  if (!sctp.isWellFormed(view, segment, end)) return -1
  const first = sctp.firstChunkType(view, segment)
  if (first !== sctp.CHUNK_COOKIE_ECHO && first !== sctp.CHUNK_COOKIE_ACK) return first
  const second = sctp.nextChunk(view, sctp.firstChunk(segment), end)
  return second >= 0 && sctp.chunkType(view, second) === sctp.CHUNK_ABORT ? sctp.CHUNK_ABORT : first
}

/**
 * The event that moves the state of an IPv6 connection. Linux reads TCP's flags (and SCTP's chunk)
 * as if the transport header followed the 40 bytes of the IPv6 header, whatever follows; so do we,
 * for the states and timeouts that users of both compare. Only packets with extension headers
 * differ.
 */
export function stateEvent6(
  view: DataView,
  ip: number,
  segment: number,
  end: number,
  protocol: number,
  event: number,
): number {
  const assumed = ip + ipv6.HEADER_BYTES
  return segment === assumed ? event : eventOf(protocol, view, assumed, end)
}

/** Ports of the other direction: source and destination exchanged. */
export function turned(ports: number): number {
  return (ports << 16) | (ports >>> 16)
}
