/** Sums over the tables of several workers. */
import t from 'tap'
import { estimateAll, sourceOf, totalsOf } from '../../src/control/accounts.js'
import { Live } from '../../src/control/live.js'
import { perCpuText, rawCounts } from '../../src/control/proc-text.js'
import { listConnections, listServices } from '../../src/control/readers.js'
import { addDestination, addService, makeBook } from '../balance/rule-book.js'

const VIP_WORD = 0xc0a8016e | 0

function make(workers: number) {
  const rules = [addService(), addDestination('10.0.0.1')]
  const [book, ...books] = Array.from({ length: workers + 1 }, () => makeBook())
  for (const each of [book, ...books]) for (const rule of rules) each.apply(rule)
  const tables = books.map(({ balancer }) => balancer)
  return { book, tables, source: sourceOf(book, new Live(tables, (i) => 1000 * i)) }
}

t.test('connections, counters and rates of all', async (t) => {
  const { book, tables, source } = make(3)
  for (const [i, { connections4, destinations, services }] of tables.entries()) {
    for (let n = 0; n <= i; n++) {
      const client = 0x0a010000 + 256 * i + n
      connections4.insert4(6, client, VIP_WORD, (4000 << 16) | 80, 0, 0, 1000 * i + 500)
      destinations.addInactive(0, 1)
      destinations.countConnection(0)
      destinations.countInput(0, 100)
      services.countConnection(0)
      services.countInput(0, 100)
    }
    destinations.addActive(0, i)
    destinations.addPersistent(0, 1)
  }
  const [{ statistics, destinations }] = listServices(source, new Map())
  t.match(statistics, { connections: 6, inPackets: 6, inBytes: 600 })
  t.match(destinations[0], { active: 3, inactive: 6, persistent: 3, statistics })
  t.same(totalsOf(source).statistics, statistics)
  estimateAll(source)
  t.equal(totalsOf(source).rates.connectionsPerSecond, Math.floor((6 * 512) / 4 / 1024 + 0.5))
  const { live } = source
  t.same([live.connections4, live.connections6, live.templates], [6, 0, 0])
  const listed = [...listConnections(book, live.parts)]
  t.equal(listed.length, 6)
  t.same([...new Set(listed.map(({ expires }) => expires))], [5], 'each by its own clock')
  const text = perCpuText(
    totalsOf(source),
    live.parts.map(({ tables }) => rawCounts(tables)),
  )
  t.match(text, /\n {2}0 {8}1 .*\n {2}1 {8}2 .*\n {2}2 {8}3 .*\n {2}~ {8}6 /)
})

t.test('a destination is forgotten when no worker refers to it', async (t) => {
  const { book, tables, source } = make(2)
  const rule = {
    op: 'delete-destination',
    service: { protocol: 'tcp', address: '192.168.1.110', port: 80 },
    destination: { address: '10.0.0.1', port: 80 },
  } as const
  tables[1].destinations.addInactive(0, 1)
  t.notOk(source.live.isUnreferenced(0), 'it is in a list')
  book.apply(rule)
  for (const { destinations } of tables) destinations.unlink(0, 0)
  t.ok(tables[0].isUnreferenced(0))
  t.notOk(source.live.isUnreferenced(0), 'the second worker has a connection')
  tables[1].destinations.addInactive(0, -1)
  t.ok(source.live.isUnreferenced(0))
})
