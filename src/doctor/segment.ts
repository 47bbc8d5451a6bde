/**
 * Questions put to the segment with frames of our own making: who has this address (ARP, neighbour
 * discovery), would this realserver take a connection to the VIP if a director sent it one, and a
 * packet of this size?
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { FrameSocket } from '../native/frame-socket.js'
import { formatIpv4, formatMac, parseIpv4, parseIpv6 } from '../wire/address.js'
import * as arp from '../wire/arp.js'
import { build, viewOf } from '../wire/build.js'
import * as ethernet from '../wire/ethernet.js'
import * as icmp from '../wire/icmp.js'
import * as icmpv6 from '../wire/icmpv6.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as tcp from '../wire/tcp.js'
import * as transport from '../wire/transport.js'

const BROADCAST = 'ff:ff:ff:ff:ff:ff'
const POLL_MS = 2
/**
 * Three requests, a little apart: one may meet a full queue. A host answers within milliseconds.
 */
const REQUESTS = 3
const INTERVAL_MS = 150
const PROBE_PATIENCE_MS = 1000
const SIZE_PATIENCE_MS = 300

/** From the ports that the kernel gives to nobody by itself (net.ipv4.ip_local_port_range). */
const PROBE_PORT_FIRST = 20_000
const PROBE_PORTS = 10_000

/**
 * Calls `seen` for each frame that comes within `milliseconds`; ends early once it returns true.
 */
async function listen(
  socket: FrameSocket,
  milliseconds: number,
  seen: (view: DataView) => boolean,
): Promise<void> {
  const end = performance.now() + milliseconds
  do {
    for (let frame = socket.receive(); frame !== null; frame = socket.receive()) {
      if (frame.length >= ethernet.HEADER_BYTES && seen(viewOf(frame))) return
    }
    await sleep(POLL_MS)
  } while (performance.now() < end)
}

/** An address, how it is asked for, and how an answer to that is known. */
interface Question {
  readonly request: (ownMac: string) => Uint8Array
  /** The MAC address that a frame names as an answer; null if it is none. */
  readonly answer: (view: DataView) => string | null
}

/** The MAC addresses of all who answer, ours excepted: a host does not hear its own requests. */
async function answersTo(interfaceName: string, question: Question): Promise<string[]> {
  const socket = new FrameSocket(interfaceName)
  const own = socket.interface.mac
  const request = question.request(own)
  const answered = new Set<string>()
  const seen = (view: DataView): boolean => {
    const mac = question.answer(view)
    if (mac !== null && mac !== own) answered.add(mac)
    return false
  }
  try {
    for (let i = 0; i < REQUESTS; i++) {
      socket.send(request)
      await listen(socket, INTERVAL_MS, seen)
    }
  } finally {
    socket.close()
  }
  return [...answered].sort()
}

/**
 * Who answers ARP for `address`? `from` is the sender's address; 0.0.0.0 is a probe (RFC 5227),
 * which everybody answers and nobody remembers.
 */
export function whoHas(
  interfaceName: string,
  address: string,
  from = '0.0.0.0',
): Promise<string[]> {
  const wanted = parseIpv4(address)
  return answersTo(interfaceName, {
    request: (own) =>
      build({
        ethernet: { source: own, destination: BROADCAST },
        arp: { operation: 'request', senderMac: own, sender: from, target: address },
      }),
    answer: (view) => {
      const at = ethernet.HEADER_BYTES
      if (ethernet.type(view, 0) !== ethernet.ETH_P_ARP) return null
      if (!arp.isWellFormed(view, at, view.byteLength)) return null
      if (arp.operation(view, at) !== arp.OP_REPLY) return null
      if (arp.senderAddress(view, at) !== wanted) return null
      return formatMac(arp.senderMacHigh(view, at), arp.senderMacLow(view, at))
    },
  })
}

/** Who answers neighbour solicitations (RFC 4861) for `address`, asked from an address of ours? */
export function whoHas6(interfaceName: string, address: string, from: string): Promise<string[]> {
  const words = new Int32Array(4)
  if (!parseIpv6(address, words)) throw new TypeError(`${address} is no IPv6 address`)
  // RFC 4291 section 2.7.1, RFC 2464 section 7: the group is made of the last 24 bits.
  const low = (words[3]! & 0xffffff).toString(16).padStart(6, '0')
  const group = `ff02::1:ff${low.slice(0, 2)}:${low.slice(2)}`
  const groupMac = `33:33:ff:${low.match(/../g)!.join(':')}`
  return answersTo(interfaceName, {
    request: (own) =>
      build({
        ethernet: { source: own, destination: groupMac },
        ipv6: { source: from, destination: group, hopLimit: 255 },
        icmpv6: {
          type: icmpv6.TYPE_NEIGHBOUR_SOLICITATION,
          target: address,
          linkLayer: own,
        },
      }),
    answer: (view) => {
      const end = view.byteLength
      const message = ethernet.HEADER_BYTES + ipv6.HEADER_BYTES
      if (ethernet.type(view, 0) !== ethernet.ETH_P_IPV6) return null
      if (end < message + icmpv6.NEIGHBOUR_BYTES_MIN) return null
      if (view.getUint8(ethernet.HEADER_BYTES + 6) !== ipv4.PROTO_ICMPV6) return null
      if (icmpv6.type(view, message) !== icmpv6.TYPE_NEIGHBOUR_ADVERTISEMENT) return null
      if (words.some((word, i) => icmpv6.target(view, message, i) !== word)) return null
      return formatMac(ethernet.sourceHigh(view, 0), ethernet.sourceLow(view, 0))
    },
  })
}

