/**
 * Sources that no client can have, and that Linux drops before anything else is asked
 * (`ip_route_input_slow`, `ip6_rcv_core`; RFC 1812 section 5.3.7). A source that is one of the
 * host's own addresses is one of them in IPv4; the director knows its VIPs.
 */
import type { VipTable } from '../link/vips.js'

const BROADCAST = -1

/** This network (0/8), loopback, multicast, everybody, a VIP. */
export function isMartian4(source: number, vips: VipTable): boolean {
  const first = source >>> 24
  if (first === 0 || first === 127 || first >>> 4 === 14 || source === BROADCAST) return true
  return vips.find(4, source, 0, 0, 0) >= 0
}

/** Multicast and ::1. IPv4-mapped addresses have no place on a wire, but Linux lets them in. */
export function isMartian6(w0: number, w1: number, w2: number, w3: number): boolean {
  if (w0 >>> 24 === 0xff) return true
  return (w0 | w1 | w2) === 0 && w3 === 1
}
