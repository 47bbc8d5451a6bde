import fc from 'fast-check'
import t from 'tap'
import { adjust, complement, fold, sum } from '../../src/wire/internet-sum.js'
import { fromHex, SEED, viewOf } from './harness.js'

/** The same sum, one word at a time in exact arithmetic, the carry brought round each time. */
function slowSum(bytes: Uint8Array): number {
  let total = 0
  for (let i = 0; i < bytes.length; i += 2) {
    total += bytes[i] * 256 + (i + 1 < bytes.length ? bytes[i + 1] : 0)
    if (total > 0xffff) total -= 0xffff
  }
  return total
}

t.test('the example of RFC 1071 section 3', async (t) => {
  const bytes = fromHex('0001 f203 f4f5 f6f7')
  t.equal(fold(sum(viewOf(bytes), 0, 8)), 0xddf2)
  t.equal(complement(sum(viewOf(bytes), 0, 8)), 0x220d)
})

t.test('the example of RFC 1624 section 4: 0x0000, not 0xffff', async (t) => {
  t.equal(adjust(0xdd2f, 0x5555, 0x3285), 0x0000)
})

t.test('sum is the slow sum, at any offset, of any length, in any pieces', async () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(3),
      fc.nat(150),
      fc.constantFrom(0x00, 0xff, -1),
      (random, at, half, fill) => {
        const bytes = fill < 0 ? random : random.fill(fill)
        const buffer = new Uint8Array(at + bytes.length)
        buffer.set(bytes, at)
        const view = viewOf(buffer)
        const cut = Math.min(2 * half, bytes.length & ~1)
        const first = sum(view, at, cut)
        const both = sum(view, at + cut, bytes.length - cut, first)
        const slow = slowSum(bytes)
        return fold(sum(view, at, bytes.length)) === slow && fold(both) === slow
      },
    ),
    { seed: SEED, numRuns: 1000 },
  )
})

t.test('the largest piece does not overflow', async (t) => {
  for (const bytes of [65535, 65536]) {
    const view = viewOf(new Uint8Array(bytes).fill(0xff))
    const slow = slowSum(new Uint8Array(bytes).fill(0xff))
    t.equal(fold(sum(view, 0, bytes)), slow)
    t.equal(fold(sum(view, 0, bytes, sum(view, 0, bytes & ~1))), slow)
  }
})

t.test('fold keeps the number modulo 0xffff, and 0 only for 0', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 0xffffffff }), (n) => {
      const folded = fold(n)
      return folded >= 1 && folded <= 0xffff && folded % 0xffff === n % 0xffff
    }),
    { seed: SEED, examples: [[1], [0xffff], [0x10000], [0xffff0000], [0xfffffffe], [0xffffffff]] },
  )
})

t.test('adjust gives what a computation from scratch gives', async () => {
  const edgy = fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 1, 0xff, 0x100, 0xfffe, 0xffff))
  fc.assert(
    fc.property(
      fc.array(edgy, { minLength: 1, maxLength: 9 }),
      fc.nat(8),
      edgy,
      (words, i, word) => {
        const at = i % words.length
        const after = words.with(at, word)
        // Words that are all 0 have the checksum 0xffff, which no sum of others has.
        fc.pre(words.some((w) => w !== 0) && after.some((w) => w !== 0))
        return adjust(checksumOf(words), words[at], word) === checksumOf(after)
      },
    ),
    { seed: SEED, numRuns: 5000 },
  )
})

function checksumOf(words: readonly number[]): number {
  const view = viewOf(new Uint8Array(2 * words.length))
  for (const [i, word] of words.entries()) view.setUint16(2 * i, word)
  return complement(sum(view, 0, view.byteLength))
}
