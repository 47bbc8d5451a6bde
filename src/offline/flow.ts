/**
 * What a frame says in one line: who wants what of whom. For people, so it allocates as it likes;
 * the director has its own eyes (engine/forward.ts). Any bytes can be given.
 */
import { eventOf, isServed, turned } from '../engine/event.js'
import { formatIpv4, formatIpv6 } from '../wire/address.js'
import * as arp from '../wire/arp.js'
import * as ethernet from '../wire/ethernet.js'
import * as icmp from '../wire/icmp.js'
import * as icmpv6 from '../wire/icmpv6.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as tcp from '../wire/tcp.js'
import * as transport from '../wire/transport.js'

/** An IP packet, or the one that an ICMP error quotes. */
export interface Flow {
  readonly family: 4 | 6
  readonly protocol: number
  /** Four words each, IPv4 in the first. */
  readonly source: Int32Array
  readonly destination: Int32Array
  /** Both ports in an int32, source first; null where the packet has none or they are cut off. */
  readonly ports: number | null
  /**
   * TCP flags, or the type of the SCTP chunk that decides; -1 if too little of a header is there.
   */
  readonly event: number
  /** Where the IP header, the transport and the end of the packet are in the view. */
  readonly ip: number
  readonly segment: number
  readonly end: number
  /** A fragment that is not the first of its datagram. */
  readonly isLaterFragment: boolean
}

const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  [ipv4.PROTO_TCP]: 'tcp',
  [ipv4.PROTO_UDP]: 'udp',
  [ipv4.PROTO_SCTP]: 'sctp',
  [ipv4.PROTO_ICMP]: 'icmp',
  [ipv4.PROTO_ICMPV6]: 'icmpv6',
}

export function protocolName(protocol: number): string {
  return PROTOCOL_NAMES[protocol] ?? `protocol ${protocol}`
}

/**
 * Where the network layer of the frame `[at, end)` begins, and its EtherType; null if it is cut.
 */
function networkOf(view: DataView, at: number, end: number): { type: number; ip: number } | null {
  let ip = at + ethernet.HEADER_BYTES
  if (ip > end) return null
  let type = ethernet.type(view, at)
  while (ethernet.isVlan(type)) {
    ip += ethernet.VLAN_TAG_BYTES
    if (ip > end) return null
    type = view.getUint16(ip - 2)
  }
  return { type, ip }
}

/** The IP packet in the frame `[at, end)`, or null if there is no sound one. */
export function readFlow(view: DataView, at: number, end: number): Flow | null {
  const network = networkOf(view, at, end)
  if (network?.type === ethernet.ETH_P_IP) return packet4(view, network.ip, end, false)
  return network?.type === ethernet.ETH_P_IPV6 ? packet6(view, network.ip, end, false) : null
}

function packet4(view: DataView, ip: number, end: number, isQuote: boolean): Flow | null {
  const isSound = isQuote ? ipv4.isQuoteWellFormed(view, ip, end) : ipv4.isWellFormed(view, ip, end)
  if (!isSound) return null
  const isLaterFragment = ipv4.fragmentOffset(view, ip) !== 0
  return withTransport(view, {
    family: 4,
    protocol: ipv4.protocol(view, ip),
    source: Int32Array.of(ipv4.source(view, ip), 0, 0, 0),
    destination: Int32Array.of(ipv4.destination(view, ip), 0, 0, 0),
    ip,
    segment: ip + ipv4.headerBytes(view, ip),
    end: Math.min(end, ip + ipv4.totalLength(view, ip)),
    isLaterFragment,
  })
}

function packet6(view: DataView, ip: number, end: number, isQuote: boolean): Flow | null {
  const isSound = isQuote ? ipv6.isQuoteWellFormed(view, ip, end) : ipv6.isWellFormed(view, ip, end)
  if (!isSound) return null
  const packetEnd = Math.min(end, ip + ipv6.HEADER_BYTES + ipv6.payloadLength(view, ip))
  const found = new Int32Array(ipv6.FOUND_WORDS)
  if (!ipv6.walkExtensions(view, ip, packetEnd, found)) return null
  return withTransport(view, {
    family: 6,
    protocol: found[ipv6.FOUND_PROTOCOL],
    source: Int32Array.from([0, 1, 2, 3], (word) => ipv6.source(view, ip, word)),
    destination: Int32Array.from([0, 1, 2, 3], (word) => ipv6.destination(view, ip, word)),
    ip,
    segment: found[ipv6.FOUND_TRANSPORT_AT],
    end: packetEnd,
    isLaterFragment: found[ipv6.FOUND_FRAGMENT_OFFSET] !== 0,
  })
}

/** Field by field, since a spread costs more than all the rest of a million frames. */
function withTransport(view: DataView, packet: Omit<Flow, 'ports' | 'event'>): Flow {
  const { family, protocol, source, destination, ip, segment, end, isLaterFragment } = packet
  const hasPorts = isServed(protocol) && !isLaterFragment && end - segment >= transport.PORTS_BYTES
  return {
    family,
    protocol,
    source,
    destination,
    ports: hasPorts ? transport.ports(view, segment) : null,
    event: hasPorts ? eventOf(protocol, view, segment, end) : -1,
    ip,
    segment,
    end,
    isLaterFragment,
  }
}

