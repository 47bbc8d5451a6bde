/**
 * Round robin (`ip_vs_rr.c`): the next eligible destination after the one chosen last. Weights do
 * not matter, except that 0 is not eligible.
 *
 * The cursor stands on the destination returned last, or before the head of the list. Deleting that
 * destination moves the cursor to its predecessor, so that its successor is next.
 */
import { type Flow, StatelessScheduler } from '../scheduler.js'

const NONE = -1

export class RoundRobin extends StatelessScheduler {
  /** The destination chosen last; NONE: before the head. */
  #cursor = NONE

  choose(_flow: Flow): number {
    const { services, destinations, service } = this.pool
    const cursor = this.#cursor
    let d = cursor === NONE ? services.head(service) : destinations.next(cursor)
    for (; d !== NONE; d = destinations.next(d)) {
      if (destinations.isEligible(d)) {
        this.#cursor = d
        return d
      }
    }
    if (cursor === NONE) return NONE
    // Once around: from the head up to the cursor itself.
    for (d = services.head(service); d !== NONE; d = destinations.next(d)) {
      if (destinations.isEligible(d)) {
        this.#cursor = d
        return d
      }
      if (d === cursor) break
    }
    return NONE
  }

  override removing(destination: number): void {
    if (this.#cursor === destination) this.#cursor = this.pool.destinations.previous(destination)
  }

  /** Places after the cursor: 1 is next. */
  override score(destination: number): number | null {
    const { services, destinations, service } = this.pool
    let place = 0
    let d = this.#cursor
    for (let i = services.destinations(service); i > 0; i--) {
      d = d === NONE ? services.head(service) : destinations.next(d)
      if (d === NONE) d = services.head(service)
      place++
      if (d === destination) return place
    }
    return null
  }
}
