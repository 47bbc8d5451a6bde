import fc from 'fast-check'
import t from 'tap'
import { Sampler } from '../../src/engine/sampler.js'

const SEED = 20261127

t.test('all are taken while they are few, one by one or in batches', async (t) => {
  const sampler = new Sampler(10, 100, 1)
  for (let tick = 0; tick < 50; tick++) {
    for (let k = 0; k < 5; k++) t.ok(sampler.takes(1) && sampler.weight === 1)
    for (let i = 0; i < 5; i++) t.equal(sampler.next(i, 5), i)
    sampler.tick(1)
  }
  for (let k = 0; k < 100; k++) if (!sampler.takes(1)) t.fail('the burst of a while without any')
  t.notOk(sampler.takes(1), 'and then no more in this tick')
})

t.test('whatever comes, the budget holds, and what is taken stands for all', async (t) => {
  const way = fc.record({
    count: fc.nat(3000),
    ticks: fc.constantFrom(0, 0, 1, 3, 100),
    isBatch: fc.boolean(),
  })
  const property = fc.property(
    fc.double({ min: 0.01, max: 300, noNaN: true }),
    fc.array(way, { maxLength: 60 }),
    fc.nat(),
    (quota, ways, seed) => {
      const burst = Math.max(1, Math.min(256, quota * 100))
      const sampler = new Sampler(quota, burst, seed)
      let allowed = burst
      let came = 0
      let stoodFor = 0
      let waiting = 0
      const take = () => {
        allowed--
        stoodFor += sampler.weight
        if (sampler.weight !== waiting) throw new Error(`${sampler.weight} of ${waiting}`)
        waiting = 0
      }
      for (const { count, ticks, isBatch } of ways) {
        came += count
        if (isBatch) {
          let last = -1
          for (let i = sampler.next(0, count); i < count; i = sampler.next(i + 1, count)) {
            waiting += i - last
            last = i
            take()
          }
          waiting += count - 1 - last
        } else {
          for (let i = 0; i < count; i++) {
            waiting++
            if (sampler.takes(1)) take()
          }
        }
        if (allowed < -1e-6) throw new Error(`${-allowed} more than allowed`)
        if (ticks > 0) sampler.tick(ticks)
        allowed = Math.min(burst, allowed + quota * ticks)
      }
      if (stoodFor + waiting !== came) throw new Error(`${stoodFor} and ${waiting} of ${came}`)
    },
  )
  fc.assert(property, { seed: SEED, numRuns: 500 })
  t.pass('500 times')
})

t.test('much traffic is shown at about the rate that was asked for', async (t) => {
  const sampler = new Sampler(20, 200, 7)
  let taken = 0
  const ticks = 500
  for (let tick = 0; tick < ticks; tick++) {
    for (let i = sampler.next(0, 40_000); i < 40_000; i = sampler.next(i + 1, 40_000)) taken++
    sampler.tick(1)
  }
  t.ok(taken > 0.7 * 20 * ticks && taken <= 20 * ticks + 200, `${taken} taken`)
  t.ok(Math.abs(sampler.every - 2000) < 10, `one of ${sampler.every}`)
})

t.test('flows that take turns are all seen', async (t) => {
  // Every 64th of 32 flows in turn would be the same one's, without chance.
  const sampler = new Sampler(10, 10, 3)
  const seen = new Map<number, number>()
  for (let tick = 0; tick < 400; tick++) {
    for (let i = 0; i < 640; i++) {
      if (sampler.takes(1)) seen.set(i % 32, (seen.get(i % 32) ?? 0) + 1)
    }
    sampler.tick(1)
  }
  t.equal(seen.size, 32)
  const counts = [...seen.values()]
  t.ok(Math.max(...counts) < 4 * Math.min(...counts), counts.join(' '))
})
