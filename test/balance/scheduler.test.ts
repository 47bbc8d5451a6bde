import t from 'tap'
import { OVERLOAD } from '../../src/balance/destination.js'
import { Flow, type Pool, StatelessScheduler } from '../../src/balance/scheduler.js'
import { addDestination, addService, key, makeBook, slotOf } from './rule-book.js'

class First extends StatelessScheduler {
  choose(_flow: Flow): number {
    return this.pool.services.head(this.pool.service)
  }
}

t.test('candidates come in the order of the list, with who may be chosen', async (t) => {
  const book = makeBook({ schedulers: new Map([['first', (pool: Pool) => new First(pool)]]) })
  book.apply(addService(key(), { scheduler: 'first' }))
  for (const n of [1, 2, 3]) book.apply(addDestination(`10.0.0.${n}`, { weight: n - 1 }))
  book.balancer.destinations.setFlag(slotOf(book, '10.0.0.2'), OVERLOAD)
  const scheduler = book.balancer.schedulers[0] as First
  const slots = [3, 2, 1].map((n) => slotOf(book, `10.0.0.${n}`))
  t.same(scheduler.candidates(), [
    { destination: slots[0], eligible: true, score: null },
    { destination: slots[1], eligible: false, score: null },
    { destination: slots[2], eligible: false, score: null },
  ])
  t.equal(scheduler.choose(new Flow()), slots[0])
})

t.test('hears of every change of its list, in the order of Linux', async (t) => {
  const heard: string[] = []
  class Listening extends First {
    override added(d: number) {
      heard.push(`added ${d}, head ${this.choose(new Flow())}`)
    }
    override removing(d: number) {
      heard.push(`removing ${d}, head ${this.choose(new Flow())}`)
    }
    override removed() {
      heard.push(`removed, head ${this.choose(new Flow())}`)
    }
    override edited(d: number) {
      heard.push(`edited ${d}, weight ${this.pool.destinations.weight(d)}`)
    }
  }
  const book = makeBook({ schedulers: new Map([['it', (pool: Pool) => new Listening(pool)]]) })
  book.apply(addService(key(), { scheduler: 'it' }))
  const rule = addDestination('10.0.0.1')
  book.apply(rule)
  book.apply({
    ...rule,
    op: 'edit-destination',
    settings: { ...('settings' in rule && rule.settings), weight: 9 },
  } as typeof rule)
  book.apply({
    op: 'delete-destination',
    service: key(),
    destination: { address: '10.0.0.1', port: 80 },
  })
  t.same(heard, ['added 0, head 0', 'edited 0, weight 9', 'removing 0, head 0', 'removed, head -1'])
})
