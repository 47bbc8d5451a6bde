/**
 * A token bucket for what the director sends by itself, so that nobody can use it to flood others
 * (RFC 1812 section 4.3.2.8). `perSecond` tokens a second, `burst` at most; infinite ones never limit.
 */
export class RateLimit {
  readonly #perMs: number
  readonly #burst: number
  #tokens: number
  #last = 0

  constructor(perSecond: number, burst: number) {
    this.#perMs = perSecond / 1000
    this.#burst = burst
    this.#tokens = burst
  }

  /** Takes a token at `now` (ms); false if there is none. */
  take(now: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#last) * this.#perMs)
    this.#last = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
