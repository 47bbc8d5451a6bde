import t from 'tap'
import { FLAG_INACTIVE } from '../../src/balance/connection.js'
import { addDestination, addService, deleteDestination, makeBook, slotOf } from './rule-book.js'

const TCP = 6
const TICK_MS = 10

function bookWith(setting: string, connections: number, limits = {}) {
  const book = makeBook({ limits })
  book.apply({ op: 'set-sysctl', name: 'expire_nodest_conn', value: setting })
  book.apply(addService())
  book.apply(addDestination('192.168.1.2'))
  book.apply(addDestination('192.168.1.3'))
  const { connections4 } = book.balancer
  const [two, three] = ['192.168.1.2', '192.168.1.3'].map((address) => slotOf(book, address))
  for (let i = 0; i < connections; i++) {
    const to = (i % 2 === 0 ? two : three) as number
    const ports = ((1024 + (i & 0x3fff)) << 16) | 80
    const slot = connections4.insert4(TCP, i >> 14, 1, ports, to, FLAG_INACTIVE, 10_000)
    book.balancer.opened(connections4, slot, book.findService(addServiceKey) as number)
  }
  return { book, two: two as number, three: three as number }
}

const addServiceKey = { protocol: 'tcp', address: '192.168.1.110', port: 80 } as const

function tick(book: ReturnType<typeof makeBook>, ticks: number): void {
  book.balancer.begin(ticks * TICK_MS)
  book.balancer.expire()
}

t.test('connections end soon after their destination, without another packet', async (t) => {
  const { book, two, three } = bookWith('1', 20)
  const { connections4, destinations } = book.balancer
  book.apply(deleteDestination('192.168.1.2'))
  t.equal(connections4.count, 20, 'not at once')
  tick(book, 1)
  t.equal(connections4.count, 10)
  t.same([destinations.total(two), destinations.total(three)], [0, 10])
  tick(book, 2)
  t.equal(connections4.count, 10)
})

t.test('not without expire_nodest_conn', async (t) => {
  const { book } = bookWith('0', 20)
  book.apply(deleteDestination('192.168.1.2'))
  for (let i = 1; i < 5; i++) tick(book, i)
  t.equal(book.balancer.connections4.count, 20)
})

t.test('nor those of one that has come back in time', async (t) => {
  const { book } = bookWith('1', 20)
  book.apply(deleteDestination('192.168.1.2'))
  book.apply(addDestination('192.168.1.2'))
  tick(book, 1)
  t.equal(book.balancer.connections4.count, 20)
})

t.test('many of them are looked for a piece at a time', async (t) => {
  const many = 40_000
  const { book } = bookWith('1', many, { connections4: many })
  const { connections4 } = book.balancer
  book.apply(deleteDestination('192.168.1.2'))
  tick(book, 1)
  t.ok(connections4.count > many / 2 && connections4.count < many, `${connections4.count}`)
  tick(book, 2)
  tick(book, 3)
  t.equal(connections4.count, many / 2)
})

t.test('a template ends with the last of its connections, or by itself', async (t) => {
  const { book, two } = bookWith('1', 0)
  const { balancer } = book
  const service = book.findService(addServiceKey) as number
  for (const client of [1, 2]) {
    balancer.flow.set4(TCP, client, 1, 80)
    balancer.persistence.find(service, balancer.flow)
    const template = balancer.persistence.remember(service, two)
    if (client !== 1) continue
    const slot = balancer.connections4.insert4(TCP, 1, 1, (9 << 16) | 80, two, FLAG_INACTIVE, 9999)
    balancer.chosenTemplate = template
    balancer.opened(balancer.connections4, slot, service)
  }
  t.same([balancer.templates.count, balancer.destinations.persistent(two)], [2, 2])
  book.apply(deleteDestination('192.168.1.2'))
  tick(book, 1)
  t.same([balancer.templates.count, balancer.connections4.count], [0, 0])
  t.equal(balancer.destinations.persistent(two), 0)
})
