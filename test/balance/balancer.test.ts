import fc from 'fast-check'
import t from 'tap'
import { Balancer } from '../../src/balance/balancer.js'
import { FLAG_INACTIVE, FLAG_NOOUTPUT, FLAG_ONE_PACKET } from '../../src/balance/connection.js'
import { STAT_CONNECTIONS, STAT_COUNT } from '../../src/balance/destination.js'
import type { Limits } from '../../src/balance/limits.js'
import { Region } from '../../src/balance/region.js'
import type { Rule } from '../../src/balance/rule.js'
import { TCP_ACTIVE, TCP_TIMEOUTS_S } from '../../src/balance/tcp-state.js'
import {
  addDestination,
  addService,
  deleteDestination,
  editDestination,
  fillFlow,
  key,
  LIMITS,
  makeBook,
  SEED,
} from './rule-book.js'

const VIP = 0x0a0000fe
const [TCP, UDP, SCTP] = [6, 17, 132]
const [SYN, ACK, FIN, RST] = [0x02, 0x10, 0x01, 0x04]

function make(rules: readonly Rule[] = [addService(), addDestination('10.0.0.1')]) {
  const book = makeBook()
  for (const rule of rules) book.apply(rule)
  const { balancer } = book
  const table = balancer.connections4
  const open = (client: number, protocol = TCP, service = 0) => {
    fillFlow(balancer.flow, client, 4000, VIP, balancer.services.port(service), protocol)
    const destination = balancer.choose(service)
    if (destination < 0) return destination
    const flags = balancer.connectionFlags(service, protocol)
    const ports = (4000 << 16) | 80
    const slot = table.insert4(protocol, client, VIP, ports, destination, flags, balancer.firstDue)
    balancer.opened(table, slot, service)
    return slot
  }
  const counts = (d = 0) => [balancer.destinations.active(d), balancer.destinations.inactive(d)]
  return { book, balancer, table, open, counts }
}

function create(limits: Limits, seed: number): Balancer {
  return new Balancer(new Region(new ArrayBuffer(Balancer.bytes(limits))), limits, seed)
}

t.test('a connection is inactive until its state says otherwise', async (t) => {
  const { balancer, table, open, counts } = make()
  const slot = open(1)
  t.same(counts(), [0, 1])
  t.ok(table.hasFlag(slot, FLAG_INACTIVE) && table.hasFlag(slot, FLAG_NOOUTPUT))
  t.equal(table.due(slot), 300, '3 s until its first state')
  const life: [flags: number, active: number, timeout: number][] = [
    [SYN, 1, 60],
    [ACK, 1, 900],
    [FIN | ACK, 0, 120],
    [ACK, 0, 120],
    [RST, 0, 10],
    [SYN, 1, 60],
  ]
  for (const [flags, active, timeout] of life) {
    balancer.account(table, slot, TCP, flags, 40)
    t.same([...counts(), table.due(slot)], [active, 1 - active, timeout * 100], `flags ${flags}`)
  }
  t.equal(table.packets(slot), life.length)
  balancer.close(table, slot)
  t.same(counts(), [0, 0])
  t.equal(table.count, 0)
})

t.test('a header too short to tell changes no state, but counts and prolongs', async (t) => {
  const { balancer, table, open } = make()
  const slot = open(1)
  balancer.account(table, slot, TCP, SYN, 40)
  balancer.begin(5000)
  balancer.account(table, slot, TCP, -1, 24)
  t.equal(table.state(slot), 3)
  t.equal(table.due(slot), 500 + 6000)
  t.equal(balancer.destinations.statistic(0, 1), 2)
})

