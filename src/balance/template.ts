/**
 * Connection templates: what persistence remembers. A template says to which destination the
 * connections of a client (or of a network of clients) go; it lives on while connections that it
 * controls do. Linux keeps templates among the connections; here they have a table of their own,
 * since no packet ever looks for one unless a new connection is to be made.
 *
 *   word  0-3   client address, masked       4-7   virtual address, or the mark in word 4
 *         8     vport (bits 0-15), protocol (16-23, 0 for marks), family (24-27), and in bits 28-31
 *               0 if the record is free, else 1 + packets, of which 9 are the most
 *         9     timeout in ticks, bit 31: ASSURED
 *        10     CHAIN        11  DESTINATION      12-14  timer      15  connections it controls
 */

import { NONE } from './connection.js'
import { bucketsFor } from './hash.js'
import type { Region } from './region.js'
import { TimerWheel } from './timer-wheel.js'

const WORDS = 16
export const TEMPLATE_BYTES = WORDS * 4
const VIP = 4
const KEY = 8
const TIMEOUT = 9
const CHAIN = 10
const DESTINATION = 11
const DUE = 12
const CONTROLS = 15

const KEY_MASK = 0x0fffffff
const PACKETS_SHIFT = 28
/** A record that is used, and has seen no packet yet. */
const FRESH = 1 << PACKETS_SHIFT
/** More do not matter to anybody (`drop-entry.ts`). */
const PACKETS_MAX = 9
const ASSURED = 1 << 31

const USED = 0
const HIGH_WATER = 1
const FREE = 2
const STATE_CELLS = 16

/** The key of a template, filled by the caller for `find` and `insert`. */
export class TemplateKey {
  /** Client in words 0-3, VIP (or mark) in 4-7. */
  readonly words = new Int32Array(8)
  family = 4
  protocol = 0
  vport = 0

  packed(): number {
    return this.vport | (this.protocol << 16) | (this.family << 24)
  }
}

export class TemplateTable {
  readonly capacity: number
  readonly buckets: number
  readonly wheel: TimerWheel
  readonly #words: Int32Array
  readonly #heads: Int32Array
  readonly #state: Int32Array
  readonly #mask: number
  readonly #seed: number