export type ServiceAnswer = 'open' | 'closed' | 'silent'

export interface ServiceProbe {
  readonly interfaceName: string
  readonly from: string
  /** The realserver's MAC address: where a director would send the frame. */
  readonly mac: string
  readonly vip: string
  readonly port: number
}

/**
 * Sends a SYN for the VIP to a realserver's MAC address, as a director does. `open`: it serves the
 * VIP at that port. `closed`: it has the VIP, but nobody listens there. `silent`: it does not have
 * the VIP, or a filter drops it. If the connection is opened, we close it with a reset.
 */
export async function probeService(probe: ServiceProbe): Promise<ServiceAnswer> {
  const { vip, port, from } = probe
  const socket = new FrameSocket(probe.interfaceName)
  const sport = PROBE_PORT_FIRST + Math.floor(Math.random() * PROBE_PORTS)
  const addresses = { source: from, destination: vip }
  const frameWith = (flags: string, seq: number) =>
    build({
      ethernet: { source: socket.interface.mac, destination: probe.mac },
      ipv4: addresses,
      tcp: { sport, dport: port, flags, seq },
    })
  const heard: ServiceAnswer[] = []
  const isAnswer = (view: DataView): boolean => {
    const at = ethernet.HEADER_BYTES
    const end = view.byteLength
    if (ethernet.type(view, 0) !== ethernet.ETH_P_IP || !ipv4.isWellFormed(view, at, end))
      return false
    if (formatIpv4(ipv4.source(view, at)) !== vip || ipv4.protocol(view, at) !== ipv4.PROTO_TCP) {
      return false
    }
    const segment = at + ipv4.headerBytes(view, at)
    if (!tcp.isWellFormed(view, segment, end)) return false
    if (transport.sourcePort(view, segment) !== port) return false
    if (transport.destinationPort(view, segment) !== sport) return false
    heard.push((tcp.flags(view, segment) & tcp.FLAG_RST) !== 0 ? 'closed' : 'open')
    return true
  }
  try {
    socket.send(frameWith('S', 1))
    await listen(socket, PROBE_PATIENCE_MS, isAnswer)
    const result = heard[0] ?? 'silent'
    if (result === 'open') socket.send(frameWith('R', 2))
    return result
  } finally {
    socket.close()
  }
}

export interface SizeProbe {
  readonly interfaceName: string
  readonly from: string
  readonly mac: string
  readonly address: string
  /** Of the whole IP packet. */
  readonly bytes: number
}

/** Whether an echo request of this size is answered. Not to be fragmented, as the director is. */
export async function probeSize(probe: SizeProbe): Promise<boolean> {
  const { address, from, bytes } = probe
  const socket = new FrameSocket(probe.interfaceName)
  const identifier = 1 + Math.floor(Math.random() * 0xfffe)
  const request = build({
    ethernet: { source: socket.interface.mac, destination: probe.mac },
    ipv4: { source: from, destination: address, df: true },
    icmp: { type: icmp.TYPE_ECHO_REQUEST, identifier, sequence: 1 },
    payload: bytes - ipv4.HEADER_BYTES_MIN - icmp.HEADER_BYTES,
  })
  let isAnswered = false
  const isAnswer = (view: DataView): boolean => {
    const at = ethernet.HEADER_BYTES
    if (ethernet.type(view, 0) !== ethernet.ETH_P_IP) return false
    if (!ipv4.isWellFormed(view, at, view.byteLength)) return false
    if (formatIpv4(ipv4.source(view, at)) !== address) return false
    if (ipv4.protocol(view, at) !== ipv4.PROTO_ICMP) return false
    const message = at + ipv4.headerBytes(view, at)
    if (view.byteLength < message + icmp.HEADER_BYTES) return false
    isAnswered =
      icmp.type(view, message) === icmp.TYPE_ECHO_REPLY &&
      view.getUint16(message + 4) === identifier
    return isAnswered
  }
  try {
    // One may be lost before the other side knows our MAC address.
    for (let i = 0; i < 2 && !isAnswered; i++) {
      socket.send(request)
      await listen(socket, SIZE_PATIENCE_MS, isAnswer)
    }
    return isAnswered
  } finally {
    socket.close()
  }
}
