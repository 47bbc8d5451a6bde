/** Every number here was worked out by hand from Linux's formulas (`ip_vs_est.c`). */
import t from 'tap'
import type { Rule } from '../../src/balance/rule.js'
import { accountFor, estimateAll, sourceOf, totalsOf } from '../../src/control/accounts.js'
import { Live } from '../../src/control/live.js'
import { listServices } from '../../src/control/readers.js'
import { addDestination, addService, key, makeBook } from '../balance/rule-book.js'

/** A director whose traffic the test makes up: two services, the first with two destinations. */
function make() {
  const book = makeBook()
  const live = book.balancer
  const source = sourceOf(book, new Live([live]))
  const apply = (...rules: Rule[]) => {
    for (const rule of rules) {
      book.apply(rule)
      accountFor(source, rule)
    }
  }
  apply(
    addService(key(80)),
    addDestination('10.0.0.1'),
    addDestination('10.0.0.2'),
    addService(key(443)),
    addDestination('10.0.0.1', {}, key(443)),
  )
  /** As the balancer counts: each packet once for its service and once for its destination. */
  const traffic = (service: number, destination: number, packets: number, bytes: number) => {
    live.services.countConnection(service)
    live.destinations.countConnection(destination)
    for (let i = 0; i < packets; i++) {
      live.services.countInput(service, bytes)
      live.destinations.countInput(destination, bytes)
    }
  }
  const rates = () =>
    listServices(source, new Map()).map((s) => ({
      service: s.rates,
      destinations: s.destinations.map((d) => d.rates),
    }))
  return { source, apply, traffic, rates }
}

t.test('rates of destinations, of their service and of the director', async (t) => {
  const { source, traffic, rates } = make()
  traffic(0, 0, 100, 1000)
  traffic(0, 1, 20, 100)
  traffic(1, 2, 8, 40)
  estimateAll(source)
  //   d  packets  100 << 9 =  51,200 / 4 =  12,800    (12,800 + 511) >> 10 = 12
  //      bytes 100,000 << 4 = 1,600,000 / 4 = 400,000  (400,000 + 15) >> 5 = 12,500
  //   e  packets   20 << 9 =  10,240 / 4 =   2,560     (2,560 + 511) >> 10 = 2
  //      bytes   2,000 << 4 =  32,000 / 4 =   8,000      (8,000 + 15) >> 5 = 250
  //   f  packets    8 << 9 =   4,096 / 4 =   1,024     (1,024 + 511) >> 10 = 1
  //      bytes     320 << 4 =   5,120 / 4 =   1,280      (1,280 + 15) >> 5 = 40
  //   one connection: 512 / 4 = 128, (128 + 511) >> 10 = 0
  //   first service: 120 packets 15,360: 15; 102,000 bytes 408,000: 12,750
  //   two connections: 256, (256 + 511) >> 10 = 0; three: 384: 0
  //   in all: 128 packets 16,384: 16; 102,320 bytes 409,280: 12,790
  const row = (packets: number, bytes: number) => ({
    connectionsPerSecond: 0,
    inPacketsPerSecond: packets,
    outPacketsPerSecond: 0,
    inBytesPerSecond: bytes,
    outBytesPerSecond: 0,
  })
  t.same(rates(), [
    { service: row(15, 12_750), destinations: [row(2, 250), row(12, 12_500)] },
    { service: row(1, 40), destinations: [row(1, 40)] },
  ])
  t.same(totalsOf(source), {
    statistics: { connections: 3, inPackets: 128, outPackets: 0, inBytes: 102_320, outBytes: 0 },
    rates: row(16, 12_790),
  })
  // Two seconds of silence: 16,384 - 4,096 = 12,288: 12; 409,280 - 102,320 = 306,960: 9,592
  estimateAll(source)
  t.same(totalsOf(source).rates, row(12, 9592))
})

t.test('the director still counts what a deleted service had', async (t) => {
  const { source, apply, traffic } = make()
  traffic(0, 0, 3, 100)
  traffic(1, 2, 4, 10)
  estimateAll(source)
  apply({ op: 'delete-service', service: key(80) })
  const { statistics } = totalsOf(source)
  t.match(statistics, { connections: 2, inPackets: 7, inBytes: 340 })
})

t.test('-Z of one service leaves the total, -Z of all sets it to zero', async (t) => {
  const { source, apply, traffic } = make()
  traffic(0, 0, 3, 100)
  traffic(1, 2, 4, 10)
  estimateAll(source)
  apply({ op: 'zero', service: key(80) })
  t.match(totalsOf(source).statistics, { connections: 2, inPackets: 7 })
  const [first, second] = listServices(source, new Map())
  t.match(first?.statistics, { connections: 0, inPackets: 0 })
  t.match(first?.destinations.at(-1)?.statistics, { connections: 0, inPackets: 0 })
  t.match(second?.statistics, { connections: 1, inPackets: 4 })
  apply({ op: 'zero' })
  t.match(totalsOf(source), {
    statistics: { connections: 0, inPackets: 0, inBytes: 0 },
    rates: { inPacketsPerSecond: 0 },
  })
})

t.test('run_estimation 0: counters and rates stand as they were last estimated', async (t) => {
  const { source, apply, traffic, rates } = make()
  const set = (value: string) => apply({ op: 'set-sysctl', name: 'run_estimation', value })
  const packets = () => [
    totalsOf(source).statistics.inPackets,
    ...listServices(source, new Map()).flatMap((s) => [
      s.statistics.inPackets,
      ...s.destinations.map((d) => d.statistics.inPackets),
    ]),
  ]
  traffic(0, 0, 100, 1000)
  estimateAll(source)
  const before = rates()
  traffic(0, 0, 28, 1000)
  t.same(packets(), [128, 128, 0, 128, 0, 0])
  set('0')
  t.same(packets(), [100, 100, 0, 100, 0, 0])
  traffic(0, 1, 50, 1000)
  estimateAll(source)
  t.same(packets(), [100, 100, 0, 100, 0, 0])
  t.same(rates(), before)
  set('1')
  t.same(packets(), [178, 178, 50, 128, 0, 0])
  // What came meanwhile falls into the next two seconds, as in Linux:
  //   12,800 + ((28 << 9) - 12,800) / 4 = 12,800 + 384 = 13,184: (13,184 + 511) >> 10 = 13
  estimateAll(source)
  t.equal(rates()[0]?.destinations[1]?.inPacketsPerSecond, 13)
})
