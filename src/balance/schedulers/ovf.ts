/**
 * Weighted overflow (`ip_vs_ovf.c`): the destination with the greatest weight takes all until it
 * has more active connections than its weight, then the next one.
 */
import { type Flow, StatelessScheduler } from '../scheduler.js'

const NONE = -1

export class Overflow extends StatelessScheduler {
  choose(_flow: Flow): number {
    const { services, destinations, service } = this.pool
    let best = NONE
    let most = 0
    for (let d = services.head(service); d !== NONE; d = destinations.next(d)) {
      const weight = destinations.weight(d)
      if (destinations.isOverloaded(d) || weight <= most) continue
      if (destinations.activeOfAll(d) > weight) continue
      best = d
      most = weight
    }
    return best
  }

  override score(destination: number): number | null {
    return -this.pool.destinations.weight(destination)
  }
}
