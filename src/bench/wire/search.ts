/**
 * The highest rate at which nothing is lost, by trials: away from a first guess until two rates lie
 * around it, then halving what is between them. The rate that remains must hold once more, or the
 * search steps down until one does: near the limit, chance decides a single trial.
 */

/** What came of a trial at some rate. */
export interface TrialOutcome {
  readonly isLost: boolean
  /** Frames a second that really reached the director: the generator may not manage more. */
  readonly rate: number
}

export interface FoundRate {
  /** Frames a second; 0 if frames were lost at every rate that was tried. */
  readonly rate: number
  /** Nothing was lost at all that the generator could send: the true limit is higher. */
  readonly isGeneratorsLimit: boolean
}

/** Steps of the search before two rates lie around what it looks for. */
const STEP = 1.25
/** A lower rate than this is not looked for. */
export const RATE_LEAST = 1000
/** The generator has managed a rate if so much of it came. */
const MANAGED = 0.97

/**
 * Yields rates to be tried, and is told what came of each. `resolution`: how close, in parts of the
 * rate, it comes.
 */
export function* searchRate(
  first: number,
  resolution: number,
): Generator<number, FoundRate, TrialOutcome> {
  let low = 0
  let high = Number.POSITIVE_INFINITY
  let reached = 0
  /** What came of the first trial at the rate that is tried again; 0: it is tried once. */
  let unmanaged = 0
  let next = Math.max(RATE_LEAST, Math.round(first))
  while (high - low > resolution * high || low === 0 || high === Number.POSITIVE_INFINITY) {
    const { isLost, rate } = yield next
    if (isLost) {
      unmanaged = 0
      high = next
      if (next === RATE_LEAST) return { rate: 0, isGeneratorsLimit: false }
    } else {
      if (rate < next * MANAGED) {
        // Once may be chance: something else wanted the generator's processor.
        if (unmanaged > 0) return { rate: Math.max(rate, unmanaged), isGeneratorsLimit: true }
        unmanaged = rate
        continue
      }
      unmanaged = 0
      low = next
      reached = rate
    }
    if (high === Number.POSITIVE_INFINITY) next = Math.round(low * STEP)
    else if (low === 0) next = Math.max(RATE_LEAST, Math.round(high / STEP))
    else next = Math.round((low + high) / 2)
    if (next === low || next === high) break
  }
  for (; low >= RATE_LEAST; low = Math.round(low * (1 - resolution))) {
    const { isLost, rate } = yield low
    if (!isLost) return { rate: Math.min(rate, reached), isGeneratorsLimit: false }
    reached = low
  }
  return { rate: 0, isGeneratorsLimit: false }
}
