/**
 * Least connection (`ip_vs_lc.c`): the eligible destination with the smallest overhead, active
 * connections counting 256 times an inactive one. The first of the list wins a tie.
 */
import { type Flow, StatelessScheduler } from '../scheduler.js'

const NONE = -1

export class LeastConnection extends StatelessScheduler {
  choose(_flow: Flow): number {
    const { services, destinations, service } = this.pool
    let least = NONE
    let leastOverhead = 0
    for (let d = services.head(service); d !== NONE; d = destinations.next(d)) {
      if (!destinations.isEligible(d)) continue
      const overhead = this.pool.overhead(d)
      if (least === NONE || overhead < leastOverhead) {
        least = d
        leastOverhead = overhead
      }
    }
    return least
  }

  override score(destination: number): number | null {
    return this.pool.overhead(destination)
  }
}
