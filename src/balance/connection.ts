/**
 * The connection table: one 64-byte record (a cache line) for each connection, found by a hash over
 * (protocol, client, VIP, ports) through chained buckets. One table for IPv4, one for IPv6; the
 * class is the same, so each of the two has its own, monomorphic path.
 *
 *   word   IPv4                 IPv6
 *    0     client address       client address, 4 words
 *    1     VIP
 *    2     free to 7
 *    4                          VIP, 4 words
 *    8     ports: the client's in the high 16 bits, the VIP's in the low
 *    9     META: protocol (bits 0-7), state (8-11), flags (12-19), packets (20-27), use (28-31)
 *   10     CHAIN: next record of the bucket + 1, also of the list of free records
 *   11     DESTINATION: its slot, or NONE (bypass)
 *   12     DUE: the tick at which it expires
 *   13,14  the timer wheel's links
 *   15     CONTROL: slot of the template that controls it + 1, or 0
 *
 * A record's index (its slot) never changes while it lives. `packets` counts to 255 and stays
 * there: the defence asks for 1 to 8. `use` is 0 in a free record and otherwise a number from 1 to
 * 15 that changes with each new owner, so that a reader in another thread can tell that a record
 * changed hands while it was being read (`control/readers.ts`).
 *
 *   heads[bucket] --> record --CHAIN--> record --CHAIN--> 0
 */
import { bucketsFor, hash, hash6, hash6In } from './hash.js'
import type { Region } from './region.js'
import { TimerWheel } from './timer-wheel.js'

export const NONE = -1

const WORDS = 16
const WORDS_BITS = 4
export const RECORD_BYTES = WORDS * 4

const PORTS = 8
const META = 9
const CHAIN = 10
const DESTINATION = 11
const DUE = 12
const WHEEL_NEXT = 13
const WHEEL_PREV = 14
const CONTROL = 15
const V6_VIP = 4

const PROTOCOL_MASK = 0xff
const STATE_SHIFT = 8
const STATE_MASK = 0xf << STATE_SHIFT
const PACKETS_SHIFT = 20
const PACKETS_MASK = 0xff << PACKETS_SHIFT
const PACKETS_ONE = 1 << PACKETS_SHIFT
const USE_SHIFT = 28
const USE_MAX = 15

/** Flags of a connection: bits of META. */
export const FLAG_INACTIVE = 1 << 12
/** No packet from the server has been seen: the state tables of one direction apply. */
export const FLAG_NOOUTPUT = 1 << 13
export const FLAG_ONE_PACKET = 1 << 14
/** Found no destination and goes to where its packets are addressed (`cache_bypass`). */
export const FLAG_BYPASS = 1 << 15

// Cells that a worker publishes about its table.
const USED = 0
const HIGH_WATER = 1
const FREE = 2
const STATE_CELLS = 16

export class ConnectionTable {
  /** 4 or 6. */
  readonly family: number
  readonly capacity: number
  readonly buckets: number
  readonly wheel: TimerWheel
  /** Records that have come or gone, modulo 2^32: no chain is another while it stays the same. */
  changes = 0
  readonly #words: Int32Array
  readonly #heads: Int32Array
  readonly #state: Int32Array
  readonly #mask: number
  readonly #seed: number
  #use = 1

