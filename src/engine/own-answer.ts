/**
 * Connections whose realserver is the director itself. Linux sees the host's answers pass by
 * (`ip_vs_out`), so they are counted, and a reset closes the connection: the one time that Direct
 * Routing sees the other half of a conversation.
 */
import { CL, TW } from '../balance/tcp-state.js'
import type { DirectorState } from './director-state.js'
import { NO_SERVICE, PROTOCOL_UNREACHABLE, type Verdict } from './verdict.js'

/**
 * Notes the answer that stands last in the outbox, behind `linkBytes` of link header, if `verdict`
 * says that there is one. `slot` is the TCP connection that it resets, or negative.
 */
export function noteOwnAnswer(
  state: DirectorState,
  verdict: Verdict,
  linkBytes: number,
  destination: number,
  family: 4 | 6,
  slot: number,
): void {
  if (verdict !== NO_SERVICE && verdict !== PROTOCOL_UNREACHABLE) return
  const { balancer, outbox } = state
  balancer.accountAnswer(destination, outbox.length[outbox.count - 1] - linkBytes)
  if (slot < 0) return
  const table = family === 4 ? balancer.connections4 : balancer.connections6
  // The row OUTPUT of Linux's table: a reset ends all but what is ending already.
  if (table.state(slot) !== TW) balancer.enterTcp(table, slot, destination, CL)
  table.wheel.reschedule(slot, (balancer.tick + balancer.tcpTimeouts[table.state(slot)]) | 0)
}
