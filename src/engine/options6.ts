/**
 * What a host makes of the extension headers of an IPv6 packet before it looks further (RFC 8200
 * sections 4.2 to 4.6), in Linux's order and with its answers (`net/ipv6/exthdrs.c`).
 *
 * Hop-by-hop options are looked at in every packet that is addressed to the host, so also in those
 * that are for a realserver. Destination options and routing headers are the business of the host
 * that the packet ends at: the realserver's, or the director's own where it answers by itself.
 *
 *   the two upper bits of an unknown option's type:
 *     00 skip it   01 discard   10 discard and answer   11 the same (not to groups)
 */
import { CODE_ERRONEOUS_HEADER, CODE_UNKNOWN_NEXT_HEADER } from '../wire/icmpv6.js'
import { PROTO_AH } from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'

/** Verdicts of the functions here; all others are answers, made by `refusal`. */
export const ACCEPTED = 0
export const DISCARDED = -1

const OPTION_PAD1 = 0x00
const OPTION_PADN = 0x01
const OPTION_ROUTER_ALERT = 0x05
const OPTION_JUMBO = 0xc2
const OPTION_HOME_ADDRESS = 0xc9
/** More options, or more padding in one place, than anybody sends (Linux's limits). */
const OPTIONS_MAX = 8
const PADDING_MAX = 7
const CODE_UNKNOWN_OPTION = 2
/** Kinds of routing header that Linux drops in silence rather than refuse. */
const ROUTING_MOBILE = 2
const ROUTING_RPL = 3
const ROUTING_SEGMENT = 4
const ROUTING_TYPE_OFFSET = 2
const SEGMENTS_LEFT_OFFSET = 3

/** An answer: ICMPv6 parameter problem with this code, pointing at this byte of the packet. */
function refusal(code: number, pointer: number): number {
  return (code << 16) | pointer | 0x1000000
}

export function refusalCode(judgement: number): number {
  return (judgement >>> 16) & 0xff
}

export function refusalPointer(judgement: number): number {
  return judgement & 0xffff
}

/** The hop-by-hop options, if the packet `[ip, end)` begins with them. */
export function judgeHopByHop(view: DataView, ip: number, end: number): number {
  if (ipv6.nextHeader(view, ip) !== ipv6.PROTO_HOP_BY_HOP) return ACCEPTED
  return judgeOptions(view, ip, ip + ipv6.HEADER_BYTES, end, true)
}

/**
 * All further extension headers, up to the transport at `segment`, as the host they end at; which
 * has no key for AH, and does not know it.
 */
export function judgeAsHost(view: DataView, ip: number, segment: number): number {
  let protocol = ipv6.nextHeader(view, ip)
  let at = ip + ipv6.HEADER_BYTES
  let namedAt = ip + ipv6.NEXT_HEADER_OFFSET
  while (at < segment) {
    if (protocol === PROTO_AH) return refusal(CODE_UNKNOWN_NEXT_HEADER, namedAt - ip)
    let judgement = ACCEPTED
    if (protocol === ipv6.PROTO_DESTINATION_OPTIONS) {
      judgement = judgeOptions(view, ip, at, segment, false)
    } else if (protocol === ipv6.PROTO_ROUTING) judgement = judgeRouting(view, ip, at)
    if (judgement !== ACCEPTED) return judgement
    const isFragment = protocol === ipv6.PROTO_FRAGMENT
    protocol = ipv6.extensionNextHeader(view, at)
    namedAt = at
    at += isFragment ? ipv6.FRAGMENT_HEADER_BYTES : ipv6.extensionBytes(view, at)
  }
  return ACCEPTED
}

/**
 * Where the transport at `segment` is named: the offset from `ip` of that next header field. For
 * packets that `judgeAsHost` accepts.
 */
export function whereNamed(view: DataView, ip: number, segment: number): number {
  let namedAt = ip + ipv6.NEXT_HEADER_OFFSET
  let protocol = ipv6.nextHeader(view, ip)
  for (let at = ip + ipv6.HEADER_BYTES; at < segment; ) {
    const isFragment = protocol === ipv6.PROTO_FRAGMENT
    protocol = ipv6.extensionNextHeader(view, at)
    namedAt = at
    at += isFragment ? ipv6.FRAGMENT_HEADER_BYTES : ipv6.extensionBytes(view, at)
  }
  return namedAt - ip
}

function judgeRouting(view: DataView, ip: number, at: number): number {
  if (view.getUint8(at + SEGMENTS_LEFT_OFFSET) === 0) return ACCEPTED
  const type = view.getUint8(at + ROUTING_TYPE_OFFSET)
  if (type === ROUTING_MOBILE || type === ROUTING_RPL || type === ROUTING_SEGMENT) return DISCARDED
  return refusal(CODE_ERRONEOUS_HEADER, at + ROUTING_TYPE_OFFSET - ip)
}

/** The options in the extension header at `header`. */
function judgeOptions(
  view: DataView,
  ip: number,
  header: number,
  end: number,
  isHopByHop: boolean,
): number {
  const stop = header + ipv6.extensionBytes(view, header)
  if (stop > end) return DISCARDED
  let padding = 0
  let options = 0
  for (let at = header + 2; at < stop; ) {
    const type = view.getUint8(at)
    const bytes = type === OPTION_PAD1 ? 1 : at + 1 < stop ? view.getUint8(at + 1) + 2 : 0
    if (bytes === 0 || at + bytes > stop) return DISCARDED
    if (type === OPTION_PAD1 || type === OPTION_PADN) {
      padding += bytes
      if (padding > PADDING_MAX || !isZero(view, at + 2, at + bytes)) return DISCARDED
    } else {
      padding = 0
      if (++options > OPTIONS_MAX) return DISCARDED
      const judgement = judgeOption(view, ip, at, type, isHopByHop)
      if (judgement !== ACCEPTED) return judgement
    }
    at += bytes
  }
  return ACCEPTED
}

function judgeOption(
  view: DataView,
  ip: number,
  at: number,
  type: number,
  isHopByHop: boolean,
): number {
  const dataBytes = view.getUint8(at + 1)
  if (isHopByHop && type === OPTION_ROUTER_ALERT) return dataBytes === 2 ? ACCEPTED : DISCARDED
  if (isHopByHop && type === OPTION_JUMBO) return judgeJumbo(view, ip, at, dataBytes)
  // Mobile IPv6: its address is one that no frame of ours was made for.
  if (!isHopByHop && type === OPTION_HOME_ADDRESS) return DISCARDED
  const action = type >>> 6
  if (action === 0) return ACCEPTED
  return action === 1 ? DISCARDED : refusal(CODE_UNKNOWN_OPTION, at - ip)
}

/** RFC 2675: a jumbogram needs a payload length of 0, and more bytes than any frame has. */
function judgeJumbo(view: DataView, ip: number, at: number, dataBytes: number): number {
  if (dataBytes !== 4 || ((at - ip) & 3) !== 2) return DISCARDED
  if (view.getUint32(at + 2) <= 0xffff) return refusal(CODE_ERRONEOUS_HEADER, at + 2 - ip)
  return ipv6.payloadLength(view, ip) !== 0 ? refusal(CODE_ERRONEOUS_HEADER, at - ip) : DISCARDED
}

function isZero(view: DataView, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (view.getUint8(at) !== 0) return false
  return true
}
