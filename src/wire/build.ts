/**
 * Frames made to order, for tests, `uipvs explain`, `uipvs doctor` and the lab. Never on the path
 * of a frame.
 *
 *   build({ ipv4: { source: '192.168.1.254', destination: '192.168.1.110' },
 *           tcp: { sport: 40000, dport: 80, flags: 'S' } })
 *
 * A spec that can't be built (a bad address, more bytes than a length can say) throws a TypeError:
 * it is a mistake of the caller's.
 */
import { parseIpv4, parseIpv6, parseMac } from './address.js'
import * as arp from './arp.js'
import * as ethernet from './ethernet.js'
import { writeField } from './field.js'
import type { ArpSpec, EthernetSpec, FrameSpec, Ipv4Spec, Ipv6Spec } from './frame-spec.js'
import * as ipv4 from './ipv4.js'
import * as ipv6 from './ipv6.js'
import { finishSegment, protocolOf, segment, spoilChecksum, viewOf } from './segment.js'

export type * from './frame-spec.js'
export { viewOf }

export const SOURCE_MAC = '02:00:00:00:00:fe'
export const DESTINATION_MAC = '02:00:00:00:00:01'
/**
 * RFC 3692: for experiments. What a packet without a transport carries, if nothing else is said.
 */
const PROTO_EXPERIMENT = 253
const LENGTH_MAX = 0xffff

const EXTENSION_PROTOCOL = {
  'hop-by-hop': ipv6.PROTO_HOP_BY_HOP,
  routing: ipv6.PROTO_ROUTING,
  fragment: ipv6.PROTO_FRAGMENT,
  'destination-options': ipv6.PROTO_DESTINATION_OPTIONS,
}

/** The Ethernet frame that `spec` describes. */
export function build(spec: FrameSpec): Uint8Array {
  const packet = spec.arp ? buildArp(spec.arp) : buildPacket(spec)
  const header = buildEthernet(spec.ethernet ?? {}, typeOf(spec))
  const bytes = header.length + packet.length
  const frame = new Uint8Array(Math.max(bytes, spec.padTo ?? 0))
  frame.set(header)
  frame.set(packet, header.length)
  return frame.slice(0, spec.truncate ?? frame.length)
}

/** The IP packet alone, without an Ethernet header, uncut and without padding. */
export function buildPacket(spec: FrameSpec): Uint8Array {
  const payload = segment(spec, quoteOf(spec))
  if (spec.ipv4) return buildIpv4(spec, spec.ipv4, payload)
  if (spec.ipv6) return buildIpv6(spec, spec.ipv6, payload)
  return payload
}

/**
 * The frames of a datagram that is sent in pieces, its checksum covering the whole. Each piece but
 * the last carries `pieceBytes` bytes, a multiple of 8.
 */
export function buildFragments(spec: FrameSpec, pieceBytes: number): Uint8Array[] {
  const whole = buildPacket(spec)
  const view = viewOf(whole)
  const { tcp: _t, udp: _u, sctp: _s, icmp: _i, icmpv6: _6, ...outer } = spec
  const headers = spec.ipv4
    ? ipv4.headerBytes(view, 0)
    : whole.length - segment(spec, quoteOf(spec)).length
  const protocol = protocolOf(spec) ?? PROTO_EXPERIMENT
  const frames: Uint8Array[] = []
  for (let offset = 0; headers + offset < whole.length; offset += pieceBytes) {
    const payload = whole.slice(headers + offset, headers + offset + pieceBytes)
    const more = headers + offset + payload.length < whole.length
    if (spec.ipv4) {
      const piece = { ...spec.ipv4, df: false, protocol, mf: more, frag: offset }
      frames.push(build({ ...outer, ipv4: piece, payload }))
    } else if (spec.ipv6) {
      const extensions = [
        ...(spec.ipv6.extensions ?? []),
        { kind: 'fragment', offset, more } as const,
      ]
      frames.push(
        build({ ...outer, ipv6: { ...spec.ipv6, extensions, nextHeader: protocol }, payload }),
      )
    }
  }
  return frames
}

/** The packet that an ICMP error quotes, empty if there is none. */
function quoteOf(spec: FrameSpec): Uint8Array {
  const quote = (spec.icmp ?? spec.icmpv6)?.quote ?? new Uint8Array(0)
  return quote instanceof Uint8Array ? quote : buildPacket(quote)
}

function typeOf(spec: FrameSpec): number {
  if (spec.arp) return ethernet.ETH_P_ARP
  return spec.ipv6 ? ethernet.ETH_P_IPV6 : ethernet.ETH_P_IP
}

function buildEthernet(spec: EthernetSpec, payloadType: number): Uint8Array {
  const tags = spec.vlan === undefined ? [] : [spec.vlan].flat()
  const bytes = new Uint8Array(ethernet.HEADER_BYTES + tags.length * ethernet.VLAN_TAG_BYTES)
  const view = viewOf(bytes)
  const destination = macOf(spec.destination ?? DESTINATION_MAC)
  const source = macOf(spec.source ?? SOURCE_MAC)
  ethernet.setDestination(view, 0, destination.high, destination.low)
  ethernet.setSource(view, 0, source.high, source.low)
  let at = 0
  for (const [i, id] of tags.entries()) {
    const isInner = i === tags.length - 1
    const tagType = isInner ? ethernet.ETH_P_8021Q : ethernet.ETH_P_8021AD
    ethernet.writeTag(view, at + ethernet.TYPE_OFFSET, tagType, id)
    at += ethernet.VLAN_TAG_BYTES
  }
  ethernet.setType(view, at, spec.type ?? payloadType)
  return bytes
}

