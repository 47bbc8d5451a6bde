/**
 * The virtual services: one 128-byte record each, found by (protocol, address, port) or by firewall
 * mark, in the order of `ip_vs_service_find`.
 *
 *   bytes  0-39    statistics, as those of a destination
 *   bytes 40-127   the words named below
 *
 * Statistics of the whole director are those of all services, and of all that there were before:
 * the row at `capacity` keeps what deleted services had counted. So a packet is counted once.
 */
import {
  STAT_CONNECTIONS,
  STAT_COUNT,
  STAT_IN_BYTES,
  STAT_IN_PACKETS,
  STAT_OUT_BYTES,
  STAT_OUT_PACKETS,
} from './destination.js'
import type { Region } from './region.js'

const NONE = -1
const WORDS = 32
const FLOATS = 16
export const SERVICE_BYTES = WORDS * 4

const FAMILY = 10
const PROTOCOL = 11
const PORT = 12
const ADDRESS = 13
const FWMARK = 17
const FLAGS = 18
const TIMEOUT = 19
const NETMASK = 20
const SCHEDULER_FLAGS = 21
const HEAD = 22
const COUNT = 23
const CHAIN = 24

const USED = 1
/** Settings of a service, bits of FLAGS. */
export const SERVICE_PERSISTENT = 2
export const SERVICE_ONE_PACKET = 4

const BUCKETS = 4096
export const FTP_PORT = 21
const FTP_DATA_PORT = 20
const UNPRIVILEGED_PORT = 1024
const TCP = 6

export class ServiceTable {
  readonly capacity: number
  readonly words: Int32Array
  readonly statistics: Float64Array
  readonly #heads = new Int32Array(BUCKETS)
  #next = 0
  readonly #free: number[] = []
  /** How many services have port 0, TCP port 21, a mark: what `match` need not look for else. */
  #anyPort = 0
  #ftp = 0
  #marked = 0
  /** Services of each family: without any, Linux leaves the packet path. */
  count4 = 0
  count6 = 0

