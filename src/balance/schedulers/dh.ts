/**
 * Destination hashing (`ip_vs_dh.c`): a fixed table from the virtual address to a destination, made
 * for caches that serve many addresses. One virtual address always goes to one destination; if that
 * may not be chosen, nobody is.
 */
import { type Clue, type Flow, type Pool, StatelessScheduler } from '../scheduler.js'
import { fold, hash32 } from './hash.js'

const NONE = -1
const BITS = 8

export class DestinationHashing extends StatelessScheduler {
  readonly #buckets = new Int32Array(1 << BITS).fill(NONE)

  constructor(pool: Pool) {
    super(pool)
    this.#deal()
  }

  choose(flow: Flow): number {
    const { destinations } = this.pool
    const d = this.#buckets[hash32(fold(flow.vip), BITS)]
    return d !== NONE && destinations.isEligible(d) ? d : NONE
  }

  override clues(flow: Flow): Clue[] {
    const number = hash32(fold(flow.vip), BITS)
    const holder = this.#buckets[number]
    return [
      { name: 'bucket', number, of: this.#buckets.length },
      { name: 'holder', destinations: holder === NONE ? [] : [holder] },
    ]
  }

  override added(_destination: number): void {
    this.#deal()
  }

  override removed(): void {
    this.#deal()
  }

  /** One bucket to each destination in turn, whatever its weight. */
  #deal(): void {
    const { services, destinations, service } = this.pool
    let d = services.head(service)
    for (let i = 0; i < this.#buckets.length; i++) {
      this.#buckets[i] = d
      if (d !== NONE) d = destinations.next(d)
      if (d === NONE) d = services.head(service)
    }
  }
}
