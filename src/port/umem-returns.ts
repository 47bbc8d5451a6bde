/**
 * How workers give each other chunks back: for each home of chunks a row of slots, into which all
 * write and from which the home takes. Nobody locks, and nobody waits.
 *
 *                   head (home)         tail (all others)
 *                     v                   v
 *      +----+----+----+----+----+----+----+----+----+
 *      |  0 |  0 |  0 | ## |  0 | ## | ## |  0 |  0 |       0: empty, or not written yet
 *      +----+----+----+----+----+----+----+----+----+
 *
 * Whoever gives adds to the tail, and so owns the slots that it went past; then it writes them. The
 * home takes slot after slot, up to the first empty one, and empties them. A slot says all by
 * itself, so no order of memory is needed but that of one word. There are as many slots as the home
 * has chunks, so one is never written before it was emptied.
 */

/** Words between counters: each in a cache line of its own, and the line that is fetched along. */
const LINE_WORDS = 32
/** Before the slots of a row: tail and head. */
const TAIL = 0
const HEAD = LINE_WORDS
const SLOTS = 2 * LINE_WORDS
/** Marks a slot as written; chunks begin at even addresses. */
const WRITTEN = 1
/** Chunks that are kept before they are handed over. */
const KEPT = 256

export class Returns {
  readonly #words: Int32Array
  readonly #rowWords: number
  readonly #mask: number
  readonly #spanBytes: number
  /** Where the row of this worker begins; -1: no chunk is at home here. */
  readonly #own: number
  #head = 0
  /** What is to be handed over, by home. */
  readonly #kept: Int32Array
  readonly #keptCount: Int32Array

  static bytes(homes: number, chunksPerHome: number): number {
    return homes * (SLOTS + slotsFor(chunksPerHome)) * 4
  }

  /** `spanBytes`: those of the chunks of one home. */
  constructor(
    memory: SharedArrayBuffer,
    homes: number,
    chunksPerHome: number,
    spanBytes: number,
    worker: number,
  ) {
    const slots = slotsFor(chunksPerHome)
    this.#words = new Int32Array(memory)
    this.#rowWords = SLOTS + slots
    this.#mask = slots - 1
    this.#spanBytes = spanBytes
    this.#own = worker < homes ? worker * this.#rowWords : -1
    this.#kept = new Int32Array(homes * KEPT)
    this.#keptCount = new Int32Array(homes)
  }

  /** A chunk that is at home with another worker, which gets it with the next `deliver()`. */
  send(address: number): void {
    const home = Math.trunc(address / this.#spanBytes)
    if (this.#keptCount[home] === KEPT) this.#deliverTo(home)
    this.#kept[home * KEPT + this.#keptCount[home]++] = address
  }

  deliver(): void {
    for (let home = 0; home < this.#keptCount.length; home++) {
      if (this.#keptCount[home] > 0) this.#deliverTo(home)
    }
  }

  #deliverTo(home: number): void {
    const words = this.#words
    const row = home * this.#rowWords
    const count = this.#keptCount[home]
    const at = Atomics.add(words, row + TAIL, count)
    for (let i = 0; i < count; i++) {
      words[row + SLOTS + ((at + i) & this.#mask)] = this.#kept[home * KEPT + i] | WRITTEN
    }
    this.#keptCount[home] = 0
  }

  /** The next chunk that came home; -1 if there is none. */
  take(): number {
    if (this.#own < 0) return -1
    const words = this.#words
    const slot = this.#own + SLOTS + (this.#head & this.#mask)
    const address = words[slot]
    if (address === 0) return -1
    words[slot] = 0
    this.#head = (this.#head + 1) | 0
    words[this.#own + HEAD] = this.#head
    return address & ~WRITTEN
  }

  /** Chunks that wait for a home, about. */
  waiting(home: number): number {
    const row = home * this.#rowWords
    return (this.#words[row + TAIL] - this.#words[row + HEAD]) | 0
  }
}

function slotsFor(chunks: number): number {
  return 2 ** Math.ceil(Math.log2(chunks))
}
