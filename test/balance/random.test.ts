import t from 'tap'
import { Random } from '../../src/balance/random.js'

t.test('the same seed and salt, the same numbers; never 0', async (t) => {
  const draw = (seed: number, salt: number) => {
    const random = new Random(seed, salt)
    return Array.from({ length: 1000 }, () => random.next())
  }
  t.same(draw(7, 9), draw(7, 9))
  t.notSame(draw(7, 9), draw(8, 9))
  t.notSame(draw(7, 9), draw(7, 10))
  t.notOk(draw(5, 5).includes(0), 'also where seed and salt cancel out')
})

t.test('below: all numbers of the range, each about as often', async (t) => {
  for (const limit of [1, 2, 7, 100]) {
    const random = new Random(20261126, limit)
    const seen = new Array<number>(limit).fill(0)
    for (let i = 0; i < 10_000 * limit; i++) seen[random.below(limit)]++
    // Six standard deviations of 10,000.
    t.ok(
      seen.every((n) => n > 9400 && n < 10_600),
      `${limit}: ${Math.min(...seen)}`,
    )
  }
  const random = new Random(1, 2)
  const far = Array.from({ length: 1000 }, () => random.below(2 ** 40))
  t.ok(far.every((n) => Number.isInteger(n) && n >= 0 && n < 2 ** 40) && Math.max(...far) > 2 ** 39)
})
