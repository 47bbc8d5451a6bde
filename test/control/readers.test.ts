import t from 'tap'
import type { Rule } from '../../src/balance/rule.js'
import { sourceOf } from '../../src/control/accounts.js'
import { Live } from '../../src/control/live.js'
import { listConnections, listServices } from '../../src/control/readers.js'
import { parseIpv4 } from '../../src/wire/address.js'
import {
  addDestination,
  addService,
  deleteDestination,
  key,
  makeBook,
  VIP,
  VIP6,
} from '../balance/rule-book.js'

const ip = (address: string) => parseIpv4(address) as number

/** What main knows (`book`) and what a worker counts (`live`), as two copies of the same rules. */
function make(rules: readonly Rule[]) {
  const [book, worker] = [makeBook(), makeBook()]
  for (const rule of rules) {
    book.apply(rule)
    worker.apply(rule)
  }
  const live = worker.balancer
  return { book, live, source: sourceOf(book, new Live([live])) }
}

t.test('services: what rules say from one copy, what traffic says from the other', async (t) => {
  const mark = { fwmark: 9, family: 'inet' } as const
  const { live, source } = make([
    addService(key(), { scheduler: 'wlc', persistent: 60 }),
    addDestination('10.0.0.1', { weight: 5, upperThreshold: 9, lowerThreshold: 2 }),
    addDestination('10.0.0.2', {
      method: 'tunnel',
      tunnel: { type: 'gre', port: 0, checksum: 'csum' },
    }),
    addService(mark),
  ])
  live.destinations.addActive(0, 3)
  live.destinations.addInactive(0, 4)
  live.destinations.addPersistent(0, 2)
  live.destinations.countInput(0, 1000)
  live.services.countInput(0, 1000)
  const macs = new Map([['10.0.0.1', '02:00:00:00:00:05']])
  const [first, second] = listServices(source, macs)
  t.match(first, {
    service: key(),
    settings: { scheduler: 'wlc', persistent: 60 },
    statistics: { connections: 0, inPackets: 1, inBytes: 1000 },
  })
  t.match(first?.destinations, [
    { address: '10.0.0.2', method: 'tunnel', tunnel: { type: 'gre' }, active: 0, mac: null },
    {
      address: '10.0.0.1',
      port: 80,
      method: 'route',
      weight: 5,
      upperThreshold: 9,
      lowerThreshold: 2,
      active: 3,
      inactive: 4,
      persistent: 2,
      statistics: { inPackets: 1, inBytes: 1000 },
      mac: '02:00:00:00:00:05',
    },
  ])
  t.match(second, { service: mark, destinations: [] })
})

t.test('connections of both families, as ipvsadm -Lnc has them', async (t) => {
  const six = key(80, 'tcp', VIP6)
  const { book, live } = make([
    addService(),
    addDestination('10.0.0.1'),
    addService(key(53, 'udp')),
    addDestination('10.0.0.2', {}, key(53, 'udp')),
    addService(six),
    addDestination('2001:db8::5', {}, six),
  ])
  const client = ip('198.51.100.7')
  const tcp = live.connections4.insert4(6, client, ip(VIP), (40_000 << 16) | 80, 0, 0, 12_345)
  live.connections4.setState(tcp, 1)
  live.connections4.insert4(17, client, ip(VIP), (65_535 << 16) | 53, 1, 0, 1000)
  const view = new DataView(new ArrayBuffer(32))
  view.setInt32(0, 0x20010db8)
  view.setInt32(12, 7)
  view.setInt32(16, 0x20010db8)
  view.setInt32(28, 0x110)
  live.connections6.insert6(6, view, 0, 16, (9 << 16) | 80, 2, 0, 900)
  const gone = live.connections4.insert4(6, client, ip(VIP), (1 << 16) | 80, 0, 0, 50)
  live.connections4.remove(gone)
  t.same(
    [...listConnections(book, [{ tables: live, tick: 1000 }])],
    [
      {
        protocol: 'tcp',
        expires: 113,
        state: 'ESTABLISHED',
        client: '198.51.100.7',
        clientPort: 40_000,
        vip: VIP,
        vport: 80,
        destination: '10.0.0.1',
        destinationPort: 80,
        template: false,
      },
      {
        protocol: 'udp',
        expires: 0,
        state: 'UDP',
        client: '198.51.100.7',
        clientPort: 65_535,
        vip: VIP,
        vport: 53,
        destination: '10.0.0.2',
        destinationPort: 53,
        template: false,
      },
      {
        protocol: 'tcp',
        expires: 0,
        state: 'NONE',
        client: '2001:db8::7',
        clientPort: 9,
        vip: VIP6,
        vport: 80,
        destination: '2001:db8::5',
        destinationPort: 80,
        template: false,
      },
    ],
  )
})

