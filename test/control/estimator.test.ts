import t from 'tap'
import { STAT_COUNT } from '../../src/balance/destination.js'
import { ESTIMATION_MS, Estimator } from '../../src/control/estimator.js'

/** Counters of a slot: connections, packets in, bytes in, packets out, bytes out. */
function make() {
  const cells = new Float64Array(STAT_COUNT)
  const estimator = new Estimator({ statistic: (_slot, index) => cells[index] as number })
  return { cells, estimator }
}

t.test('rates, by hand: (average + 511) >> 10 and (average + 15) >> 5', async (t) => {
  const { cells, estimator } = make()
  t.equal(ESTIMATION_MS, 2000)
  // 100 connections, 2000 packets and 3,000,000 bytes in two seconds:
  //   connections  100 << 9 = 51,200      / 4 = 12,800      (12,800 + 511) >> 10 = 12
  //   packets     2000 << 9 = 1,024,000   / 4 = 256,000    (256,000 + 511) >> 10 = 250
  //   bytes    3000000 << 4 = 48,000,000  / 4 = 12,000,000  (12,000,000 + 15) >> 5 = 375,000
  cells.set([100, 2000, 3_000_000, 8, 640])
  estimator.estimate(0, 1)
  t.same(estimator.rates(0, 1), {
    connectionsPerSecond: 12,
    inPacketsPerSecond: 250,
    inBytesPerSecond: 375_000,
    outPacketsPerSecond: 1,
    outBytesPerSecond: 80,
  })
  // Nothing more: average += (0 - average) >> 2, rounded down.
  //   12,800 - 3,200 = 9,600: 9          256,000 - 64,000 = 192,000: 187
  //   12,000,000 - 3,000,000: 281,250
  estimator.estimate(0, 1)
  t.match(estimator.rates(0, 1), {
    connectionsPerSecond: 9,
    inPacketsPerSecond: 187,
    inBytesPerSecond: 281_250,
  })
})

t.test('a steady flow comes to its rate, from above and from below, and back to 0', async (t) => {
  const { cells, estimator } = make()
  const after = (ticks: number, packets: number) => {
    for (let i = 0; i < ticks; i++) {
      cells[1] = (cells[1] as number) + packets
      estimator.estimate(0, 1)
    }
    return estimator.rates(0, 1).inPacketsPerSecond
  }
  t.equal(after(60, 2000), 1000)
  t.equal(after(60, 20), 10)
  t.equal(after(60, 2), 1)
  t.equal(after(60, 1), 0, 'half a packet a second: 512 + 511 is less than 1024')
  t.equal(after(100, 0), 0)
})

/** The same in whole numbers of any size, as the kernel has them. */
function model(changes: readonly number[], shift: bigint): bigint {
  let average = 0n
  for (const change of changes) average += ((BigInt(change) << shift) - average) >> 2n
  return average
}

t.test('agrees with 64-bit integers, also where rates are of another world', async (t) => {
  let random = 12345
  for (const scale of [1, 7, 1000, 1e6, 1e10]) {
    const { cells, estimator } = make()
    const changes: number[] = []
    for (let i = 0; i < 40; i++) {
      random = (Math.imul(random, 1103515245) + 12345) >>> 1
      changes.push(Math.floor((random % 1000) * scale))
      cells[1] = (cells[1] as number) + (changes.at(-1) as number)
      cells[2] = cells[1] as number
      estimator.estimate(0, 1)
    }
    const { inPacketsPerSecond, inBytesPerSecond } = estimator.rates(0, 1)
    t.equal(BigInt(inPacketsPerSecond), (model(changes, 9n) + 511n) >> 10n, `packets, ${scale}`)
    t.equal(BigInt(inBytesPerSecond), (model(changes, 4n) + 15n) >> 5n, `bytes, ${scale}`)
  }
})

t.test('-Z: counters begin where the last estimation stood, averages at 0', async (t) => {
  const { cells, estimator } = make()
  cells.set([10, 20, 30, 40, 50])
  estimator.estimate(3, 1)
  cells.set([11, 22, 33, 44, 55])
  estimator.zero(3, 1)
  t.same(estimator.statistics(3, 1), {
    connections: 1,
    inPackets: 2,
    inBytes: 3,
    outPackets: 4,
    outBytes: 5,
  })
  t.equal(estimator.rates(3, 1).inPacketsPerSecond, 0)
  t.equal(estimator.statistics(4, 1).connections, 11, 'another slot is not zeroed')
})

t.test('a slot that became somebody else begins anew', async (t) => {
  const { cells, estimator } = make()
  cells.set([10, 20, 30, 40, 50])
  estimator.estimate(0, 1)
  estimator.zero(0, 1)
  t.equal(estimator.statistics(0, 1).connections, 0)
  t.equal(estimator.statistics(0, 2).connections, 10, 'its counters are all its own')
  t.equal(estimator.rates(0, 2).inPacketsPerSecond, 0)
})
