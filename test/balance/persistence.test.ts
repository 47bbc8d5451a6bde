import t from 'tap'
import { NONE } from '../../src/balance/connection.js'
import type { Rule, ServiceKey } from '../../src/balance/rule.js'
import { parseIpv4 } from '../../src/wire/address.js'
import {
  addDestination,
  addService,
  deleteDestination,
  editDestination,
  editService,
  fillFlow,
  key,
  makeBook,
  nameOf,
  VIP,
} from './rule-book.js'

const ip = (text: string) => parseIpv4(text) as number
const TICKS_PER_S = 100

/** A director of one table, asked what it does with connections that open. */
function make(rules: readonly Rule[], limits = {}) {
  const book = makeBook({ limits })
  for (const rule of rules) book.apply(rule)
  const { balancer } = book
  const table = balancer.connections4
  return {
    book,
    balancer,
    templates: balancer.templates,
    at(seconds: number) {
      balancer.begin(seconds * 1000)
      balancer.expire()
    },
    /** Opens a connection; where it goes, and its slot. */
    open(client: string, sport: number, dport = 80, protocol = 6, service: ServiceKey = key()) {
      const slot = book.findService(service) as number
      fillFlow(balancer.flow, ip(client), sport, ip(VIP), dport, protocol)
      const destination = balancer.choose(slot)
      if (destination < 0) return { to: `none ${destination}`, slot: NONE }
      const connection = table.insert4(
        protocol,
        ip(client),
        ip(VIP),
        (sport << 16) | dport,
        destination,
        balancer.connectionFlags(slot, protocol),
        balancer.firstDue,
      )
      balancer.opened(table, connection, slot)
      balancer.account(table, connection, protocol, 2, 40)
      return { to: nameOf(book, destination), slot: connection }
    },
  }
}

function rules(changes = {}, service: ServiceKey = key()): Rule[] {
  return [
    addService(service, { persistent: 300, ...changes }),
    addDestination('10.0.0.1', {}, service),
    addDestination('10.0.0.2', {}, service),
  ]
}

t.test('a client stays where its first connection went', async (t) => {
  const director = make(rules())
  const first = director.open('192.0.2.1', 1000).to
  t.equal(director.open('192.0.2.1', 1001).to, first)
  t.not(director.open('192.0.2.2', 1000).to, first, 'another client is scheduled')
  t.equal(director.open('192.0.2.1', 1002).to, first)
  t.equal(director.templates.count, 2)
})

t.test('a network of clients shares a template', async (t) => {
  const director = make(rules({ netmask: '255.255.255.0' }))
  const first = director.open('192.0.2.1', 1000).to
  t.equal(director.open('192.0.2.254', 1).to, first)
  t.not(director.open('192.0.3.1', 1).to, first)
  t.equal(director.templates.client(0), ip('192.0.2.0'))
})

t.test(
  'weight 0 keeps its persistent clients, unless expire_quiescent_template says no',
  async (t) => {
    const director = make(rules())
    const first = director.open('192.0.2.1', 1000).to
    director.book.apply(editDestination(first, { weight: 0 }))
    t.equal(director.open('192.0.2.1', 1001).to, first)
    director.book.apply({ op: 'set-sysctl', name: 'expire_quiescent_template', value: '1' })
    t.not(director.open('192.0.2.1', 1002).to, first)
    t.equal(director.templates.count, 2)
    t.equal(director.templates.vport(0), 0xffff, 'the old one is renamed')
  },
)

t.test('a deleted destination loses its clients, and does not get them back', async (t) => {
  const director = make(rules())
  const first = director.open('192.0.2.1', 1000).to
  director.book.apply(deleteDestination(first))
  const second = director.open('192.0.2.1', 1001).to
  t.not(second, first)
  director.book.apply(addDestination(first))
  t.equal(director.open('192.0.2.1', 1002).to, second)
})

