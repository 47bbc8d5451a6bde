/**
 * Several workers over common memory, driven by random traffic and rules: their choices are those
 * that one worker would have made, and they count what all have.
 */
import fc from 'fast-check'
import t from 'tap'
import { RuleBook } from '../../src/balance/apply.js'
import { Balancer } from '../../src/balance/balancer.js'
import { Peers } from '../../src/balance/peers.js'
import { Region } from '../../src/balance/region.js'
import type { Rule } from '../../src/balance/rule.js'
import { SCHEDULERS } from '../../src/balance/schedulers/index.js'
import type { FollowedKernel } from '../../src/balance/thresholds.js'
import {
  addDestination,
  addService,
  fillFlow,
  key,
  LIMITS,
  makeBook,
  nameOf,
  SEED,
} from './rule-book.js'

/** So many workers that know each other, with the same rules. */
function makeWorkers(
  count: number,
  rules: readonly Rule[],
  kernel: FollowedKernel = '6.1.176',
): RuleBook[] {
  const memories = Array.from({ length: count }, () => {
    return new SharedArrayBuffer(Balancer.bytes(LIMITS))
  })
  const turns = new Int32Array(new SharedArrayBuffer(LIMITS.services * 4))
  const books = memories.map((memory) => {
    const book = new RuleBook(new Region(memory), LIMITS, SEED, SCHEDULERS, { kernel })
    const { balancer } = book
    const others = memories.filter((other) => other !== memory)
    balancer.peers = new Peers(
      balancer,
      others.map((other) => Peers.destinationsIn(new Region(other), LIMITS)),
      turns,
    )
    balancer.start(0)
    return book
  })
  for (const rule of rules) for (const book of books) book.apply(rule)
  return books
}

function choose(book: RuleBook): number {
  const service = book.findService(key()) as number
  fillFlow(book.balancer.flow, 0x0a000001, 40_000, 0xc0a8016e, 80)
  return book.balancer.choose(service)
}

/** The next breath of each worker. */
function breathe(books: readonly RuleBook[]): void {
  for (const { balancer } of books) balancer.begin(0)
}

const worker = (count: number) => fc.integer({ min: 0, max: count - 1 })

for (const scheduler of ['rr', 'wrr']) {
  t.test(`${scheduler}: any interleaving of workers is the sequence of one`, async (t) => {
    const weights = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 6 })
    const property = fc.property(weights, fc.array(worker(3), { maxLength: 60 }), (w, who) => {
      const rules = [
        addService(key(), { scheduler }),
        ...w.map((weight, i) => addDestination(`10.0.0.${i + 1}`, { weight })),
      ]
      const single = makeBook()
      for (const rule of rules) single.apply(rule)
      const books = makeWorkers(3, rules)
      return who.every((i) => choose(books[i]) === choose(single))
    })
    fc.assert(property, { seed: SEED, numRuns: 300 })
    t.pass('300 sequences')
  })

  t.test(`${scheduler}: within one of its share over any run`, async (t) => {
    const books = makeWorkers(2, [
      addService(key(), { scheduler }),
      ...[1, 2, 3].map((n) => addDestination(`10.0.0.${n}`, { weight: 1 })),
    ])
    const property = fc.property(fc.array(worker(2), { maxLength: 50 }), (who) => {
      const counts = [0, 0, 0]
      for (const i of who) counts[choose(books[i])]++
      return Math.max(...counts) - Math.min(...counts) <= 1
    })
    fc.assert(property, { seed: SEED, numRuns: 200 })
    t.pass('each run begins where the last one ended')
  })

  t.test(`${scheduler}: a worker that has not heard of a change yet`, async (t) => {
    const books = makeWorkers(2, [
      addService(key(), { scheduler }),
      ...[1, 2].map((n) => addDestination(`10.0.0.${n}`)),
    ])
    const [first, second] = books
    first.apply(addDestination('10.0.0.3'))
    const names = () => [first, second].map((book) => nameOf(book, choose(book)))
    for (let i = 0; i < 6; i++) {
      const [a, b] = names()
      t.match(a, /10\.0\.0\.[123]/)
      t.match(b, /10\.0\.0\.[12]/, 'it chooses among those that it knows')
    }
    first.apply({
      op: 'delete-destination',
      service: key(),
      destination: { address: '10.0.0.1', port: 80 },
    })
    for (let i = 0; i < 6; i++) t.match(names(), [/10\.0\.0\.[23]/, /10\.0\.0\.[12]/])
  })
}

