/**
 * `drop_entry`: what it may end and what not, by state, age and packets; and how much in a second.
 */
import t from 'tap'
import type { RuleBook } from '../../src/balance/apply.js'
import { FLAG_INACTIVE, NONE } from '../../src/balance/connection.js'
import { SCTP, TCP, UDP } from '../../src/balance/rule.js'
import { SCTP_STATES } from '../../src/balance/sctp-state.js'
import { TCP_STATES } from '../../src/balance/tcp-state.js'
import { addDestination, addService, key, makeBook } from './rule-book.js'

const LIMITS = { connections4: 65_536, templates: 65_536 }
const SECOND_MS = 1000

function bookOf(changes: Parameters<typeof addService>[1] = {}): RuleBook {
  const book = makeBook({ limits: LIMITS })
  book.apply(addService(key(), changes))
  book.apply(addDestination('10.0.0.1'))
  return book
}

/** `count` connections in a state, whose last packet is a minute old unless it is said. */
function fill(
  book: RuleBook,
  count: number,
  { protocol = TCP, state = 0, packets = 1, idleTicks = 6000 } = {},
): number[] {
  const { balancer } = book
  const table = balancer.connections4
  const due = balancer.tick + balancer.timeout(protocol, state) - idleTicks
  return Array.from({ length: count }, (_, i) => {
    const slot = table.insert4(protocol, i + 1, 7, (40_000 << 16) | 80, 0, FLAG_INACTIVE, due)
    table.setState(slot, state)
    for (let n = 0; n < packets; n++) table.countPacket(slot)
    balancer.destinations.addInactive(0, 1)
    return slot
  })
}

/** Turns the clock of the dropper alone: nothing may end by itself here. */
function pass(book: RuleBook, seconds: number): void {
  const { balancer } = book
  balancer.sysctls.drop_entry = 3
  balancer.defence.update()
  const tick = balancer.tick
  balancer.dropper.start(tick)
  for (let n = 1; n <= seconds * 100; n++) balancer.dropper.advance(tick + n)
}

/** Is one of these states ended within so many seconds that each bucket has come many times? */
function isEnded(options: Parameters<typeof fill>[2]): boolean {
  const book = bookOf()
  book.balancer.begin(200 * SECOND_MS)
  const slots = fill(book, 40, options)
  pass(book, 400 * (options?.packets ?? 1))
  const left = slots.filter((slot) => book.balancer.connections4.isUsed(slot)).length
  if (left !== 0 && left !== 40) throw new Error(`${left} of 40 are left`)
  t.equal(book.balancer.destinations.inactive(0), left, 'the counts follow')
  return left === 0
}

t.test('which states are given up', async (t) => {
  const fresh = { idleTicks: 0 }
  const tcp = TCP_STATES.map((_, state) => isEnded({ state, ...fresh }))
  t.same(
    TCP_STATES.filter((_, state) => tcp[state]),
    ['SYN_RECV', 'SYNACK'],
  )
  const idle = TCP_STATES.map((_, state) => isEnded({ state }))
  t.same(
    TCP_STATES.filter((_, state) => idle[state]),
    ['ESTABLISHED', 'SYN_RECV', 'SYNACK'],
  )
  const sctp = SCTP_STATES.map((_, state) => isEnded({ protocol: SCTP, state }))
  t.same(
    SCTP_STATES.filter((_, state) => sctp[state]),
    ['INIT1', 'INIT', 'ESTABLISHED'],
  )
  t.ok(isEnded({ protocol: UDP }))
  t.notOk(isEnded({ protocol: UDP, idleTicks: 5999 }), 'not within a minute')
  t.notOk(isEnded({ protocol: UDP, packets: 0 }))
  t.ok(isEnded({ protocol: UDP, packets: 8 }))
  t.notOk(isEnded({ protocol: UDP, packets: 9 }), 'who has sent more is known well enough')
})

t.test('of those with n packets every n-th is ended', async (t) => {
  const book = bookOf()
  book.balancer.begin(200 * SECOND_MS)
  for (const packets of [1, 4, 8]) {
    const slots = fill(book, 4000, { protocol: UDP, packets })
    const before = book.balancer.dropper.dropped
    pass(book, 1)
    const ended = book.balancer.dropper.dropped - before
    // 2048 looks at 65,536 buckets find about 125 of 4000; a few of them twice.
    const expected = 125 / packets
    t.ok(Math.abs(ended - expected) < 6 * Math.sqrt(expected), `${packets}: ${ended} ended`)
    for (const slot of slots) {
      if (book.balancer.connections4.isUsed(slot))
        book.balancer.close(book.balancer.connections4, slot)
    }
  }
})