t.test('UDP is never active; SCTP when it is established', async (t) => {
  const rules = ['udp', 'sctp'].flatMap((protocol) => [
    addService(key(80, protocol as 'udp')),
    addDestination('10.0.0.1', {}, key(80, protocol as 'udp')),
  ])
  const { balancer, table, open, counts } = make(rules)
  const udp = open(1, UDP, 0)
  balancer.account(table, udp, UDP, 0, 40)
  t.same([...counts(0), table.due(udp), table.state(udp)], [0, 1, 30_000, 0])
  const sctp = open(1, SCTP, 1)
  balancer.account(table, sctp, SCTP, 1, 40)
  t.same([...counts(1), table.due(sctp)], [0, 1, 400])
  balancer.account(table, sctp, SCTP, 10, 40)
  t.same([...counts(1), table.due(sctp)], [1, 0, 90_000])
  balancer.account(table, sctp, SCTP, 7, 40)
  t.same([...counts(1), table.due(sctp)], [0, 1, 6100])
})

t.test('one-packet scheduling is for UDP only', async (t) => {
  const { balancer } = make([
    addService(key(), { ops: true }),
    addService(key(53, 'udp'), { ops: true }),
  ])
  t.notOk(balancer.connectionFlags(0, TCP) & FLAG_ONE_PACKET)
  t.ok(balancer.connectionFlags(1, UDP) & FLAG_ONE_PACKET)
})

t.test('what may open a connection', async (t) => {
  const { balancer, book } = make()
  const asked = (protocol: number, events: number[]) =>
    events.map((event) => balancer.opens(protocol, event)).join()
  const flags = [SYN, SYN | ACK, SYN | FIN, ACK, FIN, 0, RST, SYN | RST]
  t.equal(asked(TCP, flags), 'true,true,true,false,false,false,false,false')
  t.equal(asked(UDP, [0]), 'true')
  t.equal(asked(SCTP, [1, 0, 6, 10]), 'true,false,false,false')
  for (const name of ['sloppy_tcp', 'sloppy_sctp'])
    book.apply({ op: 'set-sysctl', name, value: '1' })
  t.equal(asked(TCP, flags), 'true,true,true,true,true,true,false,false')
  t.equal(asked(SCTP, [1, 0, 6, 10]), 'true,true,false,true')
})

t.test('a port used again: which modes give a new connection, by state', async (t) => {
  // Rows of §1.4 b: mode by state of the old connection.
  const [ES, FW, TW, CL] = [1, 4, 5, 6]
  const expected: Record<string, number[]> = {
    0: [],
    1: [TW, CL],
    2: [TW, CL, FW],
    3: [TW, CL, FW],
    4: [TW, CL],
  }
  for (const [mode, states] of Object.entries(expected)) {
    const { book, balancer, table, open } = make()
    book.apply({ op: 'set-sysctl', name: 'conn_reuse_mode', value: mode })
    for (let state = 0; state < 11; state++) {
      const slot = open(state + 1)
      table.setState(slot, state)
      balancer.begin(1000)
      t.equal(
        balancer.reuses(table, slot, TCP, SYN),
        states.includes(state),
        `mode ${mode}, ${state}`,
      )
      t.equal(table.due(slot), states.includes(state) ? 100 : 300)
      t.notOk(balancer.reuses(table, slot, TCP, ACK), 'only what opens')
      balancer.begin(0)
    }
    const slot = open(99)
    table.setState(slot, FW)
    table.clearFlag(slot, FLAG_NOOUTPUT)
    t.notOk(balancer.reuses(table, slot, TCP, SYN), 'FIN_WAIT counts only while half is seen')
    t.notOk(balancer.reuses(table, slot, UDP, 0), 'UDP never')
    table.setState(slot, ES)
  }
})

t.test('SCTP is used again when it is closed, on INIT', async (t) => {
  const { balancer, table, open } = make([
    addService(key(80, 'sctp')),
    addDestination('10.0.0.1', {}, key(80, 'sctp')),
  ])
  const slot = open(1, SCTP)
  table.setState(slot, 13)
  t.notOk(balancer.reuses(table, slot, SCTP, 0))
  t.ok(balancer.reuses(table, slot, SCTP, 1))
  table.setState(slot, 8)
  t.notOk(balancer.reuses(table, slot, SCTP, 1))
})

