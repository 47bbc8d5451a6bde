/**
 * How long the worker's breaths take, and how long it does not look at its ring: measured once a
 * breath, between clock readings that the loop takes anyway, and written where the main thread
 * reads it.
 *
 *   cells 0-16   breaths with frames, by time: up to 1, 2, 4 … 32768 µs, and longer
 *   then         ms in breaths with frames; gaps; the longest gap in ms
 */

import type { LoopTimes } from '../control/listing.js'

/** The upper bounds of the buckets are 1 << 0 to 1 << 15 µs; the last bucket has none. */
export const BREATH_BUCKETS = 17
const LAST_BOUND_US = 1 << (BREATH_BUCKETS - 2)
/** A stretch awake without a look at the ring that is longer than this is a gap. */
export const GAP_MS = 1

const BUSY_MS = BREATH_BUCKETS
const GAPS = BREATH_BUCKETS + 1
const LONGEST_GAP_MS = BREATH_BUCKETS + 2
export const LOOP_CELLS = BREATH_BUCKETS + 3

export class LoopMeter {
  readonly #cells: Float64Array

  constructor(cells: Float64Array) {
    this.#cells = cells
  }

  /** From one look at the ring to the next, awake, `ms` have passed; there were `frames`. */
  breath(ms: number, frames: number): void {
    if (frames > 0) {
      this.#cells[bucketOf(ms * 1000)]++
      this.#cells[BUSY_MS] += ms
    }
    if (ms > GAP_MS) this.gap(ms)
  }

  /** `ms` without a look at the ring: a gap if it was long. */
  gap(ms: number): void {
    if (ms <= GAP_MS) return
    this.#cells[GAPS]++
    if (ms > this.#cells[LONGEST_GAP_MS]) this.#cells[LONGEST_GAP_MS] = ms
  }
}

/** Up to 1 µs: 0; up to 2: 1; up to 4: 2 … the number of bits of the whole µs below. */
function bucketOf(microseconds: number): number {
  if (microseconds <= 1) return 0
  if (microseconds > LAST_BOUND_US) return BREATH_BUCKETS - 1
  return 32 - Math.clz32(Math.ceil(microseconds) - 1)
}

/** What a meter has written. */
export function loopTimes(cells: Float64Array): LoopTimes {
  return {
    breaths: [...cells.subarray(0, BREATH_BUCKETS)],
    busyMs: cells[BUSY_MS],
    gaps: cells[GAPS],
    longestGapMs: cells[LONGEST_GAP_MS],
  }
}

/** The cells of several meters as one: sums, and the longest gap of all. */
export function sumOfLoops(meters: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(LOOP_CELLS)
  for (const cells of meters) {
    for (let i = 0; i < LOOP_CELLS; i++) {
      sum[i] = i === LONGEST_GAP_MS ? Math.max(sum[i], cells[i]) : sum[i] + cells[i]
    }
  }
  return sum
}
