import fc from 'fast-check'
import t from 'tap'
import { OVERLOAD } from '../../../src/balance/destination.js'
import {
  addDestination,
  addService,
  deleteDestination,
  editDestination,
  editService,
  key,
  listOf,
  makeBook,
  picks,
  SEED,
  slotOf,
} from '../rule-book.js'

const at = (n: number) => `10.0.0.${n}`
/** 10.0.0.1 is called A, and so on. */
const letters = (text: string) =>
  text.replaceAll(/\d+/g, (n) => String.fromCharCode(64 + Number(n)))

t.test('the example of the reference: A4, B3, C2 added one by one', async (t) => {
  const book = makeBook()
  book.apply(addService(key(), { scheduler: 'wrr' }))
  for (const [n, weight] of [
    [1, 4],
    [2, 3],
    [3, 2],
  ] as const) {
    book.apply(addDestination(at(n), { weight }))
  }
  t.equal(letters(picks(book, 18)), 'C B A A B A C B A C B A A B A C B A')
})

t.test('bound to a list that is there, it begins at the highest weight', async (t) => {
  const book = makeBook()
  book.apply(addService(key(), { scheduler: 'rr' }))
  for (const [n, weight] of [
    [1, 4],
    [2, 3],
    [3, 2],
  ] as const) {
    book.apply(addDestination(at(n), { weight }))
  }
  book.apply(editService(key(), { scheduler: 'wrr' }))
  t.equal(letters(picks(book, 9)), 'A B A C B A C B A')
})

t.test('shares are proportional to the weights over each round', async (t) => {
  const book = makeBook()
  book.apply(addService(key(), { scheduler: 'wrr' }))
  const weights = [7, 1, 3, 5]
  for (const [i, weight] of weights.entries()) book.apply(addDestination(at(i + 1), { weight }))
  picks(book, 16 * 3)
  const round = picks(book, 16).split(' ').map(Number)
  t.same(
    weights.map((_, i) => round.filter((n) => n === i + 1).length),
    weights,
  )
})

/** §2.3 typed as it stands there, over an array of `{n, weight, over}`. */
class Model {
  list: { n: number; weight: number; over: boolean }[] = []
  cur: number | null = null
  cw = 0
  di = 1
  mw = 0

  recompute(): void {
    const weights = this.list.map(({ weight }) => weight).filter((weight) => weight > 0)
    const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
    this.di = weights.reduce(gcd, 0) || 1
    this.mw = Math.max(0, ...weights) - (this.di - 1)
    this.cur = null
    if (this.cw > this.mw || this.cw === 0) this.cw = this.mw
    else if (this.di > 1) this.cw = Math.trunc(this.cw / this.di) * this.di + 1
  }

  pick(): number | null {
    if (this.mw === 0) return null
    const start = this.cur
    let stop: number | null = null
    let lastPass = false
    let wrapped = false
    for (;;) {
      const from = this.cur === null ? -1 : this.list.findIndex(({ n }) => n === this.cur)
      for (const { n, weight, over } of this.list.slice(from + 1)) {
        if (!over && weight >= this.cw) {
          this.cur = n
          return n
        }
        if (n === stop) {
          this.cur = n
          return null
        }
      }
      this.cur = null
      this.cw -= this.di
      if (this.cw <= 0) {
        this.cw = this.mw
        if (lastPass || start === null) return null
        wrapped = true
      }
      lastPass = this.cw <= this.di
      if (lastPass && wrapped && start !== null) stop = start
    }
  }
}

t.test('agrees with the algorithm of the reference under random changes', async (t) => {
  const step = fc.record({
    do: fc.constantFrom('add', 'delete', 'weight', 'overload', 'pick', 'pick', 'pick', 'pick'),
    n: fc.integer({ min: 1, max: 6 }),
    weight: fc.oneof(fc.nat({ max: 6 }), fc.constantFrom(0, 10, 20, 65535)),
    on: fc.boolean(),
  })
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const book = makeBook()
    book.apply(addService(key(), { scheduler: 'wrr' }))
    const model = new Model()
    for (const { do: what, n, weight, on } of steps) {
      const one = model.list.find((each) => each.n === n)
      if (what === 'add' && one === undefined) {
        book.apply(addDestination(at(n), { weight }))
        model.list.unshift({ n, weight, over: false })
        model.recompute()
      } else if (what === 'delete' && one !== undefined) {
        book.apply(deleteDestination(at(n)))
        model.list = model.list.filter((each) => each !== one)
        model.recompute()
      } else if (what === 'weight' && one !== undefined) {
        book.apply(editDestination(at(n), { weight }))
        one.weight = weight
        one.over = false
        model.recompute()
      } else if (what === 'overload' && one !== undefined) {
        one.over = on
        const { destinations } = book.balancer
        if (on) destinations.setFlag(slotOf(book, at(n)), OVERLOAD)
        else destinations.clearFlag(slotOf(book, at(n)), OVERLOAD)
      } else if (what === 'pick') {
        const expected = model.pick()
        const got = picks(book, 1)
        if (got !== String(expected ?? '-')) throw new Error(`${got}, not ${expected}`)
      }
    }
    const order = model.list.map(({ n }) => at(n)).join()
    if (order !== listOf(book).join()) throw new Error('order of the list')
  })
  fc.assert(property, { seed: SEED, numRuns: 600 })
  t.pass('600 sequences')
})
