/**
 * Questions put to the segment with frames of our own making: who has this address (ARP), and would
 * this realserver take a connection to the VIP if a director sent it one?
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { FrameSocket } from '../native/frame-socket.js'
import { formatIpv4, formatMac, parseIpv4 } from '../wire/address.js'
import * as arp from '../wire/arp.js'
import { build, viewOf } from '../wire/build.js'
import * as ethernet from '../wire/ethernet.js'
import * as ipv4 from '../wire/ipv4.js'
import * as tcp from '../wire/tcp.js'
import * as transport from '../wire/transport.js'

const BROADCAST = 'ff:ff:ff:ff:ff:ff'
const POLL_MS = 2
/**
 * Three requests, a little apart: one may meet a full queue. A host answers within milliseconds.
 */
const ARP_REQUESTS = 3
const ARP_INTERVAL_MS = 150
const PROBE_PATIENCE_MS = 1000

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

/**
 * The MAC addresses of all who answer ARP for `address` on an interface, ours excepted (a host does
 * not hear its own requests). `from` is the sender's address in them; 0.0.0.0 is a probe (RFC
 * 5227), which everybody answers and nobody remembers.
 */
export async function whoHas(
  interfaceName: string,
  address: string,
  from = '0.0.0.0',
): Promise<string[]> {
  const socket = new FrameSocket(interfaceName)
  const wanted = parseIpv4(address)
  const answered = new Set<string>()
  const own = socket.interface.mac
  const request = build({
    ethernet: { source: own, destination: BROADCAST },
    arp: { operation: 'request', senderMac: own, sender: from, target: address },
  })
  const isAnswer = (view: DataView): boolean => {
    const end = view.byteLength
    const at = ethernet.HEADER_BYTES
    if (ethernet.type(view, 0) !== ethernet.ETH_P_ARP || !arp.isWellFormed(view, at, end))
      return false
    if (arp.operation(view, at) !== arp.OP_REPLY || arp.senderAddress(view, at) !== wanted)
      return false
    const mac = formatMac(arp.senderMacHigh(view, at), arp.senderMacLow(view, at))
    if (mac !== own) answered.add(mac)
    return false
  }
  try {
    for (let i = 0; i < ARP_REQUESTS; i++) {
      socket.send(request)
      await listen(socket, ARP_INTERVAL_MS, isAnswer)
    }
  } finally {
    socket.close()
  }
  return [...answered].sort()
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
