/**
 * Weighted least connection (`ip_vs_wlc.c`): the eligible destination with the smallest overhead in
 * relation to its weight. `a/x < b/y` is asked as `a·y < b·x`: no division, no rounding. The first
 * of the list wins a tie.
 *
 * A product can reach 2^31 · 2^40; where it leaves the integers that a double holds exactly (2^53)
 * the comparison is made again in two halves, so that it stays that of Linux's 64 bits.
 */
import { type Flow, type Pool, StatelessScheduler } from '../scheduler.js'

const NONE = -1

/** The choice of `wlc`, with which `lblc` and `lblcr` begin too. */
export function leastLoaded(pool: Pool): number {
  const { services, destinations, service } = pool
  let least = services.head(service)
  while (least !== NONE && !destinations.isEligible(least)) least = destinations.next(least)
  if (least === NONE) return NONE
  let overhead = pool.overhead(least)
  for (let d = destinations.next(least); d !== NONE; d = destinations.next(d)) {
    if (destinations.isOverloaded(d)) continue
    const candidate = pool.overhead(d)
    // Weight 0 makes the left side 0: never greater.
    if (isProductGreater(overhead, destinations.weight(d), candidate, destinations.weight(least))) {
      least = d
      overhead = candidate
    }
  }
  return least
}

export class WeightedLeastConnection extends StatelessScheduler {
  choose(_flow: Flow): number {
    return leastLoaded(this.pool)
  }

  override score(destination: number): number | null {
    const weight = this.pool.destinations.weight(destination)
    return weight > 0 ? this.pool.overhead(destination) / weight : null
  }
}

/** Is a·b > c·d, exactly, for integers with a, c < 2^42 and 0 <= b, d < 2^31. */
export function isProductGreater(a: number, b: number, c: number, d: number): boolean {
  const left = a * b
  const right = c * d
  if (left < Number.MAX_SAFE_INTEGER && right < Number.MAX_SAFE_INTEGER) return left > right
  const split = 0x10000
  const leftLow = (a % split) * b
  const rightLow = (c % split) * d
  const leftHigh = Math.floor(a / split) * b + Math.floor(leftLow / split)
  const rightHigh = Math.floor(c / split) * d + Math.floor(rightLow / split)
  return leftHigh === rightHigh ? leftLow % split > rightLow % split : leftHigh > rightHigh
}
