/**
 * Completes the checksums that a sender left to hardware that does not exist.
 *
 * On veth and similar devices the kernel hands a TCP or UDP packet over with a *partial* checksum:
 * the field holds only the sum of the pseudo-header, not complemented (CHECKSUM_PARTIAL in
 * linux/skbuff.h), and a card would add the rest. A packet socket with a virtio header says so for
 * each frame; AF_XDP and libpcap do not, so here it is recognised by its value:
 *
 *   field = sum(pseudo-header)    ->    field := ~sum(TCP or UDP header and payload, as they are)
 *
 * Completing is harmless where the recognition is wrong. A checksum that is right already and
 * equals the pseudo-header's sum by chance is given the same value again, since it makes the sum of
 * all words 0xffff. A wrong one is taken for a partial one with a chance of 1 in 65536.
 *
 * Left alone: fragments (the kernel completes a packet before it cuts it) and everything malformed
 * (the director has verdicts for that).
 */
import * as ethernet from './ethernet.js'
import { complement, fold, sum } from './internet-sum.js'
import * as ipv4 from './ipv4.js'
import * as tcp from './tcp.js'
import * as udp from './udp.js'

const HOP_BY_HOP = 0
const DESTINATION_OPTIONS = 60
const EXTENSION_HEADERS_MAX = 4

/** Completes the frame at `offset` of `view`; says whether there was something to complete. */
export function completeChecksum(view: DataView, offset: number, length: number): boolean {
  const end = offset + length
  let at = offset + 12
  while (at + 6 <= end) {
    const type = view.getUint16(at)
    if (type === ethernet.ETH_P_IP) return completeIpv4(view, at + 2, end)
    if (type === ethernet.ETH_P_IPV6) return completeIpv6(view, at + 2, end)
    if (!ethernet.isVlan(type)) return false
    at += ethernet.VLAN_TAG_BYTES
  }
  return false
}

function completeIpv4(view: DataView, ip: number, end: number): boolean {
  if (!ipv4.isWellFormed(view, ip, end) || ipv4.isFragment(view, ip)) return false
  const segment = ip + ipv4.headerBytes(view, ip)
  const packetEnd = ip + ipv4.totalLength(view, ip)
  const addresses = sum(view, ip + ipv4.ADDRESSES_OFFSET, 8)
  return completeSegment(view, segment, packetEnd, ipv4.protocol(view, ip), addresses)
}

function completeIpv6(view: DataView, ip: number, end: number): boolean {
  if (ip + 40 > end || view.getUint8(ip) >> 4 !== 6) return false
  const packetEnd = ip + 40 + view.getUint16(ip + 4)
  if (packetEnd > end) return false
  let protocol = view.getUint8(ip + 6)
  let at = ip + 40
  for (let passed = 0; protocol === HOP_BY_HOP || protocol === DESTINATION_OPTIONS; passed++) {
    if (passed === EXTENSION_HEADERS_MAX || at + 8 > packetEnd) return false
    protocol = view.getUint8(at)
    at += (view.getUint8(at + 1) + 1) * 8
  }
  return completeSegment(view, at, packetEnd, protocol, sum(view, ip + 8, 32))
}

/** `addresses`: the sum of source and destination, which the pseudo-header begins with. */
function completeSegment(
  view: DataView,
  segment: number,
  end: number,
  protocol: number,
  addresses: number,
): boolean {
  const isTcp = protocol === ipv4.PROTO_TCP
  const field = segment + (isTcp ? tcp.CHECKSUM_OFFSET : udp.CHECKSUM_OFFSET)
  const headerBytes = isTcp ? tcp.HEADER_BYTES_MIN : udp.HEADER_BYTES
  if ((!isTcp && protocol !== ipv4.PROTO_UDP) || segment + headerBytes > end) return false
  const stored = view.getUint16(field)
  // Zero in UDP: sent without a checksum (RFC 768). No pseudo-header sums to zero.
  if (stored === 0 || stored !== fold(addresses + protocol + (end - segment))) return false
  const complete = complement(sum(view, segment, end - segment))
  view.setUint16(field, !isTcp && complete === 0 ? 0xffff : complete)
  return true
}
