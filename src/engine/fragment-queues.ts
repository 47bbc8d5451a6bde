/**
 * Datagrams in pieces: the fragments that have come of each, until all have. What is kept, what
 * counts as a duplicate and what as an overlap is Linux's (`net/ipv4/inet_fragment.c`).
 *
 * Memory is bounded by the pool of chunks, each of which holds one frame as it came; when it is
 * used up new fragments are refused, and what is there goes on (`ipfrag_high_thresh`). A datagram
 * is known by (source, destination, identification, protocol) (RFC 791 section 3.2, RFC 8200
 * section 4.5).
 *
 *   queue --head--> fragment --next--> fragment --next--> ...       in the order of their offsets
 *
 * Fragments that came one right behind the other form a run. One that lies within a run is a
 * duplicate and does no harm; one that touches a run in any other way is an overlap, which nobody
 * but an attacker sends.
 */
export const NONE = -1

/** Memory for the fragments of all datagrams, as much as Linux allows by default. */
export const FRAGMENT_POOL_BYTES = 4 * 1024 * 1024

const KEY_WORDS = 10
const BUCKETS = 1024

/** What became of a fragment. */
export const ADDED = 0
export const DUPLICATE = 1
export const OVERLAP = 2
export const NO_ROOM = 3

export class FragmentQueues {
  /** Chunks, and so the most fragments, and the most datagrams. */
  readonly capacity: number
  readonly chunkBytes: number
  /** All chunks, and behind them `spareBytes` for the caller, at `spareAt`. */
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly spareAt: number
  /** Source in words 0-3, destination in 4-7, identification, protocol: filled by the caller. */
  readonly key = new Int32Array(KEY_WORDS)

  /**
   * Of each datagram, by queue: its fragments, the bytes that it will have, those that have come.
   */
  readonly head: Int32Array
  readonly length: Int32Array
  readonly #tail: Int32Array
  readonly #lastRun: Int32Array
  readonly #come: Int32Array
  readonly #isLastIn: Uint8Array
  /** Largest IP packet that it came in; the largest of those with DF; ECN marks seen, as bits. */
  readonly largest: Int32Array
  readonly largestDf: Int32Array
  readonly marks: Uint8Array
  /** The arm on which it comes in. */
  readonly arm: Uint8Array
  /** When it is given up, ms. */
  readonly until: Float64Array
  readonly #keys: Int32Array
  readonly #chain: Int32Array
  readonly #isOpen: Uint8Array
  readonly #buckets = new Int32Array(BUCKETS).fill(NONE)

  /** Of each fragment, by chunk. Offsets and ends are those of its data in the datagram. */
  readonly next: Int32Array
  readonly offset: Int32Array
  readonly end: Int32Array
  /** Where its data begins, in bytes of the frame. */
  readonly dataAt: Int32Array
  /** End of the run that it begins, 0 if it begins none. */
  readonly #runEnd: Int32Array

  #freeQueue = 0
  #freeChunk = 0
  /** Datagrams that are not complete yet. */
  count = 0

  /** `frameBytes`: the longest frame that can come; `spareBytes`: see `spareAt`. */
  constructor(frameBytes: number, spareBytes: number, poolBytes = FRAGMENT_POOL_BYTES) {
    this.chunkBytes = (frameBytes + 63) & ~63
    this.capacity = Math.max(1, Math.floor(poolBytes / this.chunkBytes))
    const { capacity } = this
    this.spareAt = capacity * this.chunkBytes
    this.bytes = new Uint8Array(this.spareAt + spareBytes)
    this.view = new DataView(this.bytes.buffer)
    const words = () => new Int32Array(capacity)
    this.head = words()
    this.length = words()
    this.#tail = words()
    this.#lastRun = words()
    this.#come = words()
    this.#isLastIn = new Uint8Array(capacity)
    this.largest = words()
    this.largestDf = words()
    this.marks = new Uint8Array(capacity)
    this.arm = new Uint8Array(capacity)
    this.until = new Float64Array(capacity)
    this.#keys = new Int32Array(capacity * KEY_WORDS)
    this.#chain = words()
    this.#isOpen = new Uint8Array(capacity)
    this.next = words()
    this.offset = words()
    this.end = words()
    this.dataAt = words()
    this.#runEnd = words()
    for (let i = 0; i < capacity; i++) {
      this.#chain[i] = i + 1 < capacity ? i + 1 : NONE
      this.next[i] = this.#chain[i]
    }
  }

  /** Where the frame of a chunk begins in `bytes`. */
  chunkAt(chunk: number): number {
    return chunk * this.chunkBytes
  }

  isOpen(queue: number): boolean {
    return this.#isOpen[queue] === 1
  }

