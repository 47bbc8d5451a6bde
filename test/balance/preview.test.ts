/** What is told of the next choice is what is then chosen, and asking changes nothing. */
import fc from 'fast-check'
import t from 'tap'
import type { RuleBook } from '../../src/balance/apply.js'
import { nextOf } from '../../src/balance/preview.js'
import type { Rule } from '../../src/balance/rule.js'
import { SCHEDULERS } from '../../src/balance/schedulers/index.js'
import {
  addDestination,
  addService,
  deleteDestination,
  editDestination,
  fillFlow,
  key,
  listOf,
  makeBook,
  nameOf,
  SEED,
  slotOf,
} from './rule-book.js'

const VIP = 0x0a0a0a0a
const at = (n: number) => `10.0.0.${n}`

/** A step: a client comes, or a realserver is changed, or has more or fewer connections. */
type Step =
  | { readonly do: 'client'; readonly client: number }
  | { readonly do: 'weigh' | 'add' | 'delete' | 'busy'; readonly n: number; readonly by: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('client' as const), client: fc.nat(9) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('weigh' as const, 'add' as const, 'delete' as const, 'busy' as const),
      n: fc.integer({ min: 1, max: 5 }),
      by: fc.nat(4),
    }),
  },
)

function bookOf(scheduler: string): RuleBook {
  const book = makeBook()
  book.apply(addService(key(), { scheduler }))
  for (const n of [1, 2, 3]) book.apply(addDestination(at(n), { weight: n }))
  return book
}

/** Carries out what is no client's coming. */
function change(book: RuleBook, each: Exclude<Step, { do: 'client' }>): void {
  const address = at(each.n)
  if (listOf(book).includes(address) !== (each.do !== 'add')) return
  const rules: Record<'weigh' | 'add' | 'delete', Rule> = {
    weigh: editDestination(address, { weight: each.by }),
    add: addDestination(address, { weight: each.by }),
    delete: deleteDestination(address),
  }
  if (each.do !== 'busy') book.apply(rules[each.do])
  else book.balancer.destinations.addActive(slotOf(book, address), each.by)
}

/** Plays steps; who was chosen, each time. */
function play(book: RuleBook, steps: readonly Step[], isAsked: boolean): string[] {
  const slot = book.findService(key()) as number
  const { balancer } = book
  return steps.flatMap((each) => {
    if (each.do !== 'client') {
      change(book, each)
      return []
    }
    fillFlow(balancer.flow, each.client, 1024, VIP, 80)
    const told = isAsked ? [nextOf(balancer, slot), nextOf(balancer, slot)] : []
    const chosen = balancer.choose(slot)
    for (const { destination } of told) {
      if (destination !== chosen) throw new Error(`told ${destination}, chosen ${chosen}`)
    }
    return [nameOf(book, chosen)]
  })
}

for (const scheduler of SCHEDULERS.keys()) {
  t.test(`${scheduler}: as it was told, and as if nobody had asked`, async (t) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => {
        const asked = play(bookOf(scheduler), steps, true)
        return JSON.stringify(asked) === JSON.stringify(play(bookOf(scheduler), steps, false))
      }),
      { seed: SEED, numRuns: 60 },
    )
    t.pass()
  })
}

for (const scheduler of ['rr', 'wrr', 'lblc', 'lblcr']) {
  t.test(`${scheduler}: another one goes on where it stands`, async (t) => {
    const client = (n: number): Step => ({ do: 'client', client: n })
    const one = bookOf(scheduler)
    for (let round = 0; round < 8; round++) {
      play(one, [client(1), { do: 'busy', n: 1 + (round % 3), by: 2 }], false)
      const other = bookOf(scheduler)
      const slot = one.findService(key()) as number
      for (const n of [1, 2, 3]) {
        const active = one.balancer.destinations.active(slotOf(one, at(n)))
        other.balancer.destinations.addActive(slotOf(other, at(n)), active)
      }
      fillFlow(other.balancer.flow, 1, 1024, VIP, 80)
      const clues = one.balancer.schedulers[slot]?.clues(one.balancer.flow) ?? []
      other.balancer.schedulers[slot]?.resume(other.balancer.flow, clues)
      const told = nextOf(one.balancer, slot).destination
      t.equal(nameOf(other, nextOf(other.balancer, slot).destination), nameOf(one, told))
    }
  })
}

t.test('persistence: where the client went before, and nothing is remembered', async (t) => {
  const book = makeBook()
  book.apply(addService(key(), { scheduler: 'rr', persistent: 300 }))
  for (const n of [1, 2]) book.apply(addDestination(at(n)))
  const slot = book.findService(key()) as number
  const { balancer } = book
  fillFlow(balancer.flow, 7, 1024, VIP, 80)
  const first = nextOf(balancer, slot)
  t.equal(first.isByTemplate, false)
  t.equal(balancer.templates.count, 0)
  t.equal(balancer.choose(slot), first.destination)
  t.same(nextOf(balancer, slot), { destination: first.destination, isByTemplate: true })
  fillFlow(balancer.flow, 8, 1024, VIP, 80)
  t.not(nextOf(balancer, slot).destination, first.destination, 'another client')
  fillFlow(balancer.flow, 7, 20, VIP, 80)
  t.equal(nextOf(balancer, slot).destination, -1, 'data of FTP, which Linux leaves alone')
})