t.test(
  'a template lives on while it controls connections, and then in steps of 60 s',
  async (t) => {
    const director = make(rules({ persistent: 20 }))
    const { slot } = director.open('192.0.2.1', 1000) // SYN_RECV, 60 s
    director.at(19.9)
    t.equal(director.templates.count, 1)
    t.equal(director.templates.timeout(0), 20 * TICKS_PER_S)
    director.at(21)
    t.equal(director.templates.count, 1, 'prolonged: its connection lives')
    t.equal(director.templates.timeout(0), 60 * TICKS_PER_S, 'and its timeout is 60 s for good')
    director.at(61)
    t.notOk(director.balancer.connections4.isUsed(slot))
    t.equal(director.templates.controls(0), 0)
    t.equal(director.templates.count, 1)
    director.at(81)
    t.equal(director.templates.count, 0)
    t.same(
      [0, 1].map((d) => director.balancer.destinations.persistent(d)),
      [0, 0],
    )
  },
)

t.test('a new connection starts the full time again; an edit leaves templates alone', async (t) => {
  const director = make(rules({ persistent: 100 }))
  director.open('192.0.2.1', 1000)
  director.at(90)
  director.book.apply(editService(key(), { persistent: 7 }))
  director.open('192.0.2.1', 1001)
  director.at(189)
  t.equal(director.templates.count, 1)
  t.equal(director.templates.timeout(0), 100 * TICKS_PER_S)
  director.at(191)
  t.equal(director.templates.count, 0)
})

t.test('keys: the own port, all ports, FTP, a mark', async (t) => {
  const anyPort = make(rules({}, key(0)))
  const first = anyPort.open('192.0.2.1', 1, 80, 6, key(0)).to
  t.equal(anyPort.open('192.0.2.1', 2, 443, 6, key(0)).to, first)
  t.equal(anyPort.templates.vport(0), 0)

  const ftp = make(rules({}, key(21)))
  const control = ftp.open('192.0.2.1', 1, 21, 6, key(21)).to
  t.equal(ftp.open('192.0.2.1', 2, 50_000, 6, key(21)).to, control, 'a passive data connection')
  t.equal(ftp.open('192.0.2.1', 20, 50_000, 6, key(21)).to, 'none -2', 'from port 20: left alone')
  t.equal(ftp.templates.vport(0), 0)

  const mark: ServiceKey = { fwmark: 7, family: 'inet' }
  const marked = make(rules({}, mark))
  const tcp = marked.open('192.0.2.1', 1, 80, 6, mark).to
  t.equal(marked.open('192.0.2.1', 2, 53, 17, mark).to, tcp, 'all protocols and ports')
  t.same([marked.templates.protocol(0), marked.templates.vip(0)], [0, 7])
  t.equal(marked.templates.count, 1)
})

t.test('a template is assured when a connection under it is established', async (t) => {
  const director = make(rules())
  const { slot } = director.open('192.0.2.1', 1000)
  t.notOk(director.templates.isAssured(0))
  director.balancer.account(director.balancer.connections4, slot, 6, 0x10, 40)
  t.ok(director.templates.isAssured(0))
})

t.test('no room for a template: no connection, and no trace', async (t) => {
  const director = make(rules(), { templates: 1 })
  t.equal(director.open('192.0.2.1', 1).slot, 0)
  t.equal(director.open('192.0.2.2', 1).to, 'none -3')
  t.equal(director.balancer.connections4.count, 1)
  const persistent = [0, 1].map((d) => director.balancer.destinations.persistent(d))
  t.same(persistent.sort(), [0, 1])
})

t.test('nobody to choose: as without persistence', async (t) => {
  const director = make([addService(key(), { persistent: 300 })])
  t.equal(director.open('192.0.2.1', 1).to, 'none -1')
  const ftp = make([addService(key(21), { persistent: 300 })])
  t.equal(ftp.open('192.0.2.1', 1, 50_000, 6, key(21)).to, 'none -2', 'FTP data: left alone')
  t.equal(ftp.templates.count, 0)
})

t.test(
  'persistent connections are not given to another when their port is used again',
  async (t) => {
    const director = make(rules())
    const { slot } = director.open('192.0.2.1', 1000)
    const { balancer } = director
    for (const flags of [0x10, 0x14]) balancer.account(balancer.connections4, slot, 6, flags, 40)
    t.equal(balancer.connections4.state(slot), 6, 'CLOSE')
    t.notOk(balancer.reuses(balancer.connections4, slot, 6, 2))
  },
)
