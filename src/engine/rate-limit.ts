/**
 * A token bucket for what the director sends by itself, so that nobody can use it to flood others
 * (RFC 1812 section 4.3.2.8). `perSecond` tokens a second, `burst` at most; infinite ones never
 * limit.
 *
 * Its two numbers are cells of a typed array: as fields V8 would box a new one for each answer.
 */
const TOKENS = 0
const LAST_MS = 1

export class RateLimit {
  readonly #perMs: number
  readonly #burst: number
  readonly #cells = new Float64Array(2)

  constructor(perSecond: number, burst: number) {
    this.#perMs = perSecond / 1000
    this.#burst = burst
    this.#cells[TOKENS] = burst
  }

  /** Takes a token at `now` (ms); false if there is none. */
  take(now: number): boolean {
    if (this.#perMs === Number.POSITIVE_INFINITY) return true
    const cells = this.#cells
    const tokens = Math.min(this.#burst, cells[TOKENS] + (now - cells[LAST_MS]) * this.#perMs)
    cells[LAST_MS] = now
    if (tokens < 1) {
      cells[TOKENS] = tokens
      return false
    }
    cells[TOKENS] = tokens - 1
    return true
  }
}