t.test('the connections of a destination in the trash still show where they went', async (t) => {
  const { book, live } = make([addService(), addDestination('10.0.0.1')])
  live.connections4.insert4(6, 1, ip(VIP), 0x1000_0050, 0, 0, 100)
  book.apply(deleteDestination('10.0.0.1'))
  t.match(
    [...listConnections(book, [{ tables: live, tick: 0 }])],
    [{ destination: '10.0.0.1', destinationPort: 80 }],
  )
})

t.test('templates: of a port, of a mark, assured, invalid', async (t) => {
  const mark = { fwmark: 9, family: 'inet' } as const
  const rules = [
    addService(key(), { persistent: 60 }),
    addDestination('10.0.0.1'),
    addService(mark, { persistent: 60 }),
    addDestination('10.0.0.2', {}, mark),
  ]
  const { book, live } = make(rules)
  const { flow } = live
  flow.client[0] = ip('198.51.100.7')
  flow.vip[0] = ip(VIP)
  flow.vipPort = 80
  flow.clientPort = 4000
  flow.protocol = 6
  for (const service of [0, 1]) live.choose(service)
  live.templates.assure(1)
  const common = { client: '198.51.100.7', clientPort: 0, template: true, expires: 60 }
  t.match(
    [...listConnections(book, [{ tables: live, tick: 0 }])],
    [
      {
        ...common,
        protocol: 'tcp',
        state: 'NONE',
        vip: VIP,
        vport: 80,
        destination: '10.0.0.1',
        destinationPort: 80,
      },
      {
        ...common,
        protocol: 'ip',
        state: 'ASSURED',
        vip: '0.0.0.9',
        vport: 0,
        destination: '10.0.0.2',
        destinationPort: 0,
      },
    ],
  )
  live.templates.invalidate(0)
  t.match([...listConnections(book, [{ tables: live, tick: 0 }])][0], {
    vport: 65_535,
    destinationPort: 65_535,
  })
})

t.test('a record that changes hands while it is read is left out', async (t) => {
  const { book, live } = make([addService(), addDestination('10.0.0.1')])
  const table = live.connections4
  table.insert4(6, 1, ip(VIP), 0x1000_0050, 0, 0, 100)
  table.insert4(6, 2, ip(VIP), 0x1000_0050, 0, 0, 100)
  // While the reader looks at the ports of the first, its owner gives it to somebody else.
  const ports = table.ports.bind(table)
  table.ports = (slot) => {
    if (slot === 0) {
      table.remove(0)
      table.insert4(17, 3, ip(VIP), 0x2000_0050, 0, 0, 100)
    }
    return ports(slot)
  }
  t.same(
    [...listConnections(book, [{ tables: live, tick: 0 }])].map(({ client }) => client),
    ['0.0.0.2'],
  )
})

t.test('seconds are whole, rounded down, and right across the wrap of ticks', async (t) => {
  const { book, live } = make([addService(), addDestination('10.0.0.1')])
  const tick = 0x7fffffff - 50
  live.connections4.insert4(6, 1, ip(VIP), 0x1000_0050, 0, 0, (tick + 199) | 0)
  live.connections4.insert4(6, 2, ip(VIP), 0x1000_0050, 0, 0, (tick - 10) | 0)
  t.same(
    [...listConnections(book, [{ tables: live, tick }])].map(({ expires }) => expires),
    [1, 0],
  )
})
