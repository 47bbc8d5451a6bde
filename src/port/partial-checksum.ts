/**
 * Completes the checksums that a sender left to hardware that does not exist.
 *
 * On veth and similar devices the kernel hands a TCP or UDP packet over with a *partial* checksum:
 * the field holds only the sum of the pseudo-header, not complemented (CHECKSUM_PARTIAL in
 * linux/skbuff.h), and a card would add the rest. A packet socket with a virtio header says so for
 * each frame; libpcap does not, so here it is recognised by its value:
 *
 *   field = sum(pseudo-header)    ->    field := ~sum(TCP or UDP header and payload, as they are)
 *
 * Completing is harmless where the recognition is wrong. A checksum that is right already and
 * equals the pseudo-header's sum by chance is given the same value again, since it makes the sum of
 * all words 0xffff. A wrong one is taken for a partial one with a chance of 1 in 65536.
 *
 * Left alone: fragments (the kernel completes a packet before it cuts it), aggregates (they can't
 * be sent whole anyway) and everything malformed (the director has verdicts for that).
 */
const ETHERTYPE_IPV4 = 0x0800
const ETHERTYPE_VLAN = 0x8100
const ETHERTYPE_SERVICE_VLAN = 0x88a8
const ETHERTYPE_IPV6 = 0x86dd
const TCP = 6
const UDP = 17
const HOP_BY_HOP = 0
const DESTINATION_OPTIONS = 60
/** More than fragments without offset have; `frag_off` without the "don't fragment" bit. */
const FRAGMENT_BITS = 0x3fff
const EXTENSION_HEADERS_MAX = 4
/** The three bytes from the EtherType on: IPv4 with a header of 20 bytes. */
const PLAIN_IPV4 = 0x080045
/** Of Ethernet and that header. */
const PLAIN_BYTES_MIN = 34
/** FRAGMENT_BITS in the word that ends with TTL and protocol. */
const PLAIN_FRAGMENT_BITS = FRAGMENT_BITS << 16

/** Completes the frame at `offset` of `view`; says whether there was something to complete. */
export function completeChecksum(view: DataView, offset: number, length: number): boolean {
  const end = offset + length
  // Every frame of the port af_xdp comes by here, and nearly all for nothing: the usual ones, IPv4
  // without tags or options, are looked at in the fewest reads.
  if (length >= PLAIN_BYTES_MIN && view.getInt32(offset + 12) >>> 8 === PLAIN_IPV4) {
    return completePlainIpv4(view, offset + 14, end)
  }
  let at = offset + 12
  while (at + 6 <= end) {
    const type = view.getUint16(at)
    if (type === ETHERTYPE_IPV4) return completeIpv4(view, at + 2, end)
    if (type === ETHERTYPE_IPV6) return completeIpv6(view, at + 2, end)
    if (type !== ETHERTYPE_VLAN && type !== ETHERTYPE_SERVICE_VLAN) return false
    at += 4
  }
  return false
}

function completePlainIpv4(view: DataView, ip: number, end: number): boolean {
  const packetEnd = ip + view.getUint16(ip + 2)
  const word = view.getInt32(ip + 6)
  if (packetEnd > end || (word & PLAIN_FRAGMENT_BITS) !== 0) return false
  const source = view.getInt32(ip + 12)
  const destination = view.getInt32(ip + 16)
  const addresses =
    (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff)
  return completeSegment(view, ip + 20, packetEnd, word & 0xff, addresses)
}

function completeIpv4(view: DataView, ip: number, end: number): boolean {
  if (ip + 20 > end || view.getUint8(ip) >> 4 !== 4) return false
  const headerBytes = (view.getUint8(ip) & 0xf) * 4
  const packetEnd = ip + view.getUint16(ip + 2)
  if (headerBytes < 20 || packetEnd > end || ip + headerBytes > packetEnd) return false
  if ((view.getUint16(ip + 6) & FRAGMENT_BITS) !== 0) return false
  const addresses = sum(view, ip + 12, ip + 20)
  return completeSegment(view, ip + headerBytes, packetEnd, view.getUint8(ip + 9), addresses)
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
  return completeSegment(view, at, packetEnd, protocol, sum(view, ip + 8, ip + 40))
}

/** `addresses`: the sum of source and destination, which the pseudo-header begins with. */
function completeSegment(
  view: DataView,
  segment: number,
  end: number,
  protocol: number,
  addresses: number,
): boolean {
  const field = segment + (protocol === TCP ? 16 : 6)
  const headerBytes = protocol === TCP ? 20 : 8
  if ((protocol !== TCP && protocol !== UDP) || segment + headerBytes > end) return false
  const stored = view.getUint16(field)
  // Zero in UDP: sent without a checksum (RFC 768). No pseudo-header sums to zero.
  if (stored === 0 || stored !== fold(addresses + protocol + (end - segment))) return false
  const complete = ~fold(sum(view, segment, end)) & 0xffff
  view.setUint16(field, protocol === UDP && complete === 0 ? 0xffff : complete)
  return true
}

/** The sum of the 16-bit words from `from` to `to`; below 2^53 for any packet, so not folded. */
function sum(view: DataView, from: number, to: number): number {
  let total = 0
  let at = from
  for (; at + 1 < to; at += 2) total += view.getUint16(at)
  if (at < to) total += view.getUint8(at) << 8
  return total
}

/** The ones' complement sum in 16 bits (RFC 1071). A packet's sum is below 2^32. */
function fold(total: number): number {
  let folded = total
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16)
  return folded
}