  constructor(region: Region, capacity: number, seed: number) {
    this.capacity = capacity
    this.buckets = bucketsFor(capacity)
    this.#state = region.int32(STATE_CELLS)
    this.#heads = region.int32(this.buckets)
    this.#words = region.int32(capacity * WORDS)
    this.#mask = (this.buckets - 1) | 0
    this.#seed = seed | 0
    this.wheel = new TimerWheel(this.#words, WORDS, DUE, DUE + 1, DUE + 2)
  }

  static pieces(capacity: number): number[] {
    return [STATE_CELLS * 4, bucketsFor(capacity) * 4, capacity * TEMPLATE_BYTES]
  }

  get count(): number {
    return this.#state[USED]
  }

  get highWater(): number {
    return this.#state[HIGH_WATER]
  }

  find(key: TemplateKey): number {
    const packed = key.packed()
    let next = this.#heads[this.#bucket(key.words, 0, packed)]
    while (next !== 0) {
      const at = (next - 1) * WORDS
      if ((this.#words[at + KEY] & KEY_MASK) === packed && this.#hasAddresses(at, key))
        return next - 1
      next = this.#words[at + CHAIN]
    }
    return NONE
  }

  /** A new template with `timeout` ticks that expires at `due`, or NONE if the table is full. */
  insert(key: TemplateKey, destination: number, timeout: number, due: number): number {
    let slot = this.#state[FREE] - 1
    if (slot >= 0) this.#state[FREE] = this.#words[slot * WORDS + CHAIN]
    else if (this.#state[HIGH_WATER] < this.capacity) slot = this.#state[HIGH_WATER]++
    else return NONE
    const words = this.#words
    const at = slot * WORDS
    words.set(key.words, at)
    words[at + KEY] = key.packed() | FRESH
    words[at + TIMEOUT] = timeout
    words[at + DESTINATION] = destination
    words[at + DUE + 2] = 0
    words[at + CONTROLS] = 0
    this.#chain(slot)
    this.wheel.file(slot, due)
    this.#state[USED]++
    return slot
  }

  remove(slot: number): void {
    if (this.wheel.isFiled(slot)) this.wheel.unfile(slot)
    this.#unchain(slot)
    const at = slot * WORDS
    this.#words[at + KEY] = 0
    this.#words[at + CHAIN] = this.#state[FREE]
    this.#state[FREE] = slot + 1
    this.#state[USED]--
  }

  /** Renames a template that is no longer valid (port 65535), so that it matches nobody. */
  invalidate(slot: number): void {
    this.#unchain(slot)
    this.#words[slot * WORDS + KEY] |= 0xffff
    this.#chain(slot)
  }

  /** The first template of a bucket, or NONE. */
  first(bucket: number): number {
    return this.#heads[bucket] - 1
  }

  /** The one behind this in its bucket, or NONE. */
  next(slot: number): number {
    return this.#words[slot * WORDS + CHAIN] - 1
  }

  /** Packets that were sent one by one under this template, 9 at most. */
  packets(slot: number): number {
    return (this.#words[slot * WORDS + KEY] >>> PACKETS_SHIFT) - 1
  }

  countPacket(slot: number): void {
    if (this.packets(slot) < PACKETS_MAX) this.#words[slot * WORDS + KEY] += FRESH
  }

  isUsed(slot: number): boolean {
    return this.#words[slot * WORDS + KEY] !== 0
  }

  destination(slot: number): number {
    return this.#words[slot * WORDS + DESTINATION]
  }

  /** Ticks that it lives after a new connection. */
  timeout(slot: number): number {
    return this.#words[slot * WORDS + TIMEOUT] & ~ASSURED
  }

  setTimeout(slot: number, ticks: number): void {
    const at = slot * WORDS + TIMEOUT
    this.#words[at] = (this.#words[at] & ASSURED) | ticks
  }

  /** A connection that it controls has been established. */
  isAssured(slot: number): boolean {
    return (this.#words[slot * WORDS + TIMEOUT] & ASSURED) !== 0
  }

  assure(slot: number): void {
    this.#words[slot * WORDS + TIMEOUT] |= ASSURED
  }

  /** How many connections it controls. */
  controls(slot: number): number {
    return this.#words[slot * WORDS + CONTROLS]
  }

  addControls(slot: number, change: number): void {
    this.#words[slot * WORDS + CONTROLS] += change
  }

  due(slot: number): number {
    return this.#words[slot * WORDS + DUE]
  }

  family(slot: number): number {
    return (this.#words[slot * WORDS + KEY] >>> 24) & 0xf
  }

  /** 0 for the template of a firewall mark. */
  protocol(slot: number): number {
    return (this.#words[slot * WORDS + KEY] >>> 16) & 0xff
  }

  vport(slot: number): number {
    return this.#words[slot * WORDS + KEY] & 0xffff
  }

  client(slot: number, index = 0): number {
    return this.#words[slot * WORDS + index]
  }

  vip(slot: number, index = 0): number {
    return this.#words[slot * WORDS + VIP + index]
  }

  #hasAddresses(at: number, key: TemplateKey): boolean {
    for (let i = 0; i < 8; i++) if (this.#words[at + i] !== key.words[i]) return false
    return true
  }

  #chain(slot: number): void {
    const at = slot * WORDS
    const bucket = this.#bucket(this.#words, at, this.#words[at + KEY] & KEY_MASK)
    this.#words[at + CHAIN] = this.#heads[bucket]
    this.#heads[bucket] = slot + 1
  }

  #unchain(slot: number): void {
    const words = this.#words
    const at = slot * WORDS
    const bucket = this.#bucket(words, at, words[at + KEY] & KEY_MASK)
    if (this.#heads[bucket] === slot + 1) this.#heads[bucket] = words[at + CHAIN]
    else {
      let previous = this.#heads[bucket] - 1
      while (words[previous * WORDS + CHAIN] !== slot + 1)
        previous = words[previous * WORDS + CHAIN] - 1
      words[previous * WORDS + CHAIN] = words[at + CHAIN]
    }
  }

  #bucket(words: Int32Array, at: number, packed: number): number {
    let h = this.#seed ^ packed
    for (let i = 0; i < 8; i++) {
      h = Math.imul(h ^ words[at + i], 0x85ebca6b)
      h ^= h >>> 15
    }
    return h & this.#mask
  }
}
