/**
 * What `lblc` and `lblcr` remember of each virtual address: an entry, found by a chained hash. The
 * columns grow by doubling up to Linux's limit, so that a service with one address costs next to
 * nothing; no entry beyond that is made, and the address is scheduled each time.
 */
import { fold, hash32 } from './hash.js'

const NONE = -1
const BUCKET_BITS = 10
const ENTRIES_FIRST = 16
/** `max_size` of the tables: 1024 buckets of 16 entries, and half as many again at the most. */
export const ENTRIES_GOAL = 16_384
export const ENTRIES_MAX = 24_576
/** Linux collects every minute; each 30th time it looks at all entries. */
export const COLLECTION_TICKS = 60 * 100
const FULL_CHECK_ROUNDS = 30
/** An entry that was not used for so long may go when there are too many. */
const IDLE_TICKS = 360 * 100
const COLLECTED_MAX = 8192

export class AddressMap {
  /** Per entry: the destination, or the first of its set. */
  value = new Int32Array(ENTRIES_FIRST)
  /** When its set changed, in ticks. */
  modified = new Int32Array(ENTRIES_FIRST)
  count = 0
  #used = new Int32Array(ENTRIES_FIRST)
  #words = new Int32Array(ENTRIES_FIRST * 4)
  #next = new Int32Array(ENTRIES_FIRST)
  readonly #buckets = new Int32Array(1 << BUCKET_BITS).fill(NONE)
  #free = NONE
  #high = 0
  #rover = 0
  #rounds = 1
  #nextCollection: number
  readonly #dropped: (value: number) => void

  /** `dropped` is called with the value of each entry that is collected. */
  constructor(now: number, dropped: (value: number) => void) {
    this.#nextCollection = now + COLLECTION_TICKS
    this.#dropped = dropped
  }

  /** The entry of an address, or NONE. */
  find(address: Int32Array): number {
    let entry = this.#buckets[hash32(fold(address), BUCKET_BITS)]
    while (entry !== NONE && !this.#has(entry, address)) entry = this.#next[entry]
    return entry
  }

  /** The entry of an address, used now; or NONE. */
  use(address: Int32Array, now: number): number {
    const entry = this.find(address)
    if (entry !== NONE) this.#used[entry] = now
    return entry
  }

  /** A new entry, used now, or NONE if there are too many. */
  add(address: Int32Array, value: number, now: number): number {
    if (this.count >= ENTRIES_MAX) return NONE
    let entry = this.#free
    if (entry !== NONE) this.#free = this.#next[entry]
    else {
      entry = this.#high++
      if (entry === this.value.length) this.#grow()
    }
    const bucket = hash32(fold(address), BUCKET_BITS)
    for (let i = 0; i < 4; i++) this.#words[entry * 4 + i] = address[i]
    this.value[entry] = value
    this.modified[entry] = now
    this.#used[entry] = now
    this.#next[entry] = this.#buckets[bucket]
    this.#buckets[bucket] = entry
    this.count++
    return entry
  }

  /**
   * Drops what has not been used, as often as Linux would have done since the last call. What was
   * not used for `expiration` ticks goes in any case, at the next time that all are looked at.
   */
  collect(now: number, expiration: number): void {
    while (((now - this.#nextCollection) | 0) >= 0) {
      this.#collectOnce(this.#nextCollection, expiration)
      this.#nextCollection = (this.#nextCollection + COLLECTION_TICKS) | 0
    }
  }

  #collectOnce(now: number, expiration: number): void {
    if (this.#rounds % FULL_CHECK_ROUNDS === 0) {
      for (let b = 0; b < this.#buckets.length; b++) this.#sweep(b, now, expiration)
      this.#rounds = 1
    } else if (this.count <= ENTRIES_GOAL) this.#rounds++
    else {
      const excess = Math.floor(((this.count - ENTRIES_GOAL) * 4) / 3)
      let goal = Math.min(excess, COLLECTED_MAX)
      for (let i = 0; i < this.#buckets.length && goal > 0; i++) {
        this.#rover = (this.#rover + 1) & (this.#buckets.length - 1)
        goal -= this.#sweep(this.#rover, now, IDLE_TICKS)
      }
    }
  }

  /** Drops the entries of a bucket that were last used `idle` ticks ago; how many. */
  #sweep(bucket: number, now: number, idle: number): number {
    let dropped = 0
    let before = NONE
    for (let entry = this.#buckets[bucket]; entry !== NONE; ) {
      const next = this.#next[entry]
      if (((now - this.#used[entry]) | 0) < idle) before = entry
      else {
        if (before === NONE) this.#buckets[bucket] = next
        else this.#next[before] = next
        this.#next[entry] = this.#free
        this.#free = entry
        this.count--
        dropped++
        this.#dropped(this.value[entry])
      }
      entry = next
    }
    return dropped
  }

  #has(entry: number, address: Int32Array): boolean {
    for (let i = 0; i < 4; i++) if (this.#words[entry * 4 + i] !== address[i]) return false
    return true
  }

  #grow(): void {
    this.value = doubled(this.value)
    this.modified = doubled(this.modified)
    this.#used = doubled(this.#used)
    this.#words = doubled(this.#words)
    this.#next = doubled(this.#next)
  }
}

export function doubled(column: Int32Array): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(column.length * 2)
  longer.set(column)
  return longer
}
