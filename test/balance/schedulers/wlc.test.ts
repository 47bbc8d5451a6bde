import fc from 'fast-check'
import t from 'tap'
import { isProductGreater } from '../../../src/balance/schedulers/wlc.js'
import { addDestination, addService, key, makeBook, picks, SEED, slotOf } from '../rule-book.js'
import { compare, type Load, overheadOf } from './least.js'

t.test('the smallest overhead in relation to the weight, compared as Linux does', async (t) => {
  compare('wlc', (list, kernel) => {
    let best = list.findIndex(({ weight, over }) => weight > 0 && !over)
    if (best < 0) return -1
    for (let i = best + 1; i < list.length; i++) {
      const [a, b] = [list[best] as Load, list[i] as Load]
      if (b.over) continue
      const left = overheadOf(a, kernel) * BigInt(b.weight)
      if (left > overheadOf(b, kernel) * BigInt(a.weight)) best = i
    }
    return best
  })
  t.pass('800 loads')
})

t.test('products are compared exactly', async (t) => {
  const overhead = fc.oneof(fc.nat({ max: 1000 }), fc.integer({ min: 0, max: 2 ** 42 - 1 }))
  const weight = fc.oneof(fc.nat({ max: 1000 }), fc.integer({ min: 0, max: 2 ** 31 - 1 }))
  const property = fc.property(overhead, weight, overhead, weight, (a, b, c, d) => {
    return isProductGreater(a, b, c, d) === BigInt(a) * BigInt(b) > BigInt(c) * BigInt(d)
  })
  fc.assert(property, { seed: SEED, numRuns: 20_000 })
  // Products that differ by one, or by nothing, where doubles can't tell.
  const close = fc.property(weight, fc.integer({ min: 1, max: 2 ** 31 - 1 }), (a, b) => {
    const agree = (...[p, q, r, s]: [number, number, number, number]) =>
      isProductGreater(p, q, r, s) === BigInt(p) * BigInt(q) > BigInt(r) * BigInt(s)
    const far = 1024 * a
    return agree(far, b, far, b) && agree(far + 1, b, far, b) && agree(far, b, far + 1, b - 1)
  })
  fc.assert(close, { seed: SEED, numRuns: 5000 })
  t.pass('25,000 products')
})

t.test('weights share the connections out', async (t) => {
  const book = makeBook()
  book.apply(addService(key(), { scheduler: 'wlc' }))
  for (const [n, weight] of [
    [1, 3],
    [2, 1],
    [3, 2],
  ] as const) {
    book.apply(addDestination(`10.0.0.${n}`, { weight }))
  }
  const { destinations } = book.balancer
  const chosen: string[] = []
  for (let i = 0; i < 12; i++) {
    const one = picks(book, 1)
    destinations.addActive(slotOf(book, `10.0.0.${one}`), 1)
    chosen.push(one)
  }
  t.equal(chosen.join(' '), '3 2 1 1 3 1 3 2 1 1 3 1')
  t.same(
    [1, 2, 3].map((n) => destinations.active(slotOf(book, `10.0.0.${n}`))),
    [6, 2, 4],
  )
})
