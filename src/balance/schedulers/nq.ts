/**
 * Never queue (`ip_vs_nq.c`): the first eligible destination without active connections, and if all
 * have some, the one with the shortest expected delay.
 */
import { type Flow, StatelessScheduler } from '../scheduler.js'
import { shortestDelay } from './sed.js'

const NONE = -1

export class NeverQueue extends StatelessScheduler {
  choose(_flow: Flow): number {
    const { services, destinations, service } = this.pool
    for (let d = services.head(service); d !== NONE; d = destinations.next(d)) {
      if (destinations.isEligible(d) && destinations.activeOfAll(d) === 0) return d
    }
    return shortestDelay(this.pool)
  }

  override score(destination: number): number | null {
    const { destinations } = this.pool
    const active = destinations.activeOfAll(destination)
    const weight = destinations.weight(destination)
    if (weight === 0) return null
    return active === 0 ? 0 : (active + 1) / weight
  }
}
