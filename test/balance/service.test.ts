import fc from 'fast-check'
import t from 'tap'
import {
  STAT_CONNECTIONS,
  STAT_IN_BYTES,
  STAT_IN_PACKETS,
  STAT_OUT_BYTES,
  STAT_OUT_PACKETS,
} from '../../src/balance/destination.js'
import { Region, regionBytes } from '../../src/balance/region.js'
import {
  SERVICE_BYTES,
  SERVICE_ONE_PACKET,
  SERVICE_PERSISTENT,
  ServiceTable,
} from '../../src/balance/service.js'
import { SEED } from './rule-book.js'

const NONE = -1
const TCP = 6
const UDP = 17

function makeTable(capacity: number): ServiceTable {
  const bytes = regionBytes(...ServiceTable.pieces(capacity))
  return new ServiceTable(new Region(new ArrayBuffer(bytes)), capacity)
}

interface Key {
  readonly family: number
  readonly protocol: number
  readonly address: number
  readonly port: number
  readonly fwmark: number
}

const byAddress = fc.record({
  family: fc.constantFrom(4, 6),
  protocol: fc.constantFrom(TCP, UDP, 132),
  address: fc.constantFrom(1, 2),
  port: fc.constantFrom(0, 20, 21, 80, 1023, 1024, 50_000),
  fwmark: fc.constant(0),
})
const byMark = fc.record({
  family: fc.constantFrom(4, 6),
  protocol: fc.constant(0),
  address: fc.constant(0),
  port: fc.constant(0),
  fwmark: fc.constantFrom(1, 2, -1),
})

function wordsOf(key: Key): Int32Array {
  if (key.address === 0) return new Int32Array(4)
  return Int32Array.of(key.family === 4 ? key.address : 7, 0, 0, key.family === 4 ? 0 : key.address)
}

/** The order of the reference (§1.5.2), asked of a plain list. */
function matched(services: Map<number, Key>, packet: Key): number {
  const find = (wanted: Key) => {
    for (const [slot, key] of services) {
      if (JSON.stringify(key) === JSON.stringify(wanted)) return slot
    }
    return NONE
  }
  const { family, fwmark, protocol, port } = packet
  const exact = { ...packet, fwmark: 0 }
  const questions: Key[] = []
  if (fwmark !== 0) questions.push({ family, protocol: 0, address: 0, port: 0, fwmark })
  questions.push(exact)
  if (protocol === TCP && (port === 20 || port >= 1024)) questions.push({ ...exact, port: 21 })
  questions.push({ ...exact, port: 0 })
  for (const question of questions) {
    const slot = find(question)
    if (slot !== NONE) return slot
  }
  return NONE
}

t.test('matches in the order of Linux, whatever services come and go', async (t) => {
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('add' as const), key: fc.oneof(byAddress, byMark) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), pick: fc.nat() }) },
  )
  const packet = fc.record({
    ...{ family: fc.constantFrom(4, 6), protocol: fc.constantFrom(TCP, UDP, 132) },
    address: fc.constantFrom(1, 2),
    port: fc.constantFrom(0, 20, 21, 22, 80, 1023, 1024, 50_000),
    fwmark: fc.constantFrom(0, 1, 2, 3, -1),
  })
  const steps = fc.array(fc.tuple(step, fc.array(packet, { maxLength: 6 })), { maxLength: 30 })
  const property = fc.property(steps, (list) => {
    const table = makeTable(12)
    const services = new Map<number, Key>()
    for (const [each, packets] of list) {
      if (each.do === 'add') {
        const { family, protocol, port, fwmark } = each.key
        const text = JSON.stringify(each.key)
        if ([...services.values()].some((key) => JSON.stringify(key) === text)) continue
        const slot = table.create(family, protocol, wordsOf(each.key), port, fwmark)
        if ((slot === NONE) !== (services.size === 12)) throw new Error('a full table')
        if (slot !== NONE) services.set(slot, each.key)
      } else if (services.size > 0) {
        const slot = [...services.keys()][each.pick % services.size]
        table.release(slot)
        services.delete(slot)
      }
      const families = [...services.values()].map((key) => key.family)
      if (table.count4 !== families.filter((family) => family === 4).length) throw new Error('4')
      if (table.count6 !== families.filter((family) => family === 6).length) throw new Error('6')
      for (const one of packets) {
        const [a, b, c, d] = wordsOf(one)
        const { family, protocol, port, fwmark } = one
        const slot = table.match(family, protocol, a, b, c, d, port, fwmark)
        if (slot !== matched(services, one)) {
          throw new Error(`${JSON.stringify(one)} found ${slot}, not ${matched(services, one)}`)
        }
      }
    }
  })
  fc.assert(property, { seed: SEED, numRuns: 600 })
  t.pass('600 sequences')
})

t.test('what was configured can be read, and the rest stays', async (t) => {
  const table = makeTable(2)
  const slot = table.create(6, TCP, Int32Array.of(1, 2, 3, 4), 443, 0)
  table.configure(slot, SERVICE_PERSISTENT, 360, 64, 0x18)
  const seen = () => [
    table.family(slot),
    table.protocol(slot),
    table.port(slot),
    table.fwmark(slot),
    table.timeout(slot),
    table.netmask(slot),
    table.schedulerFlags(slot),
    table.hasFlag(slot, SERVICE_PERSISTENT),
    table.hasFlag(slot, SERVICE_ONE_PACKET),
    table.isUsed(slot),
  ]
  t.same(seen(), [6, TCP, 443, 0, 360, 64, 0x18, true, false, true])
  t.same(
    [0, 1, 2, 3].map((i) => table.address(slot, i)),
    [1, 2, 3, 4],
  )
  table.configure(slot, SERVICE_ONE_PACKET, 0, 128, 0)
  t.same(seen(), [6, TCP, 443, 0, 0, 128, 0, false, true, true])
  t.equal(table.head(slot), NONE)
  table.setHead(slot, 5, 1)
  table.setHead(slot, 6, 1)
  table.setHead(slot, 6, -1)
  t.same([table.head(slot), table.destinations(slot)], [6, 1])
})

t.test('statistics of a service and of the director as a whole', async (t) => {
  const table = makeTable(2)
  const [first, second] = [80, 81].map((port) => table.create(4, TCP, new Int32Array(4), port, 0))
  table.countConnection(first)
  table.countInput(first, 100)
  table.countInput(second, 50)
  table.countBytes(second, 8)
  table.countOutput(second, 68)
  const all = [STAT_CONNECTIONS, STAT_IN_PACKETS, STAT_IN_BYTES, STAT_OUT_PACKETS, STAT_OUT_BYTES]
  const statisticsOf = (slot: number) => all.map((i) => table.statistic(slot, i))
  t.same([first, second, table.capacity].map(statisticsOf), [
    [1, 1, 100, 0, 0],
    [0, 1, 58, 1, 68],
    [1, 2, 158, 1, 68],
  ])
  table.release(second)
  const again = table.create(4, TCP, new Int32Array(4), 82, 0)
  t.equal(again, second)
  t.same(statisticsOf(again), [0, 0, 0, 0, 0], 'the next in this slot begins at zero')
  t.same(statisticsOf(table.capacity), [1, 2, 158, 1, 68], 'the whole does not')
  t.equal(SERVICE_BYTES, 128)
})