/**
 * The flow of the connection that an ICMP error is about: the quoted packet went from the VIP to
 * the client, so it is turned round. Null if `flow` is no such error.
 */
export function quotedFlow(view: DataView, flow: Flow): Flow | null {
  const { protocol, segment, end, isLaterFragment } = flow
  if (isLaterFragment) return null
  const isError =
    flow.family === 4
      ? protocol === ipv4.PROTO_ICMP &&
        icmp.isWellFormed(view, segment, end) &&
        icmp.isError(icmp.type(view, segment))
      : protocol === ipv4.PROTO_ICMPV6 &&
        icmpv6.isWellFormed(view, segment, end) &&
        icmpv6.isError(icmpv6.type(view, segment))
  if (!isError) return null
  const quote =
    flow.family === 4
      ? packet4(view, icmp.embedded(segment), end, true)
      : packet6(view, icmpv6.embedded(segment), end, true)
  if (quote === null || quote.ports === null) return null
  const { source, destination, ports } = quote
  return { ...quote, source: destination, destination: source, ports: turned(ports) }
}

export function addressText(family: number, words: Int32Array): string {
  return family === 4 ? formatIpv4(words[0]) : formatIpv6(words[0], words[1], words[2], words[3])
}

/** `10.0.0.1:80`, `[2001:db8::1]:80`. */
export function endpointText(family: number, words: Int32Array, port: number): string {
  const address = addressText(family, words)
  return family === 4 ? `${address}:${port}` : `[${address}]:${port}`
}

/** `tcp 10.0.0.1:40000 > 192.168.1.110:80`, without what its flags or its type say. */
export function flowText(flow: Flow): string {
  const { family, source, destination, ports } = flow
  const name = protocolName(flow.protocol)
  if (ports === null) {
    return `${name} ${addressText(family, source)} > ${addressText(family, destination)}`
  }
  const from = endpointText(family, source, ports >>> 16)
  return `${name} ${from} > ${endpointText(family, destination, ports & 0xffff)}`
}

const FLAG_LETTERS: readonly [number, string][] = [
  [tcp.FLAG_SYN, 'S'],
  [tcp.FLAG_FIN, 'F'],
  [tcp.FLAG_RST, 'R'],
  [tcp.FLAG_PSH, 'P'],
  [tcp.FLAG_URG, 'U'],
  [tcp.FLAG_ACK, 'A'],
]

/** TCP flags as letters, `SA`; `.` for none. */
export function flagsText(flags: number): string {
  const letters = FLAG_LETTERS.filter(([bit]) => (flags & bit) !== 0).map(([, letter]) => letter)
  return letters.length === 0 ? '.' : letters.join('')
}

/** The frame `[at, end)` in a line. */
export function frameText(view: DataView, at: number, end: number): string {
  const network = networkOf(view, at, end)
  if (network === null) return 'a cut Ethernet header'
  const { type, ip } = network
  if (type === ethernet.ETH_P_ARP) return arpText(view, ip, end)
  const flow = readFlow(view, at, end)
  if (flow !== null) return `${flowText(flow)}${detailText(view, flow)}`
  if (type === ethernet.ETH_P_IP) return 'a malformed IPv4 packet'
  if (type === ethernet.ETH_P_IPV6) return 'a malformed IPv6 packet'
  return `EtherType 0x${type.toString(16).padStart(4, '0')}`
}

function arpText(view: DataView, at: number, end: number): string {
  if (!arp.isWellFormed(view, at, end)) return 'malformed ARP'
  const sender = formatIpv4(arp.senderAddress(view, at))
  if (arp.operation(view, at) !== arp.OP_REQUEST) return `arp ${sender} is here`
  return `arp who has ${formatIpv4(arp.targetAddress(view, at))}? asks ${sender}`
}

function detailText(view: DataView, flow: Flow): string {
  const { protocol, segment, end } = flow
  if (flow.isLaterFragment) return ' (later fragment)'
  if (protocol === ipv4.PROTO_TCP && flow.event >= 0) return ` ${flagsText(flow.event)}`
  if (end - segment < 2) return ''
  if (protocol === ipv4.PROTO_ICMP) return icmpText(view, segment, icmp.fields)
  if (protocol === ipv4.PROTO_ICMPV6) return icmpText(view, segment, icmpv6.fields)
  return ''
}

/** The type by its name where it has one, else type and code. */
function icmpText(view: DataView, at: number, rows: typeof icmp.fields): string {
  const type = view.getUint8(at)
  const name = rows.find((row) => row.name === 'type')?.names[type]
  return name === undefined ? ` type ${type} code ${view.getUint8(at + 1)}` : ` ${name}`
}
