/**
 * Round robin (`ip_vs_rr.c`): the next eligible destination after the one chosen last. Weights do
 * not matter, except that 0 is not eligible.
 *
 * The cursor stands on the destination returned last, or before the head of the list. Deleting that
 * destination moves the cursor to its predecessor, so that its successor is next.
 */
import { type Clue, type Flow, isMember, type Pool, StatelessScheduler } from '../scheduler.js'
import type { Turn } from '../turn.js'

const NONE = -1

export class RoundRobin extends StatelessScheduler {
  /** The destination chosen last; NONE: before the head. */
  #cursor = NONE

  constructor(pool: Pool) {
    super(pool)
    pool.turn?.reset()
  }

  choose(_flow: Flow): number {
    const { turn } = this.pool
    if (turn !== null) return this.#chooseWithOthers(turn)
    const d = this.#after(this.#cursor)
    if (d !== NONE) this.#cursor = d
    return d
  }

  override next(_flow: Flow): number {
    return this.#after(this.#last)
  }

  override clues(_flow: Flow): Clue[] {
    const last = this.#last
    return [{ name: 'last', destinations: last === NONE ? [] : [last] }]
  }

  override resume(_flow: Flow, clues: readonly Clue[]): void {
    this.#cursor = clues[0]?.destinations?.[0] ?? NONE
  }

  /** The cursor, this worker's or that of all. */
  get #last(): number {
    const { turn } = this.pool
    return turn === null ? this.#cursor : this.#own(turn.load() - 1)
  }

  /** The word of the turn is the cursor + 1. */
  #chooseWithOthers(turn: Turn): number {
    for (;;) {
      const seen = turn.load()
      const d = this.#after(this.#own(seen - 1))
      if (d === NONE || turn.swap(seen, d + 1)) return d
    }
  }

  /** Another worker's cursor, as far as this worker knows that destination already, or still. */
  #own(cursor: number): number {
    return cursor !== NONE && isMember(this.pool, cursor) ? cursor : NONE
  }

  #after(cursor: number): number {
    const { services, destinations, service } = this.pool
    let d = cursor === NONE ? services.head(service) : destinations.next(cursor)
    for (; d !== NONE; d = destinations.next(d)) {
      if (destinations.isEligible(d)) return d
    }
    if (cursor === NONE) return NONE
    // Once around: from the head up to the cursor itself.
    for (d = services.head(service); d !== NONE; d = destinations.next(d)) {
      if (destinations.isEligible(d)) return d
      if (d === cursor) break
    }
    return NONE
  }

  override removing(destination: number): void {
    const { destinations, turn } = this.pool
    const previous = destinations.previous(destination)
    if (turn !== null) turn.swap(destination + 1, previous + 1)
    else if (this.#cursor === destination) this.#cursor = previous
  }

  /** Places after the cursor: 1 is next. */
  override score(destination: number): number | null {
    const { services, destinations, service } = this.pool
    let place = 0
    let d = this.#last
    for (let i = services.destinations(service); i > 0; i--) {
      d = d === NONE ? services.head(service) : destinations.next(d)
      if (d === NONE) d = services.head(service)
      place++
      if (d === destination) return place
    }
    return null
  }
}