t.test(
  'expire_nodest_conn: opening again at a destination of weight 0 is scheduled anew',
  async (t) => {
    const { book, balancer, table, open } = make()
    const slot = open(1)
    balancer.account(table, slot, TCP, ACK, 40)
    book.apply(editDestination('10.0.0.1', { weight: 0 }))
    t.notOk(balancer.reuses(table, slot, TCP, SYN))
    book.apply({ op: 'set-sysctl', name: 'expire_nodest_conn', value: '1' })
    t.ok(balancer.reuses(table, slot, TCP, SYN), 'in any state')
  },
)

t.test('the counts of the old connection stand while the new one is scheduled', async (t) => {
  const rules = [
    addService(key(), { scheduler: 'lc' }),
    addDestination('10.0.0.1'),
    addDestination('10.0.0.2'),
  ]
  const { balancer, table, open, counts } = make(rules)
  const slot = open(1)
  const first = table.destination(slot)
  balancer.account(table, slot, TCP, SYN, 40)
  table.setState(slot, 5)
  t.ok(balancer.reuses(table, slot, TCP, SYN))
  const again = open(1)
  t.not(table.destination(again), first, 'the old one still counts for lc')
  t.same(counts(first), [1, 0])
  balancer.expire()
  t.same(counts(first), [0, 0], 'until its timer, which is due now')
  t.equal(table.find4(TCP, 1, VIP, (4000 << 16) | 80), again)
})

t.test('statistics: destination, service and whole', async (t) => {
  const { balancer, table, open } = make()
  const slot = open(1)
  balancer.account(table, slot, TCP, SYN, 60)
  balancer.accountRelated(table, slot, 68)
  balancer.accountMore(0, 100)
  balancer.accountAnswer(0, 576)
  const { services, destinations } = balancer
  const expected = [1, 2, 228, 1, 576]
  const all = [...Array(STAT_COUNT).keys()]
  t.same(
    all.map((i) => destinations.statistic(0, i)),
    expected,
  )
  t.same(
    all.map((i) => services.statistic(0, i)),
    expected,
  )
  t.same(
    all.map((i) => services.statistic(services.capacity, i)),
    expected,
  )
  t.equal(STAT_CONNECTIONS, 0)
  t.equal(table.packets(slot), 2)
  t.equal(table.due(slot), 6000, 'an ICMP error does not prolong')
})

t.test('a destination that is gone is not counted any more', async (t) => {
  const { book, balancer, table, open } = make()
  const slot = open(1)
  book.apply(deleteDestination('10.0.0.1'))
  t.notOk(balancer.isServable(table, slot))
  t.notOk(balancer.isUnreferenced(0))
  balancer.accountRelated(table, slot, 68)
  balancer.accountMore(0, 100)
  balancer.accountAnswer(0, 576)
  t.equal(balancer.destinations.statistic(0, 2), 0)
  balancer.abandon(table, slot)
  balancer.begin(10)
  balancer.expire()
  t.ok(balancer.isUnreferenced(0), 'when its last connection has ended')
  book.apply(addDestination('10.0.0.1'))
  t.notOk(balancer.isUnreferenced(0), 'in a list it is referred to')
})

t.test('services: port 0 without persistence, other ports, source port 20', async (t) => {
  const { balancer } = make([
    addService(key(0)),
    addDestination('10.0.0.1', {}, key(0)),
    addService(key(21)),
    addDestination('10.0.0.1', {}, key(21)),
  ])
  const chosen = (service: number, sport: number, dport: number) => {
    fillFlow(balancer.flow, 1, sport, VIP, dport)
    return balancer.choose(service)
  }
  t.equal(chosen(0, 4000, 80), -1, 'port 0 without persistence: nobody')
  t.equal(chosen(1, 4000, 50_000), -2, 'FTP data without persistence: left alone')
  t.equal(chosen(1, 4000, 21), 1)
  t.equal(chosen(1, 20, 21), -2, 'from port 20, always left alone')
})