function buildArp(spec: ArpSpec): Uint8Array {
  const bytes = new Uint8Array(arp.BYTES)
  const sender = macOf(spec.senderMac)
  const target = macOf(spec.targetMac ?? '00:00:00:00:00:00')
  const named = { request: arp.OP_REQUEST, reply: arp.OP_REPLY }
  const { operation = 'request' } = spec
  arp.write(
    viewOf(bytes),
    0,
    typeof operation === 'number' ? operation : named[operation],
    sender.high,
    sender.low,
    ipv4Of(spec.sender),
    target.high,
    target.low,
    ipv4Of(spec.target),
  )
  return bytes
}

function buildIpv4(spec: FrameSpec, ip: Ipv4Spec, payload: Uint8Array): Uint8Array {
  const { tos = 0, id = 0x1234, ttl = 64, mf = false, frag = 0, options = [] } = ip
  const { df = !mf && frag === 0, protocol = protocolOf(spec) ?? PROTO_EXPERIMENT } = ip
  const headerBytes = ipv4.HEADER_BYTES_MIN + roundUp(options.length, 4)
  const packet = joined(headerBytes, payload)
  const view = viewOf(packet)
  if (headerBytes > ipv4.HEADER_BYTES_MAX) throw new TypeError('more than 40 bytes of IPv4 options')
  if (packet.length > LENGTH_MAX) throw new TypeError('an IPv4 packet has at most 65535 bytes')
  const flags = (df ? ipv4.FLAG_DONT_FRAGMENT : 0) | (mf ? ipv4.FLAG_MORE_FRAGMENTS : 0)
  const source = ipv4Of(ip.source)
  const total = ip.totalLength ?? packet.length
  ipv4.writeHeader(view, 0, tos, total, id, flags, ttl, protocol, source, ipv4Of(ip.destination))
  ipv4.setFragment(view, 0, flags, frag)
  ipv4.setHeaderBytes(view, 0, headerBytes)
  packet.set(options, ipv4.HEADER_BYTES_MIN)
  ipv4.updateChecksum(view, 0)
  if (ip.badChecksum) spoilChecksum(view, 0, ipv4.fields)
  // The pseudo header needs the addresses only, so the order of these two doesn't matter.
  if (frag === 0) finishSegment(spec, view, headerBytes)
  override(view, ipv4.fields, { version: ip.version, 'header length': ip.headerLength })
  return packet
}

function buildIpv6(spec: FrameSpec, ip: Ipv6Spec, payload: Uint8Array): Uint8Array {
  const { trafficClass = 0, flowLabel = 0, hopLimit = 64, extensions = [] } = ip
  const protocol = ip.nextHeader ?? protocolOf(spec) ?? PROTO_EXPERIMENT
  const chain = [...extensions.map((extension) => EXTENSION_PROTOCOL[extension.kind]), protocol]
  const sizes = extensions.map((extension) => ('bytes' in extension ? (extension.bytes ?? 8) : 8))
  const transportAt = sizes.reduce((sum, bytes) => sum + bytes, ipv6.HEADER_BYTES)
  const packet = joined(transportAt, payload)
  const view = viewOf(packet)
  const length = ip.payloadLength ?? packet.length - ipv6.HEADER_BYTES
  if (length > LENGTH_MAX) throw new TypeError('an IPv6 packet has at most 65535 bytes of payload')
  ipv6.writeHeader(view, 0, trafficClass, flowLabel, length, chain[0], hopLimit)
  ipv6.setSource(view, 0, ...ipv6Of(ip.source))
  ipv6.setDestination(view, 0, ...ipv6Of(ip.destination))
  let at = ipv6.HEADER_BYTES
  for (const [i, extension] of extensions.entries()) {
    if (extension.kind === 'fragment') {
      const { offset = 0, more = false, id = 0x12345678 } = extension
      ipv6.writeFragmentHeader(view, at, chain[i + 1], offset, more, id)
    } else {
      ipv6.writePaddingHeader(view, at, chain[i + 1], sizes[i])
    }
    at += sizes[i]
  }
  const isRest = extensions.some((e) => e.kind === 'fragment' && (e.offset ?? 0) !== 0)
  if (!isRest) finishSegment(spec, view, transportAt)
  override(view, ipv6.fields, { version: ip.version })
  return packet
}

/** Writes fields of the header at 0 by name, where a value is given. */
function override(
  view: DataView,
  rows: typeof ipv4.fields,
  values: Record<string, number | undefined>,
): void {
  for (const row of rows) {
    const value = values[row.name]
    if (value !== undefined) writeField(view, 0, row, value)
  }
}

function joined(headerBytes: number, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(headerBytes + payload.length)
  packet.set(payload, headerBytes)
  return packet
}

function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit
}

function macOf(text: string): { high: number; low: number } {
  const mac = parseMac(text)
  if (mac === null) throw new TypeError(`${text} is not a MAC address`)
  return mac
}

function ipv4Of(text: string): number {
  const address = parseIpv4(text)
  if (address === null) throw new TypeError(`${text} is not an IPv4 address`)
  return address
}

function ipv6Of(text: string): [number, number, number, number] {
  const words = new Int32Array(4)
  if (!parseIpv6(text, words)) throw new TypeError(`${text} is not an IPv6 address`)
  return [words[0], words[1], words[2], words[3]]
}
