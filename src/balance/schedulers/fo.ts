/**
 * Weighted failover (`ip_vs_fo.c`): the eligible destination with the greatest weight takes all,
 * and the next one only when it may not be chosen.
 */
import { type Flow, StatelessScheduler } from '../scheduler.js'

const NONE = -1

export class Failover extends StatelessScheduler {
  choose(_flow: Flow): number {
    const { services, destinations, service } = this.pool
    let best = NONE
    let most = 0
    for (let d = services.head(service); d !== NONE; d = destinations.next(d)) {
      if (destinations.isOverloaded(d) || destinations.weight(d) <= most) continue
      best = d
      most = destinations.weight(d)
    }
    return best
  }

  /** Lower is better everywhere, so this is the weight turned round. */
  override score(destination: number): number | null {
    return -this.pool.destinations.weight(destination)
  }
}
