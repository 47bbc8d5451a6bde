/**
 * Weighted round robin (`ip_vs_wrr.c`): passes over the list at a falling level `currentWeight`; in
 * each pass the destinations whose weight reaches the level are chosen one after the other, then
 * the level falls by the greatest common divisor of the weights, and starts again at the maximum.
 *
 *   weights 4 3 2   level 4: A      level 3: A B      level 2: A B C      level 1: A B C
 *
 * What looks odd here is Linux's: recomputing after each change keeps the level if it still fits,
 * so a service to which destinations are added one by one begins at the level of the first.
 *
 * With several workers cursor and level are one word that they share (`turn.ts`), cursor + 1 in its
 * high bits. Levels that do not fit beside the cursor (8191 and more, with the usual number of
 * destinations) are not shared: then each worker goes round by itself.
 */
import { type Clue, type Flow, isMember, type Pool, StatelessScheduler } from '../scheduler.js'
import type { Turn } from '../turn.js'

const NONE = -1

export class WeightedRoundRobin extends StatelessScheduler {
  /** The destination at which a pass stands; NONE: before the head. */
  #cursor = NONE
  #currentWeight: number
  #step = 1
  #maxWeight = 0
  /** Bits of the level in the word of the turn. */
  readonly #levelBits: number

  constructor(pool: Pool) {
    super(pool)
    this.#levelBits = Math.clz32(pool.destinations.capacity)
    this.#measure()
    this.#currentWeight = this.#maxWeight
    pool.turn?.reset()
  }

  choose(_flow: Flow): number {
    if (this.#maxWeight === 0) return NONE
    const turn = this.#turn()
    if (turn === null) return this.#next()
    for (;;) {
      const seen = turn.load()
      this.#take(seen)
      const d = this.#next()
      if (turn.swap(seen, this.#word()) || d === NONE) return d
    }
  }

  override next(_flow: Flow): number {
    if (this.#maxWeight === 0) return NONE
    const [cursor, level] = this.#standing()
    const d = this.#next()
    this.#cursor = cursor
    this.#currentWeight = level
    return d
  }

  override clues(_flow: Flow): Clue[] {
    const [cursor, number] = this.#standing()
    return [
      { name: 'last', destinations: cursor === NONE ? [] : [cursor] },
      { name: 'level', number, of: this.#maxWeight },
    ]
  }

  override resume(_flow: Flow, [last, level]: readonly Clue[]): void {
    this.#cursor = last?.destinations?.[0] ?? NONE
    this.#currentWeight = level?.number ?? this.#maxWeight
  }

  /** Cursor and level, as all workers have them. */
  #standing(): [cursor: number, level: number] {
    const turn = this.#turn()
    if (turn !== null) this.#take(turn.load())
    return [this.#cursor, this.#currentWeight]
  }

  /** What is shared with other workers, if there are any and the level fits. */
  #turn(): Turn | null {
    return this.#maxWeight >>> this.#levelBits === 0 ? this.pool.turn : null
  }

  /** Goes on where the workers stand, as far as this one knows that destination and that level. */
  #take(word: number): void {
    const cursor = (word >>> this.#levelBits) - 1
    const level = word & ((1 << this.#levelBits) - 1)
    this.#cursor = cursor !== NONE && isMember(this.pool, cursor) ? cursor : NONE
    this.#currentWeight = level === 0 || level > this.#maxWeight ? this.#maxWeight : level
  }

  #word(): number {
    return ((this.#cursor + 1) << this.#levelBits) | this.#currentWeight
  }

  #next(): number {
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
    const seen = this.pool.turn?.load() ?? 0
    if (this.#turn() !== null) this.#take(seen)
    this.#settle()
    // What others have chosen meanwhile stands: they have begun anew already, or will.
    this.#turn()?.swap(seen, this.#word())
  }

  #settle(): void {
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