  /** `seed` makes buckets unpredictable to clients; any int32. */
  constructor(region: Region, family: 4 | 6, capacity: number, seed: number) {
    this.family = family
    this.capacity = capacity
    this.buckets = bucketsFor(capacity)
    this.#state = region.int32(STATE_CELLS)
    this.#heads = region.int32(this.buckets)
    this.#words = region.int32(capacity * WORDS)
    // `2 ** n` is a double to V8 until it is told otherwise, and a field of doubles costs a load.
    this.#mask = (this.buckets - 1) | 0
    this.#seed = seed | 0
    this.wheel = new TimerWheel(this.#words, WORDS, DUE, WHEEL_NEXT, WHEEL_PREV)
  }

  /** Sizes of the pieces that the constructor takes from its region, in bytes. */
  static pieces(capacity: number): number[] {
    return [STATE_CELLS * 4, bucketsFor(capacity) * 4, capacity * RECORD_BYTES]
  }

  /** Connections in the table now. */
  get count(): number {
    return this.#state[USED]
  }

  /** All records at this index and beyond have never been used. */
  get highWater(): number {
    return this.#state[HIGH_WATER]
  }

  /** The newest connection with this key, or NONE. Source port 0 never matches, as in Linux. */
  find4(protocol: number, client: number, vip: number, ports: number): number {
    const at = this.bucket4(protocol, client, vip, ports)
    return this.findIn4(this.#heads[at], protocol, client, vip, ports)
  }

  /** The same in a chain that `touch` found. */
  findIn4(chain: number, protocol: number, client: number, vip: number, ports: number): number {
    if (ports >>> 16 === 0) return NONE
    const words = this.#words
    for (let next = chain; next !== 0; ) {
      const at = (next - 1) << WORDS_BITS
      if (
        words[at] === client &&
        words[at + PORTS] === ports &&
        words[at + 1] === vip &&
        (words[at + META] & PROTOCOL_MASK) === protocol
      ) {
        return next - 1
      }
      next = words[at + CHAIN]
    }
    return NONE
  }

  /** The bucket of a key, for `first` and `touch`; addresses as in `find4` and `find6`. */
  bucket4(protocol: number, client: number, vip: number, ports: number): number {
    return hash(this.#seed, client, vip, ports, protocol) & this.#mask
  }

  bucket6(protocol: number, view: DataView, client: number, vip: number, ports: number): number {
    return hash6In(this.#seed, protocol, ports, view, client, vip) & this.#mask
  }

  /**
   * Reads the first record of each of `count` buckets into the cache; in the bucket's place stands
   * the chain then, for `findIn4` as long as `changes` stays the same. In loops of few instructions
   * a processor has dozens of reads under way at once.
   */
  touch(buckets: Int32Array, count: number): number {
    const words = this.#words
    for (let i = 0; i < count; i++) buckets[i] = this.#heads[buckets[i]]
    let touched = 0
    for (let i = 0; i < count; i++) touched |= words[Math.max(buckets[i] - 1, 0) << WORDS_BITS]
    return touched
  }

  /** The first record of a bucket, or NONE. */
  first(bucket: number): number {
    return this.#heads[bucket] - 1
  }

  /** The record behind this one in its bucket, or NONE. */
  next(slot: number): number {
    return this.#words[(slot << WORDS_BITS) + CHAIN] - 1
  }

  /** As find4; the addresses are four words each, read from `view` at `client` and `vip`. */
  find6(protocol: number, view: DataView, client: number, vip: number, ports: number): number {
    if (ports >>> 16 === 0) return NONE
    const c0 = view.getInt32(client)
    const c1 = view.getInt32(client + 4)
    const c2 = view.getInt32(client + 8)
    const c3 = view.getInt32(client + 12)
    const v0 = view.getInt32(vip)
    const v1 = view.getInt32(vip + 4)
    const v2 = view.getInt32(vip + 8)
    const v3 = view.getInt32(vip + 12)
    const words = this.#words
    let next =
      this.#heads[hash6(this.#seed, protocol, ports, c0, c1, c2, c3, v0, v1, v2, v3) & this.#mask]
    while (next !== 0) {
      const at = (next - 1) << WORDS_BITS
      if (
        words[at + 3] === c3 &&
        words[at + PORTS] === ports &&
        words[at + 2] === c2 &&
        words[at + 1] === c1 &&
        words[at] === c0 &&
        words[at + 7] === v3 &&
        words[at + 6] === v2 &&
        words[at + 5] === v1 &&
        words[at + 4] === v0 &&
        (words[at + META] & PROTOCOL_MASK) === protocol
      ) {
        return next - 1
      }
      next = words[at + CHAIN]
    }
    return NONE
  }

  /**
   * A new record at the head of its bucket's chain, so that of two with one key the younger is
   * found; its timer is filed at `due` (ticks). NONE if the table is full.
   */
  insert4(
    protocol: number,
    client: number,
    vip: number,
    ports: number,
    destination: number,
    flags: number,
    due: number,
  ): number {
    const slot = this.#take()
    if (slot === NONE) return NONE
    const at = slot << WORDS_BITS
    this.#words[at] = client
    this.#words[at + 1] = vip
    const bucket = hash(this.#seed, client, vip, ports, protocol) & this.#mask
    this.#fill(slot, bucket, protocol, ports, destination, flags, due)
    return slot
  }

  insert6(
    protocol: number,
    view: DataView,
    client: number,
    vip: number,
    ports: number,
    destination: number,
    flags: number,
    due: number,
  ): number {
    const slot = this.#take()
    if (slot === NONE) return NONE
    const words = this.#words
    const at = slot << WORDS_BITS
    for (let i = 0; i < 4; i++) {
      words[at + i] = view.getInt32(client + 4 * i)
      words[at + V6_VIP + i] = view.getInt32(vip + 4 * i)
    }
    const bucket = this.#bucketOf(slot, ports, protocol)
    this.#fill(slot, bucket, protocol, ports, destination, flags, due)
    return slot
  }

  /** Takes the record out of its chain and the wheel, and frees it. */
  remove(slot: number): void {
    const words = this.#words
    const at = slot << WORDS_BITS
    if (this.wheel.isFiled(slot)) this.wheel.unfile(slot)
    const meta = words[at + META]
    const bucket = this.#bucketOf(slot, words[at + PORTS], meta & PROTOCOL_MASK)
    if (this.#heads[bucket] === slot + 1) this.#heads[bucket] = words[at + CHAIN]
    else {
      let previous = (this.#heads[bucket] - 1) << WORDS_BITS
      while (words[previous + CHAIN] !== slot + 1)
        previous = (words[previous + CHAIN] - 1) << WORDS_BITS
      words[previous + CHAIN] = words[at + CHAIN]
    }
    this.changes = (this.changes + 1) | 0
    words[at + META] = 0
    words[at + CHAIN] = this.#state[FREE]
    this.#state[FREE] = slot + 1
    this.#state[USED]--
  }

  isUsed(slot: number): boolean {
    return this.use(slot) !== 0
  }

  protocol(slot: number): number {
    return this.#words[(slot << WORDS_BITS) + META] & PROTOCOL_MASK
  }

  state(slot: number): number {
    return (this.#words[(slot << WORDS_BITS) + META] & STATE_MASK) >>> STATE_SHIFT
  }

  setState(slot: number, state: number): void {
    const at = (slot << WORDS_BITS) + META
    this.#words[at] = (this.#words[at] & ~STATE_MASK) | (state << STATE_SHIFT)
  }

  hasFlag(slot: number, flag: number): boolean {
    return (this.#words[(slot << WORDS_BITS) + META] & flag) !== 0
  }

  setFlag(slot: number, flag: number): void {
    this.#words[(slot << WORDS_BITS) + META] |= flag
  }

  clearFlag(slot: number, flag: number): void {
    this.#words[(slot << WORDS_BITS) + META] &= ~flag
  }

  /** Packets of this connection so far, 255 at most. */
  packets(slot: number): number {
    return (this.#words[(slot << WORDS_BITS) + META] & PACKETS_MASK) >>> PACKETS_SHIFT
  }

  countPacket(slot: number): void {
    const at = (slot << WORDS_BITS) + META
    const meta = this.#words[at]
    if ((meta & PACKETS_MASK) !== PACKETS_MASK) this.#words[at] = meta + PACKETS_ONE
  }

  destination(slot: number): number {
    return this.#words[(slot << WORDS_BITS) + DESTINATION]
  }

  /** Slot of the template that controls it, or NONE. */
  control(slot: number): number {
    return this.#words[(slot << WORDS_BITS) + CONTROL] - 1
  }

  setControl(slot: number, template: number): void {
    this.#words[(slot << WORDS_BITS) + CONTROL] = template + 1
  }

  /** The tick at which it expires. */
  due(slot: number): number {
    return this.#words[(slot << WORDS_BITS) + DUE]
  }

  /** Client and VIP ports as one int32. */
  ports(slot: number): number {
    return this.#words[(slot << WORDS_BITS) + PORTS]
  }

  /** Word `index` of the client's address; IPv4 has one. */
  client(slot: number, index = 0): number {
    return this.#words[(slot << WORDS_BITS) + index]
  }

  /** Word `index` of the virtual address; IPv4 has one. */
  vip(slot: number, index = 0): number {
    return this.#words[(slot << WORDS_BITS) + (this.family === 4 ? 1 : V6_VIP) + index]
  }

  /** The use number of a record: 0 free, else it changes with each owner. */
  use(slot: number): number {
    return this.#words[(slot << WORDS_BITS) + META] >>> USE_SHIFT
  }

  #take(): number {
    const free = this.#state[FREE]
    if (free !== 0) {
      this.#state[FREE] = this.#words[((free - 1) << WORDS_BITS) + CHAIN]
      this.#state[USED]++
      return free - 1
    }
    const fresh = this.#state[HIGH_WATER]
    if (fresh === this.capacity) return NONE
    this.#state[HIGH_WATER] = fresh + 1
    this.#state[USED]++
    return fresh
  }

  #fill(
    slot: number,
    bucket: number,
    protocol: number,
    ports: number,
    destination: number,
    flags: number,
    due: number,
  ): void {
    const words = this.#words
    const at = slot << WORDS_BITS
    words[at + PORTS] = ports
    words[at + CHAIN] = this.#heads[bucket]
    words[at + DESTINATION] = destination
    words[at + WHEEL_PREV] = 0
    words[at + CONTROL] = 0
    this.wheel.file(slot, due)
    this.#use = this.#use === USE_MAX ? 1 : this.#use + 1
    words[at + META] = protocol | flags | (this.#use << USE_SHIFT)
    this.#heads[bucket] = slot + 1
    this.changes = (this.changes + 1) | 0
  }

  #bucketOf(slot: number, ports: number, protocol: number): number {
    const words = this.#words
    const at = slot << WORDS_BITS
    if (this.family === 4) {
      return hash(this.#seed, words[at], words[at + 1], ports, protocol) & this.#mask
    }
    const vip = at + V6_VIP
    // biome-ignore format: an address a line
    const bucket = hash6(this.#seed, protocol, ports,
      words[at], words[at + 1], words[at + 2], words[at + 3],
      words[vip], words[vip + 1], words[vip + 2], words[vip + 3])
    return bucket & this.#mask
  }
}
