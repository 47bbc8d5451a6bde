/**
 * Locality-based least connection (`ip_vs_lblc.c`): remembers to which destination each virtual
 * address went, and sends it there again until that one has more active connections than its weight
 * while another has less than half of its own. Made for caches behind many addresses.
 */
import { type Flow, isMember, type Pool, StatelessScheduler } from '../scheduler.js'
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
    this.#map.collect(now, pool.sysctls.lblc_expiration * TICKS_PER_S)
    const entry = this.#map.use(flow.vip, now)
    if (entry !== NONE) {
      const known = this.#map.value[entry]
      // Its threshold does not matter here.
      if (isMember(pool, known) && pool.destinations.weight(known) > 0) {
        if (!isOverloaded(pool, known)) return known
      }
    }
    const destination = leastLoaded(pool)
    if (destination === NONE) return NONE
    if (entry === NONE) this.#map.add(flow.vip, destination, now)
    else this.#map.value[entry] = destination
    return destination
  }

  override score(destination: number): number | null {
    const { destinations, overhead } = this.pool
    const weight = destinations.weight(destination)
    return weight > 0 ? overhead(destination) / weight : null
  }
}
