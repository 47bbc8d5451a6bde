/**
 * A hierarchical timer wheel over the records of a table.
 *
 *   level 0   256 lists, one a tick            due within 256 ticks
 *   level 1   256 lists of 2^8 ticks each      due within 2^16 ticks
 *   level 2   256 lists of 2^16 ticks each     due within 2^24 ticks
 *   level 3   256 lists of 2^24 ticks each     the rest
 *
 * Each record has three words for it: DUE, the tick at which it expires, and the links of the
 * doubly linked list in which it is filed. Prolonging writes DUE and nothing else: the record stays
 * where it is, and moves on only when the wheel comes to it and finds it not yet due. That is what
 * makes a timer cost one store for each frame. Only a due time that comes *nearer* moves a record.
 *
 * Words hold `index + 1`, so that zeroed memory is an empty wheel:
 *
 *   head[list]      first record + 1, 0 if the list is empty
 *   NEXT            next record + 1, 0 for the last
 *   PREV            previous record + 1; -(list + 1) for the first; 0 if not filed at all
 *
 * Ticks are int32 and wrap; they are compared by the sign of their difference, so a timer may reach
 * 2^31 ticks ahead (248 days at TICK_MS).
 */

/** Length of a tick: a jiffy of the kernel whose decisions were recorded (HZ=100). */
export const TICK_MS = 10
export const TICKS_PER_S = 1000 / TICK_MS

const LEVELS = 4
const LISTS_BITS = 8
const LISTS = 1 << LISTS_BITS
const LISTS_MASK = LISTS - 1

/** Who owns the records: called for each one that is due, which is then no longer filed. */
export interface Expirer {
  expire(slot: number): void
}

export class TimerWheel {
  readonly #words: Int32Array
  readonly #stride: number
  readonly #due: number
  readonly #next: number
  readonly #prev: number
  readonly #head = new Int32Array(LEVELS * LISTS)
  /** The tick that is to be worked on next; all before are done. */
  #clock = 0

  /**
   * `due`, `next` and `prev` are the positions of the three words in a record of `stride` words.
   */
  constructor(words: Int32Array, stride: number, due: number, next: number, prev: number) {
    this.#words = words
    this.#stride = stride
    this.#due = due
    this.#next = next
    this.#prev = prev
  }

  /** Starts the clock at `tick`; before anything is filed. */
  start(tick: number): void {
    this.#clock = tick | 0
  }

  isFiled(slot: number): boolean {
    return this.#words[slot * this.#stride + this.#prev] !== 0
  }

  /** Files a record that is not filed to expire at `tick`. */
  file(slot: number, tick: number): void {
    this.#words[slot * this.#stride + this.#due] = tick
    this.#link(slot, this.#listFor(tick))
  }

  /** Changes when a filed record expires. */
  reschedule(slot: number, tick: number): void {
    const at = slot * this.#stride + this.#due
    const nearer = ((tick - this.#words[at]) | 0) < 0
    this.#words[at] = tick
    if (nearer) {
      this.unfile(slot)
      this.#link(slot, this.#listFor(tick))
    }
  }

  /** Takes a record out of the wheel. */
  unfile(slot: number): void {
    const words = this.#words
    const at = slot * this.#stride
    const next = words[at + this.#next]
    const prev = words[at + this.#prev]
    if (prev < 0) this.#head[-prev - 1] = next
    else words[(prev - 1) * this.#stride + this.#next] = next
    if (next !== 0) words[(next - 1) * this.#stride + this.#prev] = prev
    words[at + this.#prev] = 0
  }

  /**
   * Works up to and including `tick`, calling `expirer` for each record that is due, and returns
   * what is left of `budget`. When the budget, counted in records touched, is used up it returns 0
   * and goes on from there next time: a million timers of one tick must not hold up frames.
   */
  advance(tick: number, expirer: Expirer, budget: number): number {
    while (((tick - this.#clock) | 0) >= 0) {
      const clock = this.#clock
      if ((clock & LISTS_MASK) === 0) {
        budget = this.#cascade(clock, budget)
        if (budget === 0) return 0
      }
      const list = clock & LISTS_MASK
      while (this.#head[list] !== 0) {
        if (budget === 0) return 0
        budget--
        const slot = this.#head[list] - 1
        this.unfile(slot)
        const due = this.#words[slot * this.#stride + this.#due]
        if (((due - clock) | 0) <= 0) expirer.expire(slot)
        else this.#link(slot, this.#listFor(due))
      }
      this.#clock = (clock + 1) | 0
    }
    return budget
  }

  /** Moves what comes near down to finer lists. Emptied lists make it safe to enter again. */
  #cascade(clock: number, budget: number): number {
    let level = 1
    while (level < LEVELS - 1 && ((clock >>> (level * LISTS_BITS)) & LISTS_MASK) === 0) level++
    for (; level >= 1; level--) {
      const list = level * LISTS + ((clock >>> (level * LISTS_BITS)) & LISTS_MASK)
      while (this.#head[list] !== 0) {
        if (budget === 0) return 0
        budget--
        const slot = this.#head[list] - 1
        this.unfile(slot)
        this.#link(slot, this.#listFor(this.#words[slot * this.#stride + this.#due]))
      }
    }
    return budget
  }

  #listFor(tick: number): number {
    const ahead = (tick - this.#clock) | 0
    if (ahead < 0) return this.#clock & LISTS_MASK
    if (ahead < 1 << 8) return tick & LISTS_MASK
    if (ahead < 1 << 16) return LISTS + ((tick >>> 8) & LISTS_MASK)
    if (ahead < 1 << 24) return 2 * LISTS + ((tick >>> 16) & LISTS_MASK)
    return 3 * LISTS + ((tick >>> 24) & LISTS_MASK)
  }

  #link(slot: number, list: number): void {
    const words = this.#words
    const at = slot * this.#stride
    const first = this.#head[list]
    words[at + this.#next] = first
    words[at + this.#prev] = -(list + 1)
    if (first !== 0) words[(first - 1) * this.#stride + this.#prev] = slot + 1
    this.#head[list] = slot + 1
  }
}
