/**
 * The marks of packets that are no beginning of a connection: fragments and ICMP messages. They may
 * make a packet to a foreign address one for this host (`MarkTable.isLocal`).
 */
import type { Balancer } from '../balance/balancer.js'
import { ANY_PORT } from '../balance/marks.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as transport from '../wire/transport.js'
import { isServed } from './event.js'

/** `segment`: where its ports stand, if they are before `end`; or negative. Fills the flow. */
export function markOf4(
  balancer: Balancer,
  view: DataView,
  ip: number,
  segment: number,
  end: number,
): number {
  const { flow } = balancer
  const protocol = ipv4.protocol(view, ip)
  flow.set4(protocol, ipv4.source(view, ip), ipv4.destination(view, ip), 0)
  flow.vipPort = portAt(view, protocol, segment, end)
  return balancer.marks.of(flow)
}

export function markOf6(
  balancer: Balancer,
  view: DataView,
  ip: number,
  protocol: number,
  segment: number,
  end: number,
): number {
  const { flow } = balancer
  const source = ip + ipv6.ADDRESSES_OFFSET
  flow.set6(protocol, view, source, source + 16, 0)
  flow.vipPort = portAt(view, protocol, segment, end)
  return balancer.marks.of(flow)
}

function portAt(view: DataView, protocol: number, segment: number, end: number): number {
  if (segment < 0 || end - segment < transport.PORTS_BYTES || !isServed(protocol)) return ANY_PORT
  return transport.destinationPort(view, segment)
}
