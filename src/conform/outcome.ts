/**
 * What came out of the director for a packet, in the words of the recordings. Frames are compared
 * with the packet last sent, as the recordings were.
 */
import type { SentFrame } from '../port/memory.js'
import { formatIpv4, formatIpv6 } from '../wire/address.js'
import * as ethernet from '../wire/ethernet.js'
import * as icmp from '../wire/icmp.js'
import * as icmpv6 from '../wire/icmpv6.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as tcp from '../wire/tcp.js'
import { DIRECTOR_MAC_LOW, MAC_HIGH } from './packet-bytes.js'
import type { FrameOut, Out } from './recording.js'
import { viewOf } from './transport-bytes.js'

const IP = ethernet.HEADER_BYTES

/** The outcome of a packet whose frame was `input`. */
export function outcome(input: Uint8Array, sent: readonly SentFrame[]): Out {
  if (sent.length === 0) return { to: 'drop' }
  const outs = sent.map((frame) => frameOut(input, frame.bytes))
  if (outs.length === 1) return outs[0]
  return { to: outs[0].to, frames: outs as FrameOut[] }
}

/**
 * A frame that leaves with the addresses of the packet is a forwarded one; else it is an answer.
 */
function frameOut(input: Uint8Array, output: Uint8Array): Out {
  const isIpv6 = ethernet.type(viewOf(input), 0) === ethernet.ETH_P_IPV6
  const isForwarded = isIpv6
    ? isSame(input, output, IP + ipv6.ADDRESSES_OFFSET, 32)
    : isSame(input, output, IP + ipv4.ADDRESSES_OFFSET, 8)
  if (!isForwarded) return isIpv6 ? answer6(output) : answer4(output)
  return isIpv6 ? forwarded6(input, output) : forwarded4(input, output)
}

/** The server of a MAC address, if the frame bears the director's own as its source. */
function serverOf(output: Uint8Array, prefix: string, radix: number): string {
  const view = viewOf(output)
  const isFromDirector =
    ethernet.sourceHigh(view, 0) === MAC_HIGH && ethernet.sourceLow(view, 0) === DIRECTOR_MAC_LOW
  const low = ethernet.destinationLow(view, 0)
  if (!isFromDirector) return 'a frame with a foreign source MAC'
  return ethernet.destinationHigh(view, 0) === MAC_HIGH && low >>> 8 === 0
    ? prefix + low.toString(radix)
    : 'a frame to an unknown MAC'
}

function forwarded4(input: Uint8Array, output: Uint8Array): FrameOut {
  const from = viewOf(input)
  const to = viewOf(output)
  const changed: string[] = []
  const shape = {
    total_len: ipv4.totalLength(to, IP),
    frag_off: ipv4.fragmentOffset(to, IP),
    more: ipv4.moreFragments(to, IP),
    df: ipv4.dontFragment(to, IP),
  }
  const isLength = shape.total_len !== ipv4.totalLength(from, IP)
  const isFragment = from.getUint16(IP + 6) !== to.getUint16(IP + 6)
  if (isLength) changed.push('length')
  else if (isFragment) changed.push('frag')
  if (ipv4.ttl(from, IP) !== ipv4.ttl(to, IP)) changed.push('ttl')
  if (ipv4.checksum(from, IP) !== ipv4.checksum(to, IP)) changed.push('ip_csum')
  if (!ipv4.isChecksumGood(to, IP)) changed.push('a wrong ip_csum')
  if (!isLength && !isFragment) {
    const headerBytes = ipv4.headerBytes(to, IP)
    if (!isHeaderSame4(input, output, headerBytes)) changed.push('ip_header')
    if (!isSame(input, output, IP + headerBytes)) changed.push('payload')
  }
  return {
    to: serverOf(output, '192.168.1.', 10),
    ttl_delta: ipv4.ttl(to, IP) - ipv4.ttl(from, IP),
    bytes_changed_beyond_mac: !isSame(input, output, IP),
    changed,
    ...(isLength || isFragment ? shape : {}),
  }
}

/** All of the header but lengths, fragment fields, TTL and checksum. */
function isHeaderSame4(input: Uint8Array, output: Uint8Array, headerBytes: number): boolean {
  return (
    isSame(input, output, IP, 2) &&
    isSame(input, output, IP + 4, 2) &&
    isSame(input, output, IP + 9, 1) &&
    isSame(input, output, IP + 12, headerBytes - 12)
  )
}