t.test('a second ends about three of a hundred, as Linux', async (t) => {
  const book = bookOf()
  fill(book, 20_000, { state: TCP_STATES.indexOf('SYN_RECV'), idleTicks: 0 })
  let left = 20_000
  for (let second = 0; second < 20; second++) {
    pass(book, 1)
    book.balancer.begin((second + 1) * SECOND_MS)
    const ended = left - book.balancer.connections4.count
    const expected = left / 32
    if (Math.abs(ended - expected) > 6 * Math.sqrt(expected)) t.fail(`${ended} of ${left}`)
    left -= ended
  }
  t.ok(left < 11_500 && left > 9800, `${left} are left after 20 s`)
  t.equal(book.balancer.dropper.dropped, 20_000 - left)
})

t.test('nothing happens while the defence is off', async (t) => {
  const book = bookOf()
  fill(book, 500, { state: TCP_STATES.indexOf('SYN_RECV') })
  for (let tick = 0; tick < 5000; tick++) book.balancer.dropper.advance(tick)
  t.equal(book.balancer.connections4.count, 500)
})

/** A template, and `controlled` connections in SYN_RECV under it; the template's slot. */
function template(book: RuleBook, client: number, controlled: number): number {
  const { balancer } = book
  const { flow, persistence } = balancer
  const vip = balancer.services.address(0, 0)
  for (let port = 1; port <= Math.max(1, controlled); port++) {
    flow.set4(TCP, client, vip, (port << 16) | 80)
    balancer.choose(0)
    if (controlled === 0) return balancer.chosenTemplate
    const slot = balancer.connections4.insert4(
      TCP,
      client,
      vip,
      (port << 16) | 80,
      0,
      FLAG_INACTIVE,
      9e6,
    )
    balancer.connections4.setState(slot, TCP_STATES.indexOf('SYN_RECV'))
    balancer.opened(balancer.connections4, slot, 0)
  }
  persistence.find(0, flow)
  return balancer.chosenTemplate
}

t.test('templates: ended if they control nobody and never saw a handshake', async (t) => {
  const book = bookOf({ persistent: 300 })
  const { balancer } = book
  const lone = Array.from({ length: 50 }, (_, i) => template(book, i + 1, 0))
  const assured = Array.from({ length: 50 }, (_, i) => template(book, i + 1001, 0))
  for (const slot of assured) balancer.templates.assure(slot)
  t.equal(balancer.destinations.persistent(0), 100)
  pass(book, 400)
  t.notOk(lone.some((slot) => balancer.templates.isUsed(slot)))
  t.ok(assured.every((slot) => balancer.templates.isUsed(slot)))
  t.equal(balancer.destinations.persistent(0), 50)
})

t.test('a template goes with the last connection that it controls, if not assured', async (t) => {
  const book = bookOf({ persistent: 300 })
  const { balancer } = book
  const slots = Array.from({ length: 20 }, (_, i) => template(book, i + 1, 3))
  balancer.templates.assure(slots[7])
  t.notOk(slots.includes(NONE))
  pass(book, 600)
  t.same(
    slots.filter((slot) => balancer.templates.isUsed(slot)),
    [slots[7]],
  )
  t.equal(balancer.connections4.count, 0)
})

t.test('templates of one-packet services are judged as UDP is', async (t) => {
  const book = bookOf({ persistent: 300, ops: true })
  const { balancer } = book
  const slots = Array.from({ length: 10 }, (_, i) => template(book, i + 1, 0))
  for (const [i, slot] of slots.entries()) {
    for (let n = 0; n < i; n++) balancer.templates.countPacket(slot)
  }
  t.same(
    slots.map((slot) => balancer.templates.packets(slot)),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
  balancer.templates.countPacket(slots[9])
  t.equal(balancer.templates.packets(slots[9]), 9, 'nobody wants to know of more')
  pass(book, 500)
  t.ok(
    slots.every((slot) => balancer.templates.isUsed(slot)),
    'none is idle yet',
  )
  balancer.begin(61 * SECOND_MS)
  pass(book, 1500)
  const left = slots.map((slot, i) => (balancer.templates.isUsed(slot) ? i : -1))
  t.same(
    left.filter((i) => i >= 0),
    [0, 9],
  )
})
