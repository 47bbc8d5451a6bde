/**
 * Weighted round robin (`ip_vs_wrr.c`): passes over the list at a falling level `currentWeight`; in
 * each pass the destinations whose weight reaches the level are chosen one after the other, then
 * the level falls by the greatest common divisor of the weights, and starts again at the maximum.
 *
 *   weights 4 3 2   level 4: A      level 3: A B      level 2: A B C      level 1: A B C
 *
 * What looks odd here is Linux's: recomputing after each change keeps the level if it still fits,
 * so a service to which destinations are added one by one begins at the level of the first.
 */
import { type Flow, type Pool, StatelessScheduler } from '../scheduler.js'

const NONE = -1

export class WeightedRoundRobin extends StatelessScheduler {
  /** The destination at which a pass stands; NONE: before the head. */
  #cursor = NONE
  #currentWeight: number
  #step = 1
  #maxWeight = 0

  constructor(pool: Pool) {
    super(pool)
    this.#measure()
    this.#currentWeight = this.#maxWeight
  }

  choose(_flow: Flow): number {
    if (this.#maxWeight === 0) return NONE
    const { services, destinations, service } = this.pool
    const start = this.#cursor
    let stop = NONE
    let wrapped = false
    let lastPass = false
    for (;;) {
      const from = this.#cursor
      let d = from === NONE ? services.head(service) : destinations.next(from)
      for (; d !== NONE; d = destinations.next(d)) {
        if (!destinations.isOverloaded(d) && destinations.weight(d) >= this.#currentWeight) {
          this.#cursor = d
          return d
        }
        if (d === stop) {
          this.#cursor = d
          return NONE
        }
      }
      this.#cursor = NONE
      this.#currentWeight -= this.#step
      if (this.#currentWeight <= 0) {
        this.#currentWeight = this.#maxWeight
        if (lastPass || start === NONE) return NONE
        wrapped = true
      }
      lastPass = this.#currentWeight <= this.#step
      if (lastPass && wrapped && start !== NONE) stop = start
    }
  }

  override added(_destination: number): void {
    this.#recompute()
  }

  override removed(): void {
    this.#recompute()
  }

  override edited(_destination: number): void {
    this.#recompute()
  }

  override score(destination: number): number | null {
    return this.pool.destinations.weight(destination)
  }

  #recompute(): void {
    this.#measure()
    this.#cursor = NONE
    if (this.#currentWeight > this.#maxWeight || this.#currentWeight === 0) {
      this.#currentWeight = this.#maxWeight
    } else if (this.#step > 1) {
      this.#currentWeight = Math.trunc(this.#currentWeight / this.#step) * this.#step + 1
    }
  }

  #measure(): void {
    const { services, destinations, service } = this.pool
    let divisor = 0
    let max = 0
    for (let d = services.head(service); d !== NONE; d = destinations.next(d)) {
      const weight = destinations.weight(d)
      if (weight <= 0) continue
      divisor = greatestCommonDivisor(weight, divisor)
      if (weight > max) max = weight
    }
    this.#step = divisor === 0 ? 1 : divisor
    // With all weights at 0 Linux comes to 0 - (1 - 1): nothing to choose.
    this.#maxWeight = max - (this.#step - 1)
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b]
  return a
}
