/**
 * Chance from a seed, and the ways in which bytes get damaged. The same seed gives the same bytes.
 */

export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 32 random bits, unsigned: a Weyl sequence through the finalizer of MurmurHash3. */
  bits(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let x = this.#state
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
    return (x ^ (x >>> 16)) >>> 0
  }

  /** 0 to `limit - 1`. */
  below(limit: number): number {
    return this.bits() % limit
  }

  oneIn(count: number): boolean {
    return this.below(count) === 0
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.bits())
  }
}

/** Values that lengths, counts and types break at. */
const EDGES = [
  0, 1, 2, 3, 4, 7, 8, 11, 12, 13, 16, 19, 20, 28, 59, 60, 64, 0x7f, 0x80, 0xff, 0x100, 0x7fff,
  0x8000, 0xffff, 0x10000, 262143, 262144, 262145, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff,
]

type Damage = (bytes: Uint8Array, chance: Chance) => Uint8Array

function write(bytes: Uint8Array, at: number, size: number, value: number, little: boolean): void {
  for (let i = 0; i < size && at + i < bytes.length; i++) {
    bytes[at + i] = value >>> (8 * (little ? i : size - 1 - i))
  }
}

const DAMAGES: readonly Damage[] = [
  // Cut anywhere.
  (bytes, chance) => bytes.slice(0, chance.below(bytes.length + 1)),
  // One bit.
  (bytes, chance) => {
    if (bytes.length > 0) bytes[chance.below(bytes.length)] ^= 1 << chance.below(8)
    return bytes
  },
  // A byte.
  (bytes, chance) => {
    if (bytes.length > 0) bytes[chance.below(bytes.length)] = chance.bits()
    return bytes
  },
  // A field of 1, 2 or 4 bytes takes a value that is often wrong, in either byte order.
  (bytes, chance) => {
    const size = chance.pick([1, 2, 4])
    const at = chance.oneIn(2)
      ? chance.below(bytes.length + 1) & ~3
      : chance.below(bytes.length + 1)
    write(bytes, at, size, chance.pick(EDGES), chance.oneIn(2))
    return bytes
  },
  // A piece is missing.
  (bytes, chance) => {
    const from = chance.below(bytes.length + 1)
    const to = from + chance.below(Math.min(64, bytes.length - from) + 1)
    return Uint8Array.of(...bytes.subarray(0, from), ...bytes.subarray(to))
  },
  // A piece comes twice.
  (bytes, chance) => {
    const from = chance.below(bytes.length + 1)
    const to = from + chance.below(Math.min(256, bytes.length - from) + 1)
    return Uint8Array.of(...bytes.subarray(0, to), ...bytes.subarray(from))
  },
  // Bytes of nothing at the end.
  (bytes, chance) => Uint8Array.of(...bytes, ...chance.bytes(chance.below(40))),
  // A part is overwritten.
  (bytes, chance) => {
    const noise = chance.bytes(chance.below(16))
    bytes.set(noise.subarray(0, bytes.length), chance.below(Math.max(1, bytes.length - 16)))
    return bytes
  },
]

/** A copy of `bytes`, damaged one to four times; one in 16 is left as it is. */
export function damaged(bytes: Uint8Array, chance: Chance): Uint8Array {
  let result: Uint8Array = bytes.slice()
  if (chance.oneIn(16)) return result
  for (let times = 1 + chance.below(4); times > 0; times--) {
    result = chance.pick(DAMAGES)(result, chance)
  }
  return result
}
