/**
 * What a rehearsal says of a list is what happens when the list is carried out: the same first
 * refusal in the same words, or none. And nothing of the book has changed by it.
 */
import fc from 'fast-check'
import t from 'tap'
import type { RuleBook } from '../../src/balance/apply.js'
import { rehearse } from '../../src/balance/rehearsal.js'
import { type Rule, RuleError } from '../../src/balance/rule.js'
import { addDestination, addService, deleteDestination, key, makeBook, SEED } from './rule-book.js'

const LIMITS = { services: 3, destinations: 2 }
const services = fc.constantFrom(key(80), key(81), key(82), key(83), key(80, 'udp'))
const addresses = fc.constantFrom('192.168.1.2', '192.168.1.3', '192.168.1.4', '224.0.0.1')

const ruleOf: fc.Arbitrary<Rule> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(services, fc.constantFrom('rr', 'wlc', 'nonsense'))
      .map(([service, scheduler]) => addService(service, { scheduler })),
  },
  {
    weight: 12,
    arbitrary: fc
      .tuple(services, addresses, fc.constantFrom(0, 0, 0, 5))
      .map(([service, address, lowerThreshold]) =>
        addDestination(address, { lowerThreshold }, service),
      ),
  },
  { weight: 5, arbitrary: fc.tuple(services, addresses).map(([s, a]) => deleteDestination(a, s)) },
  { weight: 3, arbitrary: services.map((service): Rule => ({ op: 'delete-service', service })) },
  { weight: 1, arbitrary: fc.constant<Rule>({ op: 'flush' }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(services, addresses)
      .map(
        ([s, a]) => ({ ...addDestination(a, { weight: 7 }, s), op: 'edit-destination' }) as Rule,
      ),
  },
  { weight: 1, arbitrary: services.map((service): Rule => ({ op: 'zero', service })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('add-mark', 'delete-mark'), fc.constantFrom(1, 2, -1))
      .map(([op, mark]) => ({ op, rule: { mark } }) as Rule),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('0', 'x')
      .map((value): Rule => ({ op: 'set-sysctl', name: 'sloppy_tcp', value })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(60, -1)
      .map((tcp): Rule => ({ op: 'set-timeouts', tcp, tcpfin: 0, udp: 0 })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom<'start-daemon' | 'stop-daemon'>('start-daemon', 'stop-daemon')
      .map(
        (op) => (op === 'stop-daemon' ? { op, role: 'master' } : { op, daemon: DAEMON }) as Rule,
      ),
  },
)

const DAEMON = {
  role: 'master',
  interface: 'eth0',
  syncid: 0,
  maxlen: 1472,
  group: '224.0.0.81',
  port: 8848,
  ttl: 1,
}

/** The first refusal of a list that is carried out, as `rehearse` tells it. */
function carriedOut(book: RuleBook, rules: readonly Rule[]) {
  for (const [index, rule] of rules.entries()) {
    try {
      book.apply(rule)
    } catch (error) {
      if (!(error instanceof RuleError)) throw error
      return { index, code: error.code, subject: error.subject, message: error.message }
    }
  }
  return null
}

function rehearsed(book: RuleBook, rules: readonly Rule[]) {
  const refusal = rehearse(book, rules)
  if (refusal === null) return null
  const { index, error } = refusal
  return { index, code: error.code, subject: error.subject, message: error.message }
}

function imageOf(book: RuleBook): unknown {
  return {
    services: [...book.services()],
    trash: [...book.trash()],
    words: Array.from(book.balancer.destinations.words),
    marks: book.marks.rules,
    daemons: book.daemons,
    rooms: [book.balancer.services.room, book.balancer.destinations.room],
  }
}

t.test('a rehearsal says what carrying out says, and changes nothing', async (t) => {
  const seen = { accepted: 0, refused: new Set<string>() }
  fc.assert(
    fc.property(
      fc.array(ruleOf, { maxLength: 30 }),
      fc.array(ruleOf, { maxLength: 12 }),
      (a, b) => {
        const book = makeBook({ limits: LIMITS })
        for (const rule of a) carriedOut(book, [rule])
        // Some of the trash is emptied, so that slots come back.
        const slots = [...book.trash()].slice(1)
        if (a.length % 2 === 0) book.apply({ op: 'reap', slots })
        const before = JSON.stringify(imageOf(book))
        const said = rehearsed(book, b)
        if (JSON.stringify(imageOf(book)) !== before)
          throw new Error('the rehearsal changed the book')
        const done = carriedOut(book, b)
        if (JSON.stringify(said) !== JSON.stringify(done)) {
          throw new Error(`rehearsed ${JSON.stringify(said)}, done ${JSON.stringify(done)}`)
        }
        if (done === null) seen.accepted++
        else seen.refused.add(`${done.code} ${done.subject}`)
      },
    ),
    { numRuns: 3000, seed: SEED },
  )
  t.ok(seen.accepted > 50, `${seen.accepted} lists were accepted`)
  for (const what of ['ENOSPC service', 'ENOSPC destination', 'EEXIST service', 'ENOENT mark']) {
    t.ok(seen.refused.has(what), what)
  }
})

t.test(
  'a list on a full table: what was deleted makes room or not, as the trash has it',
  async (t) => {
    const book = makeBook({ limits: { services: 2, destinations: 1 } })
    book.apply(addService())
    book.apply(addDestination('192.168.1.2'))
    const other = [{ op: 'flush' } as const, addService(), addDestination('192.168.1.3')]
    t.match(rehearsed(book, other), { index: 2, code: 'ENOSPC', subject: 'destination' })
    const same = [{ op: 'flush' } as const, addService(), addDestination('192.168.1.2')]
    t.equal(rehearsed(book, same), null, 'it gets its record back')
  },
)
