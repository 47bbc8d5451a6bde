/**
 * The hashes of the schedulers that choose by address, as Linux computes them: constant keys, so
 * that two directors with one list of destinations choose alike.
 */

/** An address as one word: IPv4 as it is, IPv6 as the exclusive-or of its four words. */
export function fold(words: Int32Array): number {
  return words[0] ^ words[1] ^ words[2] ^ words[3]
}

const GOLDEN_RATIO_32 = 0x61c88647

/** The upper `bits` of a multiplicative hash (`hash_32`, `linux/hash.h`). */
export function hash32(value: number, bits: number): number {
  return Math.imul(value, GOLDEN_RATIO_32) >>> (32 - bits)
}

/** The four 64-bit words of SipHash, the low half of word n at 2n, the high one at 2n + 1. */
const V = new Int32Array(8)

/**
 * SipHash-1-3 of the four bytes of `value`, low byte first, both halves of the key being `key`: the
 * low 32 bits, unsigned (`hsiphash_1u32` of 64-bit kernels).
 */
export function sipHash(value: number, key: number): number {
  V[0] = 0x70736575 ^ key
  V[1] = 0x736f6d65
  V[2] = 0x6e646f6d ^ key
  V[3] = 0x646f7261
  V[4] = 0x6e657261 ^ key
  V[5] = 0x6c796765
  V[6] = 0x79746573 ^ key
  V[7] = 0x74656462
  // One block: the message, and its length of 4 in the highest byte.
  V[6] ^= value
  V[7] ^= 4 << 24
  round()
  V[0] ^= value
  V[1] ^= 4 << 24
  V[4] ^= 0xff
  round()
  round()
  round()
  return (V[0] ^ V[2] ^ V[4] ^ V[6]) >>> 0
}

function round(): void {
  add(0, 2)
  rotate(2, 13)
  mix(2, 0)
  swap(0)
  add(4, 6)
  rotate(6, 16)
  mix(6, 4)
  add(0, 6)
  rotate(6, 21)
  mix(6, 0)
  add(4, 2)
  rotate(2, 17)
  mix(2, 4)
  swap(4)
}

function add(to: number, from: number): void {
  const low = (V[to] >>> 0) + (V[from] >>> 0)
  V[to] = low
  V[to + 1] += V[from + 1] + (low > 0xffffffff ? 1 : 0)
}

/** By 1 to 31 bits to the left. */
function rotate(word: number, bits: number): void {
  const low = V[word]
  const high = V[word + 1]
  V[word] = (low << bits) | (high >>> (32 - bits))
  V[word + 1] = (high << bits) | (low >>> (32 - bits))
}

function mix(to: number, from: number): void {
  V[to] ^= V[from]
  V[to + 1] ^= V[from + 1]
}

function swap(word: number): void {
  const low = V[word]
  V[word] = V[word + 1]
  V[word + 1] = low
}
