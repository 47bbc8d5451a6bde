/**
 * Numbers that nobody can guess who does not know the seed, without allocating: Marsaglia's
 * xorshift of 32 bits, which passes through all values but 0. Not for cryptography.
 */
export class Random {
  #state: number

  /** `salt` keeps users of one seed from drawing the same numbers. */
  constructor(seed: number, salt: number) {
    this.#state = seed ^ salt || 1
  }

  /** Where it stands: what is put back is drawn again. */
  get state(): number {
    return this.#state
  }

  set state(state: number) {
    this.#state = state
  }

  /** The next number: any int32 but 0. */
  next(): number {
    let r = this.#state
    r ^= r << 13
    r ^= r >>> 17
    r ^= r << 5
    this.#state = r
    return r
  }

  /** A number from 0 to `limit` - 1, as Linux scales one (`reciprocal_scale`); limit up to 2^53. */
  below(limit: number): number {
    return Math.floor(((this.next() >>> 0) * limit) / 0x1_0000_0000)
  }
}