  /** The queue of `key`, or NONE. */
  find(): number {
    let queue = this.#buckets[this.#bucket(this.key, 0)]
    while (queue !== NONE && !this.#hasKey(queue)) queue = this.#chain[queue]
    return queue
  }

  /** The queue of `key`; a new one, to be given up at `until`, if there is none. NONE: no room. */
  open(arm: number, until: number): number {
    const known = this.find()
    if (known !== NONE) return known
    const queue = this.#freeQueue
    if (queue === NONE || this.#freeChunk === NONE) return NONE
    this.#freeQueue = this.#chain[queue]
    this.#keys.set(this.key, queue * KEY_WORDS)
    this.head[queue] = NONE
    this.#tail[queue] = NONE
    this.#lastRun[queue] = NONE
    this.length[queue] = 0
    this.#come[queue] = 0
    this.#isLastIn[queue] = 0
    this.largest[queue] = 0
    this.largestDf[queue] = 0
    this.marks[queue] = 0
    this.arm[queue] = arm
    this.until[queue] = until
    this.#isOpen[queue] = 1
    const bucket = this.#bucket(this.key, 0)
    this.#chain[queue] = this.#buckets[bucket]
    this.#buckets[bucket] = queue
    this.count++
    return queue
  }

  /**
   * Notes how long the datagram is, as a fragment that ends at `end` says; false: it contradicts.
   */
  measure(queue: number, end: number, isLast: boolean): boolean {
    const known = this.length[queue]
    const isLastIn = this.#isLastIn[queue] === 1
    if (isLast) {
      if (end < known || (isLastIn && end !== known)) return false
      this.#isLastIn[queue] = 1
      this.length[queue] = end
    } else if (end > known) {
      if (isLastIn) return false
      this.length[queue] = end
    }
    return true
  }

  /**
   * Keeps a fragment with the data `[offset, end)`: a copy of the frame, whose data begins
   * `dataAt` bytes behind `frame`. ADDED, or what forbids it.
   */
  add(
    queue: number,
    from: Uint8Array,
    frame: number,
    dataAt: number,
    offset: number,
    end: number,
  ): number {
    const chunk = this.#freeChunk
    const bytes = dataAt + end - offset
    if (chunk === NONE || bytes > this.chunkBytes) return NO_ROOM
    const nextFree = this.next[chunk]
    this.offset[chunk] = offset
    this.end[chunk] = end
    const placed = this.#place(queue, chunk)
    if (placed !== ADDED) {
      this.next[chunk] = nextFree
      return placed
    }
    this.#freeChunk = nextFree
    this.dataAt[chunk] = dataAt
    this.#come[queue] += end - offset
    const to = this.chunkAt(chunk)
    for (let i = 0; i < bytes; i++) this.bytes[to + i] = from[frame + i]
    return ADDED
  }

  /** Notes the size of the IP packet that a fragment came in, and its ECN mark (0 to 3). */
  note(queue: number, packetBytes: number, isDf: boolean, mark: number): void {
    this.marks[queue] |= 1 << mark
    if (packetBytes > this.largest[queue]) this.largest[queue] = packetBytes
    if (isDf && packetBytes > this.largestDf[queue]) this.largestDf[queue] = packetBytes
  }

  isComplete(queue: number): boolean {
    return this.#isLastIn[queue] === 1 && this.#come[queue] === this.length[queue]
  }

  /** Forgets a datagram and all that has come of it. */
  close(queue: number): void {
    const tail = this.#tail[queue]
    if (tail !== NONE) {
      this.next[tail] = this.#freeChunk
      this.#freeChunk = this.head[queue]
    }
    const bucket = this.#bucket(this.#keys, queue * KEY_WORDS)
    if (this.#buckets[bucket] === queue) this.#buckets[bucket] = this.#chain[queue]
    else {
      let before = this.#buckets[bucket]
      while (this.#chain[before] !== queue) before = this.#chain[before]
      this.#chain[before] = this.#chain[queue]
    }
    this.#chain[queue] = this.#freeQueue
    this.#freeQueue = queue
    this.#isOpen[queue] = 0
    this.count--
  }

  /** Links a fragment into its place; mostly that is behind all others. */
  #place(queue: number, chunk: number): number {
    const tail = this.#tail[queue]
    const offset = this.offset[chunk]
    const end = this.end[chunk]
    if (tail !== NONE && end <= this.end[tail]) return this.#placeBetween(queue, chunk)
    if (tail !== NONE && offset < this.end[tail]) return OVERLAP
    if (tail !== NONE && offset === this.end[tail]) {
      this.#runEnd[this.#lastRun[queue]] = end
      this.#runEnd[chunk] = 0
    } else {
      this.#lastRun[queue] = chunk
      this.#runEnd[chunk] = end
    }
    this.#link(queue, tail, chunk)
    return ADDED
  }

  #placeBetween(queue: number, chunk: number): number {
    const offset = this.offset[chunk]
    const end = this.end[chunk]
    let before = NONE
    let after = this.head[queue]
    for (; after !== NONE; after = this.next[after]) {
      const runEnd = this.#runEnd[after]
      if (runEnd !== 0) {
        if (end <= this.offset[after]) break
        if (offset < runEnd) {
          return offset >= this.offset[after] && end <= runEnd ? DUPLICATE : OVERLAP
        }
      }
      before = after
    }
    this.#runEnd[chunk] = end
    this.#link(queue, before, chunk)
    return ADDED
  }

  /** Puts `chunk` behind `before`; NONE: at the head. */
  #link(queue: number, before: number, chunk: number): void {
    if (before === NONE) {
      this.next[chunk] = this.head[queue]
      this.head[queue] = chunk
    } else {
      this.next[chunk] = this.next[before]
      this.next[before] = chunk
    }
    if (before === this.#tail[queue]) this.#tail[queue] = chunk
  }

  #hasKey(queue: number): boolean {
    const at = queue * KEY_WORDS
    for (let i = 0; i < KEY_WORDS; i++) if (this.#keys[at + i] !== this.key[i]) return false
    return true
  }

  #bucket(words: Int32Array, at: number): number {
    let h = 0x9e3779b1
    for (let i = 0; i < KEY_WORDS; i++) {
      h = Math.imul(h ^ words[at + i], 0x85ebca6b)
      h ^= h >>> 13
    }
    return (h >>> 16) & (BUCKETS - 1)
  }
}