function forwarded6(input: Uint8Array, output: Uint8Array): FrameOut {
  const from = viewOf(input)
  const to = viewOf(output)
  const before = fragment6(input)
  const after = fragment6(output)
  const changed: string[] = []
  const isLength = ipv6.payloadLength(from, IP) !== ipv6.payloadLength(to, IP)
  const isFragment = before?.frag_off !== after?.frag_off || before?.more !== after?.more
  if (isLength) changed.push('length')
  else if (isFragment) changed.push('frag')
  else if (before?.id !== after?.id) changed.push('frag_id')
  if (ipv6.hopLimit(from, IP) !== ipv6.hopLimit(to, IP)) changed.push('ttl')
  if (from.getUint32(IP) !== to.getUint32(IP)) changed.push('ip_header')
  // Behind a fragment's own header, which has an identification of its own.
  const rest = before === null ? IP + ipv6.HEADER_BYTES : before.at + ipv6.FRAGMENT_HEADER_BYTES
  if (!isLength && !isFragment && !isSame(input, output, rest)) changed.push('payload')
  const shape = { frag_off: after?.frag_off ?? 0, more: after?.more ?? false }
  return {
    to: serverOf(output, '2001:db8:1::', 16),
    ttl_delta: ipv6.hopLimit(to, IP) - ipv6.hopLimit(from, IP),
    bytes_changed_beyond_mac: !isSame(input, output, IP),
    changed,
    ...(isLength || isFragment
      ? {
          total_len: ipv6.payloadLength(to, IP) + ipv6.HEADER_BYTES,
          ...(after === null ? {} : shape),
        }
      : {}),
  }
}

/** Fields of the fragment header of an IPv6 frame, or null if it has none. */
function fragment6(frame: Uint8Array) {
  const view = viewOf(frame)
  const end = IP + ipv6.HEADER_BYTES + ipv6.payloadLength(view, IP)
  const found = new Int32Array(ipv6.FOUND_WORDS)
  ipv6.walkExtensions(view, IP, end, found)
  const at = found[ipv6.FOUND_FRAGMENT_AT]
  if (at < 0) return null
  return {
    at,
    frag_off: found[ipv6.FOUND_FRAGMENT_OFFSET],
    more: found[ipv6.FOUND_MORE_FRAGMENTS] === 1,
    id: ipv6.fragmentHeaderIdentification(view, at),
  }
}

function answer4(output: Uint8Array): Out {
  const view = viewOf(output)
  const message = IP + ipv4.headerBytes(view, IP)
  const protocol = ipv4.protocol(view, IP)
  if (protocol === ipv4.PROTO_TCP) return reset(view, message)
  if (protocol !== ipv4.PROTO_ICMP) return { to: `protocol ${protocol}` }
  const type = icmp.type(view, message)
  const code = icmp.code(view, message)
  const needsMtu =
    type === icmp.TYPE_DESTINATION_UNREACHABLE && code === icmp.CODE_FRAGMENTATION_NEEDED
  return {
    to: `icmp:${type}/${code}`,
    icmp_src: formatIpv4(ipv4.source(view, IP)),
    icmp_dst: formatIpv4(ipv4.destination(view, IP)),
    ...(needsMtu ? { mtu: icmp.nextHopMtu(view, message) } : {}),
  }
}

function answer6(output: Uint8Array): Out {
  const view = viewOf(output)
  const message = IP + ipv6.HEADER_BYTES
  const protocol = ipv6.nextHeader(view, IP)
  if (protocol === ipv4.PROTO_TCP) return reset(view, message)
  if (protocol !== ipv4.PROTO_ICMPV6) return { to: `protocol ${protocol}` }
  const type = icmpv6.type(view, message)
  const rest = view.getUint32(message + 4)
  return {
    to: `icmp6:${type}/${icmpv6.code(view, message)}`,
    icmp_src: address6(view, IP + ipv6.ADDRESSES_OFFSET),
    icmp_dst: address6(view, IP + ipv6.ADDRESSES_OFFSET + 16),
    ...(type === icmpv6.TYPE_PACKET_TOO_BIG ? { mtu: rest } : {}),
    ...(type === icmpv6.TYPE_PARAMETER_PROBLEM ? { pointer: rest } : {}),
  }
}

function reset(view: DataView, segment: number): Out {
  return { to: (tcp.flags(view, segment) & tcp.FLAG_RST) !== 0 ? 'rst' : 'tcp without RST' }
}

function address6(view: DataView, at: number): string {
  return formatIpv6(
    view.getInt32(at),
    view.getInt32(at + 4),
    view.getInt32(at + 8),
    view.getInt32(at + 12),
  )
}

function isSame(a: Uint8Array, b: Uint8Array, from: number, bytes?: number): boolean {
  const end = bytes === undefined ? Math.max(a.length, b.length) : from + bytes
  for (let i = from; i < end; i++) if (a[i] !== b[i]) return false
  return true
}
