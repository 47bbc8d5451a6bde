/**
 * Locality-based least connection (`ip_vs_lblc.c`): remembers to which destination each virtual
 * address went, and sends it there again until that one has more active connections than its weight
 * while another has less than half of its own. Made for caches behind many addresses.
 */
import { type Clue, type Flow, isMember, type Pool, StatelessScheduler } from '../scheduler.js'
import { TICKS_PER_S } from '../timer-wheel.js'
import { AddressMap } from './address-map.js'
import { leastLoaded } from './wlc.js'

const NONE = -1

/** More active connections than its weight, while some other has room for many. */
export function isOverloaded(pool: Pool, destination: number): boolean {
  const { services, destinations, service } = pool
  if (destinations.activeOfAll(destination) <= destinations.weight(destination)) return false
  for (let d = services.head(service); d !== NONE; d = destinations.next(d)) {
    if (2 * destinations.activeOfAll(d) < destinations.weight(d)) return true
  }
  return false
}

export class LocalityLeastConnection extends StatelessScheduler {
  readonly #map: AddressMap

  constructor(pool: Pool) {
    super(pool)
    this.#map = new AddressMap(pool.now(), () => {})
  }

  choose(flow: Flow): number {
    const { pool } = this
    const now = pool.now()
    this.#collect()
    const entry = this.#map.use(flow.vip, now)
    const known = this.#knownBy(entry)
    if (known !== NONE && !isOverloaded(pool, known)) return known
    const destination = leastLoaded(pool)
    if (destination === NONE) return NONE
    if (entry === NONE) this.#map.add(flow.vip, destination, now)
    else this.#map.value[entry] = destination
    return destination
  }

  /** As long ago as Linux's timer would have: asking for it earlier or later is the same. */
  #collect(): void {
    const { sysctls, now } = this.pool
    this.#map.collect(now(), sysctls.lblc_expiration * TICKS_PER_S)
  }

  /** The destination of an entry, if it may be chosen: its threshold does not matter here. */
  #knownBy(entry: number): number {
    if (entry === NONE) return NONE
    const known = this.#map.value[entry]
    return isMember(this.pool, known) && this.pool.destinations.weight(known) > 0 ? known : NONE
  }

  override next(flow: Flow): number {
    this.#collect()
    const known = this.#knownBy(this.#map.find(flow.vip))
    return known !== NONE && !isOverloaded(this.pool, known) ? known : leastLoaded(this.pool)
  }

  override clues(flow: Flow): Clue[] {
    this.#collect()
    const known = this.#knownBy(this.#map.find(flow.vip))
    return [{ name: 'known', destinations: known === NONE ? [] : [known] }]
  }

  override resume(flow: Flow, clues: readonly Clue[]): void {
    const known = clues[0]?.destinations?.[0]
    if (known !== undefined) this.#map.add(flow.vip, known, this.pool.now())
  }

  override score(destination: number): number | null {
    const { destinations, overhead } = this.pool
    const weight = destinations.weight(destination)
    return weight > 0 ? overhead(destination) / weight : null
  }
}
