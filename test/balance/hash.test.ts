import t from 'tap'
import { bucketsFor, hash } from '../../src/balance/hash.js'

t.test('buckets are a power of two, and one record each', async (t) => {
  for (const [count, buckets] of [
    [1, 256],
    [256, 256],
    [257, 512],
    [1_048_576, 1_048_576],
    [1_048_577, 2_097_152],
  ] as const) {
    t.equal(bucketsFor(count), buckets, `${count}`)
  }
})

t.test('how many bits of the result each bit of an input moves, on average', async (t) => {
  const words = Array.from({ length: 200 }, (_, i) => Math.imul(i + 1, 0x9e3779b1))
  const bitsOf = (word: number) => (word >>> 0).toString(2).replaceAll('0', '').length
  const names = ['seed', 'a', 'b', 'c', 'd']
  // Half of 32 would be the best; of `b` and `d` less is asked, as the function says.
  const least = [5, 5, 1, 5, 1]
  for (const [input, name] of names.entries()) {
    for (let bit = 0; bit < (name === 'd' ? 8 : 32); bit++) {
      let moved = 0
      for (const word of words) {
        const given: [number, number, number, number, number] = [word, ~word, word + 7, word * 3, 6]
        const before = hash(...given)
        given[input] ^= 1 << bit
        moved += bitsOf(before ^ hash(...given))
      }
      const mean = moved / words.length
      if (mean < least[input] || mean > 28) t.fail(`bit ${bit} of ${name} moves ${mean} bits`)
    }
  }
  t.equal(hash(1, 2, 3, 4, 5), hash(1, 2, 3, 4, 5))
  t.not(hash(1, 2, 3, 4, 5), hash(2, 2, 3, 4, 5), 'another seed, another place')
})
