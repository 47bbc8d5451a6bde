/**
 * What the director answers by itself about a connection counts for it: Linux sees its host's own
 * answers pass by (`ip_vs_out`). So do the answers of a realserver that is the director itself, and
 * a reset among these closes the connection: the one time that Direct Routing sees the other half
 * of a conversation.
 */
import { CL, TW } from '../balance/tcp-state.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import type { DirectorState } from './director-state.js'
import { flowPorts, flowProtocol } from './ipsec-road.js'
import { NO_SERVICE, PROTOCOL_UNREACHABLE, type Verdict } from './verdict.js'

const NONE = -1

/**
 * Counts an ICMP error of `bytes` about the packet `[ip, end)`, whose ports are there, for the
 * connection that is found for it. One of a single packet (`-o`) is not, nor one from port 0.
 */
export function noteError(
  state: DirectorState,
  view: DataView,
  ip: number,
  end: number,
  bytes: number,
): void {
  const { balancer, found } = state
  if (view.getUint8(ip) >>> 4 === 4) {
    const table = balancer.connections4
    const protocol = ipv4.protocol(view, ip)
    const ports = flowPorts(protocol, view, ip + ipv4.headerBytes(view, ip))
    const client = ipv4.source(view, ip)
    const slot = table.find4(flowProtocol(protocol), client, ipv4.destination(view, ip), ports)
    if (slot !== NONE) balancer.accountAnswer(table.destination(slot), bytes)
  } else if (ipv6.walkExtensions(view, ip, end, found)) {
    const table = balancer.connections6
    const protocol = found[ipv6.FOUND_PROTOCOL]
    const ports = flowPorts(protocol, view, found[ipv6.FOUND_TRANSPORT_AT])
    const client = ip + ipv6.ADDRESSES_OFFSET
    const slot = table.find6(flowProtocol(protocol), view, client, client + 16, ports)
    if (slot !== NONE) balancer.accountAnswer(table.destination(slot), bytes)
  }
}

/** The same for the error that stands last in the outbox. */
export function noteLastAnswer(
  state: DirectorState,
  view: DataView,
  frame: number,
  ip: number,
  end: number,
): void {
  const { outbox } = state
  noteError(state, view, ip, end, outbox.length[outbox.count - 1] - (ip - frame))
}

/**
 * Notes the answer that stands last in the outbox, to the packet `[ip, end)` in the frame at
 * `frame`, if `verdict` says that there is one. `slot` is the TCP connection that it resets, or
 * negative.
 */
export function noteOwnAnswer(
  state: DirectorState,
  view: DataView,
  frame: number,
  ip: number,
  end: number,
  verdict: Verdict,
  slot: number,
): void {
  if (verdict !== NO_SERVICE && verdict !== PROTOCOL_UNREACHABLE) return
  if (slot < 0) {
    noteLastAnswer(state, view, frame, ip, end)
    return
  }
  const { balancer, outbox } = state
  const bytes = outbox.length[outbox.count - 1] - (ip - frame)
  const table = view.getUint8(ip) >>> 4 === 4 ? balancer.connections4 : balancer.connections6
  const destination = table.destination(slot)
  balancer.accountAnswer(destination, bytes)
  // The row OUTPUT of Linux's table: a reset ends all but what is ending already.
  if (table.state(slot) !== TW) balancer.enterTcp(table, slot, destination, CL)
  table.wheel.reschedule(slot, (balancer.tick + balancer.tcpTimeouts[table.state(slot)]) | 0)
}
