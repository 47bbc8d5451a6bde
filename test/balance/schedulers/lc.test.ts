import t from 'tap'
import { addDestination, addService, key, makeBook, picks, slotOf } from '../rule-book.js'
import { compare, overheadOf } from './least.js'

t.test('the smallest overhead among the eligible, the first of equals', async (t) => {
  compare('lc', (list, kernel) => {
    const eligible = list
      .map((load, i) => ({ i, cost: overheadOf(load, kernel), ok: load.weight > 0 && !load.over }))
      .filter(({ ok }) => ok)
      .sort((a, b) => (a.cost === b.cost ? a.i - b.i : a.cost < b.cost ? -1 : 1))
    return eligible[0]?.i ?? -1
  })
  t.pass('800 loads')
})

t.test('an active connection weighs as much as 256 inactive ones', async (t) => {
  const book = makeBook()
  book.apply(addService(key(), { scheduler: 'lc' }))
  for (const n of [1, 2]) book.apply(addDestination(`10.0.0.${n}`, { weight: n }))
  const { destinations } = book.balancer
  t.equal(picks(book, 2), '2 2', 'equals: the newest, and choosing alone changes nothing')
  destinations.addActive(slotOf(book, '10.0.0.2'), 1)
  t.equal(picks(book, 1), '1')
  destinations.addInactive(slotOf(book, '10.0.0.1'), 256)
  t.equal(picks(book, 1), '2', '256 inactive are as much as one active: the newer wins the tie')
  destinations.addInactive(slotOf(book, '10.0.0.2'), 1)
  t.equal(picks(book, 1), '1')
  t.same(
    book.balancer.schedulers[0]?.candidates().map(({ score }) => score),
    [257, 256],
  )
})
