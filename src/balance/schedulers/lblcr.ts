/**
 * Locality-based least connection with replication (`ip_vs_lblcr.c`): as `lblc`, but a virtual
 * address has a set of destinations, which grows when the least loaded of them has too much, and
 * shrinks by the most loaded when it has not changed for `lblcr_expiration`, a day.
 */
import { type Clue, type Flow, isMember, type Pool, StatelessScheduler } from '../scheduler.js'
import { TICKS_PER_S } from '../timer-wheel.js'
import { AddressMap, doubled } from './address-map.js'
import { isOverloaded } from './lblc.js'
import { isProductGreater, leastLoaded } from './wlc.js'

const NONE = -1
const ELEMENTS_FIRST = 16

export class ReplicatedLocality extends StatelessScheduler {
  readonly #map: AddressMap
  /** Elements of sets: a destination, and the next element. */
  #destination = new Int32Array(ELEMENTS_FIRST)
  #next = new Int32Array(ELEMENTS_FIRST)
  #free = NONE
  #high = 0

  constructor(pool: Pool) {
    super(pool)
    this.#map = new AddressMap(pool.now(), (head) => this.#freeSet(head))
  }

  choose(flow: Flow): number {
    const { pool } = this
    const map = this.#map
    const now = pool.now()
    const expiration = pool.sysctls.lblcr_expiration * TICKS_PER_S
    map.collect(now, expiration)
    const entry = map.use(flow.vip, now)
    if (entry !== NONE) {
      const least = this.#least(map.value[entry])
      this.#shrink(entry, now, expiration)
      if (least !== NONE && !isOverloaded(pool, least)) return least
    }
    const destination = leastLoaded(pool)
    if (destination === NONE) return NONE
    if (entry !== NONE) this.#insert(entry, destination, now)
    else {
      const made = map.add(flow.vip, NONE, now)
      if (made !== NONE) this.#insert(made, destination, now)
    }
    return destination
  }

  override next(flow: Flow): number {
    const entry = this.#found(flow)
    const least = entry === NONE ? NONE : this.#least(this.#map.value[entry])
    return least !== NONE && !isOverloaded(this.pool, least) ? least : leastLoaded(this.pool)
  }

  override clues(flow: Flow): Clue[] {
    const entry = this.#found(flow)
    const destinations: number[] = []
    const head = entry === NONE ? NONE : this.#map.value[entry]
    for (let element = head; element !== NONE; element = this.#next[element]) {
      if (isMember(this.pool, this.#destination[element])) {
        destinations.push(this.#destination[element])
      }
    }
    return [{ name: 'known', destinations }]
  }

  override resume(flow: Flow, clues: readonly Clue[]): void {
    const known = clues[0]?.destinations ?? []
    if (known.length === 0) return
    const now = this.pool.now()
    const entry = this.#map.add(flow.vip, NONE, now)
    // Each goes to the head of the set: the last one first.
    for (let i = known.length - 1; i >= 0; i--) this.#insert(entry, known[i], now)
  }

  /** The entry of a flow, which is not used by that. */
  #found(flow: Flow): number {
    const { sysctls, now } = this.pool
    this.#map.collect(now(), sysctls.lblcr_expiration * TICKS_PER_S)
    return this.#map.find(flow.vip)
  }

  override score(destination: number): number | null {
    const { destinations, overhead } = this.pool
    const weight = destinations.weight(destination)
    return weight > 0 ? overhead(destination) / weight : null
  }

  /** The least loaded destination of a set. */
  #least(head: number): number {
    const { pool } = this
    const { destinations } = pool
    let best = NONE
    for (let element = head; element !== NONE; element = this.#next[element]) {
      const d = this.#destination[element]
      if (!isMember(pool, d) || destinations.isOverloaded(d)) continue
      const weight = destinations.weight(d)
      if (best === NONE) {
        if (weight > 0) best = d
        continue
      }
      if (
        isProductGreater(pool.overhead(best), weight, pool.overhead(d), destinations.weight(best))
      )
        best = d
    }
    return best
  }

  /** Takes the most loaded destination out of a set of several that is older than `expiration`. */
  #shrink(entry: number, now: number, expiration: number): void {
    const map = this.#map
    const head = map.value[entry]
    if (head === NONE || this.#next[head] === NONE) return
    if (((now - map.modified[entry]) | 0) <= expiration) return
    const most = this.#most(head)
    if (most === NONE) return
    if (most === head) map.value[entry] = this.#next[head]
    else {
      let before = head
      while (this.#next[before] !== most) before = this.#next[before]
      this.#next[before] = this.#next[most]
    }
    this.#next[most] = this.#free
    this.#free = most
    map.modified[entry] = now
  }

  /** The element of the most loaded destination of a set with a weight. */
  #most(head: number): number {
    const { destinations, overhead } = this.pool
    let most = NONE
    for (let element = head; element !== NONE; element = this.#next[element]) {
      const d = this.#destination[element]
      const weight = destinations.weight(d)
      if (weight <= 0) continue
      const worst = most === NONE ? NONE : this.#destination[most]
      if (
        worst === NONE ||
        isProductGreater(overhead(d), destinations.weight(worst), overhead(worst), weight)
      ) {
        most = element
      }
    }
    return most
  }

  /** Puts a destination at the head of a set, if it is not in it. */
  #insert(entry: number, destination: number, now: number): void {
    const head = this.#map.value[entry]
    for (let element = head; element !== NONE; element = this.#next[element]) {
      if (this.#destination[element] === destination) return
    }
    let element = this.#free
    if (element !== NONE) this.#free = this.#next[element]
    else {
      element = this.#high++
      if (element === this.#next.length) {
        this.#next = doubled(this.#next)
        this.#destination = doubled(this.#destination)
      }
    }
    this.#destination[element] = destination
    this.#next[element] = head
    this.#map.value[entry] = element
    this.#map.modified[entry] = now
  }

  #freeSet(head: number): void {
    for (let element = head; element !== NONE; ) {
      const next = this.#next[element]
      this.#next[element] = this.#free
      this.#free = element
      element = next
    }
  }
}