  constructor(region: Region, capacity: number) {
    this.capacity = capacity
    const bytes = region.uint8((capacity + 1) * SERVICE_BYTES)
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, capacity * WORDS)
    this.statistics = new Float64Array(bytes.buffer, bytes.byteOffset, (capacity + 1) * FLOATS)
  }

  /** How many more there can be. */
  get room(): number {
    return this.capacity - this.#next + this.#free.length
  }

  static pieces(capacity: number): number[] {
    return [(capacity + 1) * SERVICE_BYTES]
  }

  /**
   * A new service with this key, or NONE if the table is full. `fwmark` 0: known by its address.
   */
  create(
    family: number,
    protocol: number,
    address: Int32Array,
    port: number,
    fwmark: number,
  ): number {
    const slot = this.#free.pop() ?? (this.#next < this.capacity ? this.#next++ : NONE)
    if (slot === NONE) return NONE
    const words = this.words
    const at = slot * WORDS
    words.fill(0, at, at + WORDS)
    this.statistics.fill(0, slot * FLOATS, slot * FLOATS + STAT_COUNT)
    words[at + FAMILY] = family
    words[at + PROTOCOL] = protocol
    words.set(address.subarray(0, 4), at + ADDRESS)
    words[at + PORT] = port
    words[at + FWMARK] = fwmark
    words[at + FLAGS] = USED
    words[at + HEAD] = NONE
    const bucket = this.#bucket(slot)
    words[at + CHAIN] = this.#heads[bucket]
    this.#heads[bucket] = slot + 1
    this.#note(slot, 1)
    return slot
  }

  release(slot: number): void {
    const words = this.words
    const bucket = this.#bucket(slot)
    const chain = words[slot * WORDS + CHAIN]
    if (this.#heads[bucket] === slot + 1) this.#heads[bucket] = chain
    else {
      let previous = this.#heads[bucket] - 1
      while (words[previous * WORDS + CHAIN] !== slot + 1)
        previous = words[previous * WORDS + CHAIN] - 1
      words[previous * WORDS + CHAIN] = chain
    }
    this.#note(slot, -1)
    words[slot * WORDS + FLAGS] = 0
    for (let i = 0; i < STAT_COUNT; i++) {
      this.statistics[this.capacity * FLOATS + i] += this.statistics[slot * FLOATS + i]
    }
    this.#free.push(slot)
  }

  /** The service with exactly this key, or NONE. */
  find(
    family: number,
    protocol: number,
    a0: number,
    a1: number,
    a2: number,
    a3: number,
    port: number,
    fwmark: number,
  ): number {
    const words = this.words
    let next = this.#heads[bucketOf(protocol, a0, a3, port, fwmark)]
    while (next !== 0) {
      const at = (next - 1) * WORDS
      if (
        words[at + FWMARK] === fwmark &&
        words[at + PORT] === port &&
        words[at + ADDRESS] === a0 &&
        words[at + ADDRESS + 1] === a1 &&
        words[at + ADDRESS + 2] === a2 &&
        words[at + ADDRESS + 3] === a3 &&
        words[at + PROTOCOL] === protocol &&
        words[at + FAMILY] === family
      ) {
        return next - 1
      }
      next = words[at + CHAIN]
    }
    return NONE
  }

  /**
   * The service that serves a packet: by its mark (any protocol), by address and port, by address
   * and FTP's port for its data connections, by address and port 0. NONE if there is none.
   */
  match(
    family: number,
    protocol: number,
    a0: number,
    a1: number,
    a2: number,
    a3: number,
    port: number,
    fwmark: number,
  ): number {
    if (fwmark !== 0 && this.#marked > 0) {
      const marked = this.find(family, 0, 0, 0, 0, 0, 0, fwmark)
      if (marked !== NONE) return marked
    }
    const exact = this.find(family, protocol, a0, a1, a2, a3, port, 0)
    if (exact !== NONE) return exact
    if (
      this.#ftp > 0 &&
      protocol === TCP &&
      (port === FTP_DATA_PORT || port >= UNPRIVILEGED_PORT)
    ) {
      const ftp = this.find(family, TCP, a0, a1, a2, a3, FTP_PORT, 0)
      if (ftp !== NONE) return ftp
    }
    if (this.#anyPort > 0) return this.find(family, protocol, a0, a1, a2, a3, 0, 0)
    return NONE
  }

  /** Is there any service of this family? */
  isServing(family: number): boolean {
    return (family === 4 ? this.count4 : this.count6) > 0
  }

  isUsed(slot: number): boolean {
    return (this.words[slot * WORDS + FLAGS] & USED) !== 0
  }

  hasFlag(slot: number, flag: number): boolean {
    return (this.words[slot * WORDS + FLAGS] & flag) !== 0
  }

  family(slot: number): number {
    return this.words[slot * WORDS + FAMILY]
  }

  protocol(slot: number): number {
    return this.words[slot * WORDS + PROTOCOL]
  }

  port(slot: number): number {
    return this.words[slot * WORDS + PORT]
  }

  address(slot: number, index = 0): number {
    return this.words[slot * WORDS + ADDRESS + index]
  }

  fwmark(slot: number): number {
    return this.words[slot * WORDS + FWMARK]
  }

  /** Persistence timeout in seconds. */
  timeout(slot: number): number {
    return this.words[slot * WORDS + TIMEOUT]
  }

  /** Persistence granularity: an IPv4 mask as int32, or an IPv6 prefix length. */
  netmask(slot: number): number {
    return this.words[slot * WORDS + NETMASK]
  }

  schedulerFlags(slot: number): number {
    return this.words[slot * WORDS + SCHEDULER_FLAGS]
  }

  configure(
    slot: number,
    flags: number,
    timeout: number,
    netmask: number,
    schedulerFlags: number,
  ): void {
    const at = slot * WORDS
    this.words[at + FLAGS] = USED | flags
    this.words[at + TIMEOUT] = timeout
    this.words[at + NETMASK] = netmask
    this.words[at + SCHEDULER_FLAGS] = schedulerFlags
  }

  /** Its newest destination, or NONE. */
  head(slot: number): number {
    return this.words[slot * WORDS + HEAD]
  }

  setHead(slot: number, destination: number, change: number): void {
    this.words[slot * WORDS + HEAD] = destination
    this.words[slot * WORDS + COUNT] += change
  }

  destinations(slot: number): number {
    return this.words[slot * WORDS + COUNT]
  }

  countConnection(slot: number): void {
    this.statistics[slot * FLOATS + STAT_CONNECTIONS]++
  }

  countInput(slot: number, bytes: number): void {
    const at = slot * FLOATS
    this.statistics[at + STAT_IN_PACKETS]++
    this.statistics[at + STAT_IN_BYTES] += bytes
  }

  countBytes(slot: number, bytes: number): void {
    this.statistics[slot * FLOATS + STAT_IN_BYTES] += bytes
  }

  countOutput(slot: number, bytes: number): void {
    const at = slot * FLOATS
    this.statistics[at + STAT_OUT_PACKETS]++
    this.statistics[at + STAT_OUT_BYTES] += bytes
  }

  /** Statistic `index` (STAT_…) of a service, or of the whole director at slot `capacity`. */
  statistic(slot: number, index: number): number {
    let sum = this.statistics[slot * FLOATS + index]
    if (slot < this.capacity) return sum
    for (let i = 0; i < this.capacity; i++) {
      if (this.isUsed(i)) sum += this.statistics[i * FLOATS + index]
    }
    return sum
  }

  #note(slot: number, change: number): void {
    const at = slot * WORDS
    if (this.words[at + FAMILY] === 4) this.count4 += change
    else this.count6 += change
    if (this.words[at + FWMARK] !== 0) this.#marked += change
    else if (this.words[at + PORT] === 0) this.#anyPort += change
    else if (this.words[at + PORT] === FTP_PORT && this.words[at + PROTOCOL] === TCP)
      this.#ftp += change
  }

  #bucket(slot: number): number {
    const at = slot * WORDS
    return bucketOf(
      this.words[at + PROTOCOL],
      this.words[at + ADDRESS],
      this.words[at + ADDRESS + 3],
      this.words[at + PORT],
      this.words[at + FWMARK],
    )
  }
}

function bucketOf(
  protocol: number,
  first: number,
  last: number,
  port: number,
  fwmark: number,
): number {
  const h = Math.imul(
    first ^ Math.imul(last, 0x9e3779b1) ^ Math.imul(port + fwmark + (protocol << 16), 0x85ebca6b),
    0xc2b2ae35,
  )
  return (h >>> 16) & (BUCKETS - 1)
}
