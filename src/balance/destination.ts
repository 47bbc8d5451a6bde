/**
 * The destinations of all services: one 128-byte record each, in one table.
 *
 *   bytes  0-39    statistics: connections, packets in, bytes in, packets out, bytes out (float64)
 *   bytes 40-127   the words named below
 *
 * The destinations of a service form a doubly linked list, **newest first**: Linux inserts at the
 * head, and that order decides ties in every scheduler.
 *
 *   service.HEAD --> newest <--> older <--> oldest --> NONE
 *
 * A deleted destination is unlinked but keeps its record (Linux's trash) while connections may
 * refer to it, and gets it back if it is added again; `reap` frees it. So a slot is never reused
 * while anything points to it.
 */
import type { Region } from './region.js'

const NONE = -1
const WORDS = 32
const FLOATS = 16
export const DESTINATION_BYTES = WORDS * 4

// Statistics, as indices of float64.
export const STAT_CONNECTIONS = 0
export const STAT_IN_PACKETS = 1
export const STAT_IN_BYTES = 2
export const STAT_OUT_PACKETS = 3
export const STAT_OUT_BYTES = 4
export const STAT_COUNT = 5

const ACTIVE = 10
const INACTIVE = 11
const PERSISTENT = 12
const WEIGHT = 13
const FLAGS = 14
const SERVICE = 15
const PREVIOUS = 16
const NEXT = 17
const UPPER = 18
const LOWER = 19
const PORT = 20
const ADDRESS = 21
const METHOD = 25
const LAST_WEIGHT = 26
const PROTOCOL = 27
const FAMILY = 28
const ELSEWHERE_ACTIVE = 29
const ELSEWHERE_INACTIVE = 30

/** In its service's list, not in the trash. */
export const AVAILABLE = 1
/** At its upper threshold: schedulers pass it over. */
export const OVERLOAD = 2
const USED = 4

export const METHOD_ROUTE = 0
export const METHOD_TUNNEL = 1
export const METHOD_MASQ = 2

export class DestinationTable {
  readonly capacity: number
  readonly words: Int32Array
  readonly statistics: Float64Array
  #next = 0
  readonly #free: number[] = []

