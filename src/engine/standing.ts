/** How a connection that was found stands, for the packet that found it. */
import type { Balancer } from '../balance/balancer.js'
import type { ConnectionTable } from '../balance/connection.js'

/** The packet belongs to it. */
export const LIVE = 0
/** As if there were none: the packet may open another. */
export const OVER = 1
/** Its destination is gone, and the packet with it. */
export const GONE = 2

/**
 * OVER if the packet opens, and the connection has ended; if its destination is gone, with
 * `expire_nodest_conn`; or if the last service of the family is gone, with which Linux leaves the
 * path of packets altogether.
 */
export function standing(
  balancer: Balancer,
  table: ConnectionTable,
  slot: number,
  protocol: number,
  event: number,
): number {
  const isServable = balancer.isServable(table, slot)
  if (!isServable && !balancer.services.isServing(table.family)) return OVER
  if (event >= 0 && balancer.reuses(table, slot, protocol, event)) return OVER
  if (isServable) return LIVE
  if (balancer.sysctls.expire_nodest_conn === 0) return GONE
  balancer.abandon(table, slot)
  return OVER
}