t.test('wrr: a level that has no room beside the cursor is not shared', async (t) => {
  const books = makeWorkers(2, [
    addService(key(), { scheduler: 'wrr' }),
    addDestination('10.0.0.1', { weight: 2 ** 30 }),
    addDestination('10.0.0.2', { weight: 2 ** 30 - 1 }),
  ])
  for (const book of books) t.match(nameOf(book, choose(book)), /10\.0\.0\.[12]/)
})

/** Binds a connection of `book` to a destination, as `opened` does, or ends one. */
function bind({ balancer }: RuleBook, destination: number, change: 1 | -1): void {
  balancer.destinations.addInactive(destination, change)
  if (change > 0) balancer.thresholds.bound(destination)
  else balancer.thresholds.unbound(destination)
}

t.test('least-connection: balanced by what all workers have, after any traffic', async (t) => {
  const steps = fc.array(fc.tuple(worker(3), fc.boolean()), { maxLength: 120 })
  const property = fc.property(steps, (all) => {
    const books = makeWorkers(3, [
      addService(key(), { scheduler: 'lc' }),
      ...[1, 2, 3, 4].map((n) => addDestination(`10.0.0.${n}`)),
    ])
    const totals = [0, 0, 0, 0]
    for (const [i, opens] of all) {
      const least = Math.min(...totals)
      const d = choose(books[i])
      // All have breathed since the last one: nobody's counts are unknown.
      if (totals[d] !== least) return false
      if (opens) {
        totals[d]++
        bind(books[i], d, 1)
        breathe(books)
      }
    }
    return books.every((book) => {
      choose(book)
      const { destinations } = book.balancer
      return totals.every((total, d) => destinations.totalOfAll(d) === total)
    })
  })
  fc.assert(property, { seed: SEED, numRuns: 200 })
  t.pass('200 runs')
})

t.test('thresholds: full by what all have, and free again', async (t) => {
  for (const kernel of ['6.1.176', '6.1.192'] as const) {
    const rules = [
      addService(key()),
      addDestination('10.0.0.1', { upperThreshold: 4, lowerThreshold: 2 }),
    ]
    const books = makeWorkers(2, rules, kernel)
    const [first, second] = books
    t.equal(choose(first), 0)
    for (let i = 0; i < 2; i++) bind(first, 0, 1)
    for (let i = 0; i < 2; i++) bind(second, 0, 1)
    t.equal(choose(first), 0, 'it has looked in this breath')
    breathe(books)
    t.same(books.map(choose), [-1, -1], `four are too many for both (${kernel})`)
    bind(second, 0, -1)
    breathe(books)
    t.same(books.map(choose), [-1, -1], 'three: not below the lower threshold')
    for (let i = 0; i < 2; i++) bind(first, 0, -1)
    breathe(books)
    t.same(books.map(choose), [0, 0], 'one')
  }
})

t.test('a slot that is used again begins without what others had there', async (t) => {
  const books = makeWorkers(2, [addService(key()), addDestination('10.0.0.1')])
  const total = () => {
    breathe(books)
    choose(books[1])
    return books[1].balancer.destinations.totalOfAll(0)
  }
  bind(books[0], 0, 1)
  t.equal(total(), 1)
  bind(books[0], 0, -1)
  t.equal(total(), 0)
})