  constructor(region: Region, capacity: number) {
    this.capacity = capacity
    const bytes = region.uint8(capacity * DESTINATION_BYTES)
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, capacity * WORDS)
    this.statistics = new Float64Array(bytes.buffer, bytes.byteOffset, capacity * FLOATS)
  }

  /** How many more there can be. */
  get room(): number {
    return this.capacity - this.#next + this.#free.length
  }

  static pieces(capacity: number): number[] {
    return [capacity * DESTINATION_BYTES]
  }

  /** A fresh record, all zero, or NONE if the table is full. The same in every thread. */
  create(family: number, protocol: number, address: Int32Array, port: number): number {
    const slot = this.#free.pop() ?? (this.#next < this.capacity ? this.#next++ : NONE)
    if (slot === NONE) return NONE
    this.words.fill(0, slot * WORDS, (slot + 1) * WORDS)
    const at = slot * WORDS
    this.words.set(address.subarray(0, 4), at + ADDRESS)
    this.words[at + PORT] = port
    this.words[at + FAMILY] = family
    this.words[at + PROTOCOL] = protocol
    this.words[at + SERVICE] = NONE
    this.words[at + PREVIOUS] = NONE
    this.words[at + NEXT] = NONE
    this.words[at + FLAGS] = USED
    return slot
  }

  release(slot: number): void {
    this.words[slot * WORDS + FLAGS] = 0
    this.#free.push(slot)
  }

  isUsed(slot: number): boolean {
    return (this.words[slot * WORDS + FLAGS] & USED) !== 0
  }

  isAvailable(slot: number): boolean {
    return (this.words[slot * WORDS + FLAGS] & AVAILABLE) !== 0
  }

  isOverloaded(slot: number): boolean {
    return (this.words[slot * WORDS + FLAGS] & OVERLOAD) !== 0
  }

  /** May a scheduler choose it: weight above 0 and below its threshold. */
  isEligible(slot: number): boolean {
    const at = slot * WORDS
    return this.words[at + WEIGHT] > 0 && (this.words[at + FLAGS] & OVERLOAD) === 0
  }

  setFlag(slot: number, flag: number): void {
    this.words[slot * WORDS + FLAGS] |= flag
  }

  clearFlag(slot: number, flag: number): void {
    this.words[slot * WORDS + FLAGS] &= ~flag
  }

  active(slot: number): number {
    return this.words[slot * WORDS + ACTIVE]
  }

  inactive(slot: number): number {
    return this.words[slot * WORDS + INACTIVE]
  }

  /** All connections, active and inactive; templates are not among them. */
  total(slot: number): number {
    const at = slot * WORDS
    return this.words[at + ACTIVE] + this.words[at + INACTIVE]
  }

  /** As `active`, `inactive` and `total`, with what other workers have: what decisions go by. */
  activeOfAll(slot: number): number {
    const at = slot * WORDS
    return this.words[at + ACTIVE] + this.words[at + ELSEWHERE_ACTIVE]
  }

  inactiveOfAll(slot: number): number {
    const at = slot * WORDS
    return this.words[at + INACTIVE] + this.words[at + ELSEWHERE_INACTIVE]
  }

  totalOfAll(slot: number): number {
    return this.activeOfAll(slot) + this.inactiveOfAll(slot)
  }

  /** What other workers have counted, as of now. */
  setElsewhere(slot: number, active: number, inactive: number): void {
    this.words[slot * WORDS + ELSEWHERE_ACTIVE] = active
    this.words[slot * WORDS + ELSEWHERE_INACTIVE] = inactive
  }

  persistent(slot: number): number {
    return this.words[slot * WORDS + PERSISTENT]
  }

  addActive(slot: number, change: number): void {
    this.words[slot * WORDS + ACTIVE] += change
  }

  addInactive(slot: number, change: number): void {
    this.words[slot * WORDS + INACTIVE] += change
  }

  addPersistent(slot: number, change: number): void {
    this.words[slot * WORDS + PERSISTENT] += change
  }

  weight(slot: number): number {
    return this.words[slot * WORDS + WEIGHT]
  }

  /** The latest weight that was not 0 (what `mh` builds its table from). */
  lastWeight(slot: number): number {
    return this.words[slot * WORDS + LAST_WEIGHT]
  }

  setWeight(slot: number, weight: number, isNew: boolean): void {
    const at = slot * WORDS
    this.words[at + WEIGHT] = weight
    if (isNew || weight !== 0) this.words[at + LAST_WEIGHT] = weight
  }

  upper(slot: number): number {
    return this.words[slot * WORDS + UPPER]
  }

  lower(slot: number): number {
    return this.words[slot * WORDS + LOWER]
  }

  setThresholds(slot: number, upper: number, lower: number): void {
    this.words[slot * WORDS + UPPER] = upper
    this.words[slot * WORDS + LOWER] = lower
  }

  /** The service it belongs to; NONE in the trash. */
  service(slot: number): number {
    return this.words[slot * WORDS + SERVICE]
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

  /** Word `index` of its address; IPv4 has one. */
  address(slot: number, index = 0): number {
    return this.words[slot * WORDS + ADDRESS + index]
  }

  method(slot: number): number {
    return this.words[slot * WORDS + METHOD]
  }

  setMethod(slot: number, method: number): void {
    this.words[slot * WORDS + METHOD] = method
  }

  /** The next older destination of the same service, or NONE. */
  next(slot: number): number {
    return this.words[slot * WORDS + NEXT]
  }

  previous(slot: number): number {
    return this.words[slot * WORDS + PREVIOUS]
  }

  /** Puts it in front of `head` (NONE: the list is empty); the caller makes it the new head. */
  link(slot: number, service: number, head: number): void {
    const at = slot * WORDS
    this.words[at + SERVICE] = service
    this.words[at + PREVIOUS] = NONE
    this.words[at + NEXT] = head
    this.words[at + FLAGS] |= AVAILABLE
    if (head !== NONE) this.words[head * WORDS + PREVIOUS] = slot
  }

  /** Takes it out of its list and returns the list's new head. */
  unlink(slot: number, head: number): number {
    const at = slot * WORDS
    const next = this.words[at + NEXT]
    const previous = this.words[at + PREVIOUS]
    if (next !== NONE) this.words[next * WORDS + PREVIOUS] = previous
    if (previous !== NONE) this.words[previous * WORDS + NEXT] = next
    this.words[at + SERVICE] = NONE
    this.words[at + PREVIOUS] = NONE
    this.words[at + NEXT] = NONE
    this.words[at + FLAGS] &= ~AVAILABLE
    return head === slot ? next : head
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

  /** Statistic `index` (STAT_…) of a destination. */
  statistic(slot: number, index: number): number {
    return this.statistics[slot * FLOATS + index]
  }
}
