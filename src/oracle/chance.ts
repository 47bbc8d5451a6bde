/** Chance that a seed fixes: the generator sfc32, seeded from a text by FNV-1a. */

export class Chance {
  readonly #state = new Uint32Array(4)

  constructor(seed: string) {
    let hash = 0x811c9dc5
    for (const byte of new TextEncoder().encode(seed)) hash = Math.imul(hash ^ byte, 0x01000193)
    this.#state.set([hash, hash ^ 0x9e3779b9, Math.imul(hash, 0x85ebca6b), 1])
    for (let i = 0; i < 16; i++) this.#next()
  }

  /** An integer from 0 up to and without `limit`. */
  below(limit: number): number {
    return Math.floor((this.#next() / 0x1_0000_0000) * limit)
  }

  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  /** True with this probability. */
  is(probability: number): boolean {
    return this.#next() / 0x1_0000_0000 < probability
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]
  }

  /** So many of a list, each once, in any order. */
  some<T>(list: readonly T[], count: number): T[] {
    const rest = [...list]
    return Array.from({ length: Math.min(count, rest.length) }, () => {
      return rest.splice(this.below(rest.length), 1)[0]
    })
  }

  /** One of several, by weight. */
  weighed<T>(list: readonly (readonly [weight: number, value: T])[]): T {
    let at = (this.#next() / 0x1_0000_0000) * list.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, value] of list) {
      at -= weight
      if (at < 0) return value
    }
    return list[list.length - 1][1]
  }

  #next(): number {
    const s = this.#state
    const sum = s[0] + s[1] + s[3]
    s[3]++
    s[0] = s[1] ^ (s[1] >>> 9)
    s[1] = s[2] + (s[2] << 3)
    s[2] = (s[2] << 21) | (s[2] >>> 11)
    s[2] += sum
    return sum >>> 0
  }
}
