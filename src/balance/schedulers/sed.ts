/**
 * Shortest expected delay (`ip_vs_sed.c`): the eligible destination whose active connections, the
 * new one among them, are fewest in relation to its weight. The first of the list wins a tie.
 */
import { type Flow, type Pool, StatelessScheduler } from '../scheduler.js'
import { isProductGreater } from './wlc.js'

const NONE = -1

/** The choice of `sed`, which `nq` makes too when nobody is idle. */
export function shortestDelay({ services, destinations, service }: Pool): number {
  let best = services.head(service)
  while (best !== NONE && !destinations.isEligible(best)) best = destinations.next(best)
  if (best === NONE) return NONE
  for (let d = destinations.next(best); d !== NONE; d = destinations.next(d)) {
    if (destinations.isOverloaded(d)) continue
    // Weight 0 makes the left side 0: never greater.
    const cost = destinations.activeOfAll(d) + 1
    const bestCost = destinations.activeOfAll(best) + 1
    if (isProductGreater(bestCost, destinations.weight(d), cost, destinations.weight(best))) {
      best = d
    }
  }
  return best
}

export class ShortestExpectedDelay extends StatelessScheduler {
  choose(_flow: Flow): number {
    return shortestDelay(this.pool)
  }

  override score(destination: number): number | null {
    const { destinations } = this.pool
    const weight = destinations.weight(destination)
    return weight > 0 ? (destinations.activeOfAll(destination) + 1) / weight : null
  }
}
