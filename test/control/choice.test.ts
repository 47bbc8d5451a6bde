/** Whom a service would choose next, as it is told. */
import t from 'tap'
import { SCHEDULERS } from '../../src/balance/schedulers/index.js'
import { type NextQuestion, nextChoice } from '../../src/control/choice.js'
import { addDestination, addService, key, makeBook, VIP } from '../balance/rule-book.js'

const QUESTION: NextQuestion = { service: key(), client: '10.0.0.1', clientPort: 1024 }

t.test('every scheduler: candidates in order, one chosen, why, and by what', async (t) => {
  const clues: Record<string, string[]> = {}
  for (const scheduler of SCHEDULERS.keys()) {
    const book = makeBook()
    book.apply(addService(key(), { scheduler }))
    for (const n of [1, 2, 3]) book.apply(addDestination(`10.9.0.${n}`, { weight: n }))
    const choice = nextChoice(book, QUESTION)
    t.same(
      choice?.candidates.map(({ realserver, weight }) => [realserver, weight]),
      [
        ['10.9.0.3:80', 3],
        ['10.9.0.2:80', 2],
        ['10.9.0.1:80', 1],
      ],
    )
    const chosen = choice?.candidates.filter(({ isChosen }) => isChosen)
    t.same(
      chosen?.map(({ realserver }) => realserver),
      [choice?.chosen],
      scheduler,
    )
    t.match(choice?.why, scheduler)
    t.equal(choice?.by, 'scheduler')
    clues[scheduler] = choice?.clues.map(({ name }) => name) ?? []
  }
  t.strictSame(clues, {
    rr: ['last'],
    wrr: ['last', 'level'],
    lc: [],
    wlc: [],
    lblc: ['known'],
    lblcr: ['known'],
    dh: ['bucket', 'holder'],
    sh: ['bucket', 'holder'],
    sed: [],
    nq: [],
    fo: [],
    ovf: [],
    mh: ['slot', 'holder'],
    twos: ['drawn'],
  })
})

t.test('a hash names who is in the bucket, also if it may not be chosen', async (t) => {
  const book = makeBook()
  book.apply(addService(key(), { scheduler: 'sh' }))
  book.apply(addDestination('10.9.0.1', { weight: 0 }))
  t.match(nextChoice(book, QUESTION), {
    chosen: null,
    by: null,
    clues: [
      { name: 'bucket', of: 256 },
      { name: 'holder', realservers: ['10.9.0.1:80'] },
    ],
    candidates: [{ reason: 'weight 0', eligible: false }],
    why: 'no realserver is eligible',
  })
})

t.test('persistence decides: no scheduler was asked', async (t) => {
  const book = makeBook()
  book.apply(addService(key(), { scheduler: 'rr', persistent: 60 }))
  for (const n of [1, 2]) book.apply(addDestination(`10.9.0.${n}`))
  const first = nextChoice(book, QUESTION)
  book.balancer.choose(book.findService(key()) as number)
  t.match(nextChoice(book, QUESTION), { by: 'template', chosen: first?.chosen, clues: [] })
})

t.test('of a long list only the chosen one', async (t) => {
  const book = makeBook({ limits: { destinations: 512 } })
  book.apply(addService(key(), { scheduler: 'wlc' }))
  for (let n = 0; n < 300; n++) book.apply(addDestination(`10.9.${n >> 8}.${n & 255}`))
  const choice = nextChoice(book, QUESTION)
  t.equal(choice?.omitted, 299)
  t.match(choice?.candidates, [{ realserver: choice?.chosen, isChosen: true }])
})

t.test('by firewall mark: the virtual address is asked for', async (t) => {
  const book = makeBook()
  const marked = { fwmark: 7, family: 'inet' } as const
  book.apply(addService(marked, { scheduler: 'dh' }))
  for (const n of [1, 2, 3]) book.apply(addDestination(`10.9.0.${n}`, {}, marked))
  const ask = (vip: string) => nextChoice(book, { ...QUESTION, service: marked, vip })?.chosen
  t.equal(ask(VIP), ask(VIP))
  t.ok(new Set([...Array(9).keys()].map((n) => ask(`10.1.0.${n}`))).size > 1)
  t.equal(nextChoice(book, { ...QUESTION, service: key(8080) }), null, 'no such service')
})
