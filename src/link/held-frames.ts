/**
 * Frames that came before the MAC address of their realserver was known: copies in a bounded pool,
 * in the order of their arrival, each until its neighbour answers or its time is up. The kernel
 * keeps such a queue too, for each neighbour.
 */
export const HELD_FRAMES_MAX = 256
export const HELD_FRAME_BYTES = 2048
/** One neighbour may not fill the pool alone. */
export const HELD_PER_NEIGHBOUR_MAX = 64
/** As long as three solicitations take. */
export const HELD_MS = 3_000

export class HeldFrames {
  readonly bytes = new Uint8Array(HELD_FRAMES_MAX * HELD_FRAME_BYTES)
  readonly view = new DataView(this.bytes.buffer)
  readonly #length = new Int32Array(HELD_FRAMES_MAX)
  readonly #neighbour = new Int32Array(HELD_FRAMES_MAX).fill(-1)
  readonly #until = new Float64Array(HELD_FRAMES_MAX)
  /** Order of arrival, since slots are taken wherever there is one. */
  readonly #serial = new Float64Array(HELD_FRAMES_MAX)
  #count = 0
  #next = 0

  get count(): number {
    return this.#count
  }

  /** Copies a frame to wait for `neighbour`; the offset of the copy in `bytes`, or -1: no room. */
  hold(neighbour: number, from: Uint8Array, at: number, length: number, now: number): number {
    if (length > HELD_FRAME_BYTES || this.#count === HELD_FRAMES_MAX) return -1
    let slot = -1
    let waiting = 0
    for (let i = 0; i < HELD_FRAMES_MAX; i++) {
      if (this.#neighbour[i] === neighbour) waiting++
      else if (this.#neighbour[i] === -1 && slot === -1) slot = i
    }
    if (slot === -1 || waiting >= HELD_PER_NEIGHBOUR_MAX) return -1
    const to = slot * HELD_FRAME_BYTES
    for (let i = 0; i < length; i++) this.bytes[to + i] = from[at + i]
    this.#length[slot] = length
    this.#neighbour[slot] = neighbour
    this.#until[slot] = now + HELD_MS
    this.#serial[slot] = this.#next++
    this.#count++
    return to
  }

  /** The oldest frame that waits for `neighbour`, by slot, or -1. */
  oldest(neighbour: number): number {
    let oldest = -1
    for (let i = 0; i < HELD_FRAMES_MAX; i++) {
      if (this.#neighbour[i] !== neighbour) continue
      if (oldest === -1 || this.#serial[i] < this.#serial[oldest]) oldest = i
    }
    return oldest
  }

  /** Whether a frame is in `slot` that has waited for as long as one may. */
  isExpired(slot: number, now: number): boolean {
    return this.#neighbour[slot] !== -1 && now >= this.#until[slot]
  }

  neighbour(slot: number): number {
    return this.#neighbour[slot]
  }

  offset(slot: number): number {
    return slot * HELD_FRAME_BYTES
  }

  length(slot: number): number {
    return this.#length[slot]
  }

  release(slot: number): void {
    this.#neighbour[slot] = -1
    this.#count--
  }
}
