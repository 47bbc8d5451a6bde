import t from 'tap'
import { OVERLOAD } from '../../../src/balance/destination.js'
import { addDestination, addService, editDestination, key, makeBook, slotOf } from '../rule-book.js'
import { whoGets } from './hashing.js'
import { chosen } from './load.js'

const DRAWS = 100_000

/** How likely Linux draws each of a list: a number from 0 to the sum of the weights, inclusive. */
function lots(weights: readonly number[]): number[] {
  const total = weights.reduce((a, b) => a + b, 0)
  const first = weights.findIndex((weight) => weight > 0)
  return weights.map((weight, i) => (weight + (i === first ? 1 : 0)) / (total + 1))
}

/** The share of each of `loads` (in the order of the list), after two draws and the comparison. */
function shares(loads: readonly { weight: number; active: number }[]): number[] {
  const p = lots(loads.map(({ weight }) => weight))
  const share = loads.map(() => 0)
  for (const [i, one] of loads.entries()) {
    for (const [k, two] of loads.entries()) {
      const second = two.weight * 256 * one.active > one.weight * 256 * two.active
      share[second ? k : i] += p[i] * p[k]
    }
  }
  return share
}

for (const loads of [
  [
    { weight: 1, active: 0 },
    { weight: 1, active: 0 },
    { weight: 1, active: 0 },
  ],
  [
    { weight: 1, active: 3 },
    { weight: 2, active: 3 },
    { weight: 5, active: 20 },
    { weight: 0, active: 0 },
  ],
]) {
  t.test(`two are drawn, the less loaded is taken: ${JSON.stringify(loads)}`, async (t) => {
    const book = makeBook()
    book.apply(addService(key(), { scheduler: 'twos' }))
    for (const [i, { weight, active }] of [...loads.entries()].reverse()) {
      book.apply(addDestination(`192.168.1.${i + 1}`, { weight }))
      book.balancer.destinations.addActive(slotOf(book, `192.168.1.${i + 1}`), active)
    }
    const got = loads.map(() => 0)
    for (let n = 0; n < DRAWS; n++) got[whoGets(book, n) - 1]++
    for (const [i, share] of shares(loads).entries()) {
      const deviation = Math.sqrt(DRAWS * share * (1 - share))
      t.ok(Math.abs(got[i] - DRAWS * share) <= 6 * deviation, `${i}: ${got[i]}, not ${share}`)
    }
  })
}

t.test('weight 0 and thresholds are not drawn; nobody is where nobody may be', async (t) => {
  t.equal(chosen('twos', [{ weight: 0 }, { weight: 3 }, { weight: 5, over: true }]), '1')
  t.equal(chosen('twos', [{ weight: 0 }, { weight: 5, over: true }]), '-')
  t.equal(chosen('twos', []), '-')
})

t.test('hears of changes: nothing is remembered', async (t) => {
  const book = makeBook()
  book.apply(addService(key(), { scheduler: 'twos' }))
  book.apply(addDestination('192.168.1.1'))
  t.equal(whoGets(book, 1), 1)
  book.apply(editDestination('192.168.1.1', { weight: 0 }))
  t.equal(whoGets(book, 1), 0)
  book.apply(editDestination('192.168.1.1', { weight: 7 }))
  book.balancer.destinations.setFlag(slotOf(book, '192.168.1.1'), OVERLOAD)
  t.equal(whoGets(book, 1), 0)
})

t.test('seeded: the same choices again', async (t) => {
  const choices = () => {
    const book = makeBook()
    book.apply(addService(key(), { scheduler: 'twos' }))
    for (let n = 1; n <= 4; n++) book.apply(addDestination(`192.168.1.${n}`))
    return Array.from({ length: 50 }, (_, client) => whoGets(book, client))
  }
  t.same(choices(), choices())
  t.equal(new Set(choices()).size, 4)
})