t.test('timeouts fire at their tick, and the counts follow', async (t) => {
  const { balancer, table, open, counts } = make()
  for (let state = 1; state <= 10; state++) {
    const slot = open(state)
    table.setState(slot, state)
    table.wheel.reschedule(slot, (TCP_TIMEOUTS_S[state] as number) * 100)
  }
  const lives = TCP_TIMEOUTS_S.slice(1)
  for (const seconds of [9.99, 10, 30, 60, 119.99, 120, 899.99, 900]) {
    balancer.begin(seconds * 1000)
    balancer.expire()
    t.equal(table.count, lives.filter((life) => life > seconds).length, `after ${seconds} s`)
  }
  t.same(counts(), [0, 0])
})

t.test('random lives: active and inactive are what the connections say', async (t) => {
  const step = fc.record({
    do: fc.constantFrom('open', 'packet', 'packet', 'packet', 'wait', 'delete', 'add'),
    pick: fc.nat(),
    flags: fc.constantFrom(SYN, ACK, FIN | ACK, RST, ACK, 0),
    ms: fc.constantFrom(10, 5_000, 61_000, 130_000, 950_000),
  })
  const property = fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
    const { book, balancer, table, open } = make([
      addService(),
      addDestination('10.0.0.1'),
      addDestination('10.0.0.2'),
    ])
    let now = 0
    let client = 0
    for (const { do: what, pick, flags, ms } of steps) {
      balancer.begin(now)
      const used = [...Array(table.highWater).keys()].filter((slot) => table.isUsed(slot))
      if (what === 'open') open(++client)
      else if (what === 'packet' && used.length > 0) {
        const slot = used[pick % used.length] as number
        if (balancer.isServable(table, slot)) balancer.account(table, slot, TCP, flags, 40)
      } else if (what === 'wait') {
        now += ms
        balancer.begin(now)
        balancer.expire()
      } else if (what === 'delete' || what === 'add') {
        const name = `10.0.0.${1 + (pick % 2)}`
        const rule = what === 'add' ? addDestination(name) : deleteDestination(name)
        try {
          book.apply(rule)
        } catch {
          continue
        }
      }
      for (const d of [0, 1]) {
        let active = 0
        let inactive = 0
        for (let slot = 0; slot < table.highWater; slot++) {
          if (!table.isUsed(slot) || table.destination(slot) !== d) continue
          if (TCP_ACTIVE[table.state(slot)]) active++
          else inactive++
        }
        const { destinations } = balancer
        if (destinations.active(d) !== active || destinations.inactive(d) !== inactive) {
          throw new Error(
            `${destinations.active(d)}/${destinations.inactive(d)}, not ${active}/${inactive}`,
          )
        }
      }
    }
  })
  fc.assert(property, { seed: SEED, numRuns: 300 })
  t.pass('300 lives')
})

t.test('an overload of timers is worked off in parts, so that frames need not wait', async (t) => {
  const count = 20_000
  const limits = { ...LIMITS, connections4: count }
  const balancer = create(limits, 1)
  balancer.start(0)
  const destination = balancer.destinations.create(4, TCP, new Int32Array(4), 80)
  for (let i = 0; i < count; i++) {
    balancer.connections4.insert4(TCP, i, VIP, 0x1000_0050, destination, FLAG_INACTIVE, 5)
    balancer.destinations.addInactive(destination, 1)
  }
  balancer.begin(1000)
  let calls = 0
  let most = 0
  while (balancer.connections4.count > 0 && calls < 1000) {
    const before = balancer.connections4.count
    balancer.expire()
    most = Math.max(most, before - balancer.connections4.count)
    calls++
  }
  t.equal(balancer.connections4.count, 0)
  balancer.due.advance()
  t.ok(most <= 128, `${most} at once`)
  t.ok(calls > 1 && !balancer.due.isBehind, `${calls} calls, and nothing is left`)
  t.equal(balancer.destinations.inactive(destination), 0)
})

t.test('memory: tables of a size need exactly what is asked for', async (t) => {
  const bytes = Balancer.bytes(LIMITS)
  t.doesNotThrow(() => create(LIMITS, 0))
  t.ok(bytes > (LIMITS.connections4 + LIMITS.connections6 + LIMITS.templates) * 64)
  t.ok(bytes < (LIMITS.connections4 + LIMITS.connections6 + LIMITS.templates) * 64 + 20_000)
})
