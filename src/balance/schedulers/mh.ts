/**
 * Maglev hashing (`ip_vs_mh.c`; Eisenbud and others, NSDI 2016): a table from the client's address
 * (with `mh-port` its port too) to a destination, of which few entries change when the list does.
 * Each destination walks through the table in an order of its own, and takes free slots in turn
 * with the others, as many a turn as its weight says.
 *
 * If the one found may not be chosen nobody is, unless `mh-fallback` lets others take its place.
 */
import { type Clue, type Flow, type Pool, StatelessScheduler } from '../scheduler.js'
import { fold, sipHash } from './hash.js'
import { FLAG_FALLBACK, FLAG_PORT } from './sh.js'

const NONE = -1
/** `IP_VS_MH_TAB_INDEX` 12, the default: the prime below 2^12, and half of the index as bits. */
const SLOTS = 4093
const TURN_BITS = 6
const KEY_OFFSET = 2654435761
const KEY_SKIP = 2654446892

/** How a destination fills its slots. */
interface Walk {
  readonly destination: number
  readonly turns: number
  readonly skip: number
  next: number
}

export class MaglevHashing extends StatelessScheduler {
  readonly #slots = new Int32Array(SLOTS).fill(NONE)

  constructor(pool: Pool) {
    super(pool)
    this.#fill()
  }

  choose(flow: Flow): number {
    const { services, destinations, service } = this.pool
    const flags = services.schedulerFlags(service)
    const source = this.#sourceOf(flow)
    const slot = sipHash(source, KEY_OFFSET) % SLOTS
    const first = this.#slots[slot]
    if (first === NONE || destinations.isEligible(first)) return first
    if ((flags & FLAG_FALLBACK) === 0) return NONE
    for (let k = 0; k < SLOTS; k++) {
      const again = (slot + k) % SLOTS
      const d = this.#slots[sipHash((again + source) | 0, KEY_OFFSET) % SLOTS]
      if (d === NONE) return NONE
      if (destinations.isEligible(d)) return d
    }
    return NONE
  }

  /** What is hashed of a client. */
  #sourceOf(flow: Flow): number {
    const { services, service } = this.pool
    const flags = services.schedulerFlags(service)
    const port = (flags & FLAG_PORT) !== 0 ? flow.clientPort : 0
    return (port + fold(flow.client)) | 0
  }

  override clues(flow: Flow): Clue[] {
    const number = sipHash(this.#sourceOf(flow), KEY_OFFSET) % SLOTS
    const holder = this.#slots[number]
    return [
      { name: 'slot', number, of: SLOTS },
      { name: 'holder', destinations: holder === NONE ? [] : [holder] },
    ]
  }

  override added(_destination: number): void {
    this.#fill()
  }

  override removed(): void {
    this.#fill()
  }

  override edited(_destination: number): void {
    this.#fill()
  }

  #fill(): void {
    const walks = this.#walks()
    // Linux keeps the table that it has when there are more destinations than slots.
    if (walks.length > SLOTS) return
    this.#slots.fill(NONE)
    if (!walks.some(({ turns }) => turns > 0)) return
    for (let taken = 0; taken < SLOTS; ) {
      for (const walk of walks) {
        for (let turn = 0; turn < walk.turns && taken < SLOTS; turn++, taken++) {
          while (this.#slots[walk.next] !== NONE) walk.next = (walk.next + walk.skip) % SLOTS
          this.#slots[walk.next] = walk.destination
        }
      }
    }
  }

  /** In the order of the list; weights are the latest that were not 0, so that 0 moves nobody. */
  #walks(): Walk[] {
    const { services, destinations, service } = this.pool
    const walks: Walk[] = []
    let divisor = 0
    let most = 0
    for (let d = services.head(service); d !== NONE; d = destinations.next(d)) {
      const weight = destinations.lastWeight(d)
      divisor = greatestCommonDivisor(weight, divisor)
      most = Math.max(most, weight)
    }
    const shift = divisor === 0 ? 0 : Math.max(0, bitLength(most / divisor) - TURN_BITS)
    for (let d = services.head(service); d !== NONE; d = destinations.next(d)) {
      const weight = destinations.lastWeight(d)
      const key = (destinations.port(d) + addressOf(this.pool, d)) | 0
      walks.push({
        destination: d,
        turns: weight === 0 ? 0 : (weight / divisor) >>> shift || 1,
        skip: (sipHash(key, KEY_SKIP) % (SLOTS - 1)) + 1,
        next: sipHash(key, KEY_OFFSET) % SLOTS,
      })
    }
    return walks
  }
}

function addressOf({ destinations }: Pool, d: number): number {
  let word = 0
  for (let i = 0; i < 4; i++) word ^= destinations.address(d, i)
  return word
}

function bitLength(value: number): number {
  return 32 - Math.clz32(value)
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b]
  return a
}
