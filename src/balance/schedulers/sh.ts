/**
 * Source hashing (`ip_vs_sh.c`): a fixed table from the client's address (with `sh-port` its port
 * too) to a destination, each of which has as many buckets in turn as its weight says. If the one
 * found may not be chosen nobody is, unless `sh-fallback` lets others take its place.
 */
import { type Clue, type Flow, type Pool, StatelessScheduler } from '../scheduler.js'
import { fold, hash32 } from './hash.js'

const NONE = -1
const BITS = 8
const MASK = (1 << BITS) - 1
/** Scheduler flags of a service, `IP_VS_SVC_F_SCHED_SH_FALLBACK` and `_PORT`. */
export const FLAG_FALLBACK = 0x8
export const FLAG_PORT = 0x10

export class SourceHashing extends StatelessScheduler {
  readonly #buckets = new Int32Array(1 << BITS).fill(NONE)

  constructor(pool: Pool) {
    super(pool)
    this.#deal()
  }

  choose(flow: Flow): number {
    const { services, destinations, service } = this.pool
    const flags = services.schedulerFlags(service)
    const hash = this.#bucketOf(flow)
    const first = this.#buckets[hash]
    if (first === NONE || destinations.isEligible(first)) return first
    if ((flags & FLAG_FALLBACK) === 0) return NONE
    // Linux adds the hash to itself here, and begins elsewhere than one would think.
    for (let k = 0; k <= MASK; k++) {
      const d = this.#buckets[(2 * hash + k) & MASK]
      if (d === NONE) return NONE
      if (destinations.isEligible(d)) return d
    }
    return NONE
  }

  #bucketOf(flow: Flow): number {
    const { services, service } = this.pool
    const flags = services.schedulerFlags(service)
    const port = (flags & FLAG_PORT) !== 0 ? flow.clientPort : 0
    return hash32((port + fold(flow.client)) | 0, BITS)
  }

  override clues(flow: Flow): Clue[] {
    const number = this.#bucketOf(flow)
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

  override edited(_destination: number): void {
    this.#deal()
  }

  /** In turn to each as many buckets as its weight, and one to those of weight 0. */
  #deal(): void {
    const { services, destinations, service } = this.pool
    let d = services.head(service)
    let dealt = 0
    for (let i = 0; i < this.#buckets.length; i++) {
      this.#buckets[i] = d
      if (d === NONE || ++dealt < destinations.weight(d)) continue
      dealt = 0
      d = destinations.next(d)
      if (d === NONE) d = services.head(service)
    }
  }
}
