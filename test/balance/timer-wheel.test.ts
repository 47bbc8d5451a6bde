import fc from 'fast-check'
import t from 'tap'
import { TICK_MS, TICKS_PER_S, TimerWheel } from '../../src/balance/timer-wheel.js'
import { SEED } from './rule-book.js'

const STRIDE = 5
const RECORDS = 24

function makeWheel(start: number) {
  const words = new Int32Array(RECORDS * STRIDE).fill(0)
  const wheel = new TimerWheel(words, STRIDE, 1, 2, 4)
  wheel.start(start)
  return wheel
}

/** Distances at which something changes: the borders of the levels, and around them. */
const BORDERS = [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 16_777_215, 16_777_216, 16_777_300]
const distance = fc.oneof(
  { weight: 4, arbitrary: fc.nat({ max: 600 }) },
  { weight: 2, arbitrary: fc.nat({ max: 140_000 }) },
  { weight: 2, arbitrary: fc.constantFrom(...BORDERS) },
)

const step = fc.oneof(
  fc.record({
    do: fc.constant('set' as const),
    slot: fc.nat({ max: RECORDS - 1 }),
    ahead: distance,
  }),
  fc.record({ do: fc.constant('unfile' as const), slot: fc.nat({ max: RECORDS - 1 }) }),
  fc.record({
    do: fc.constant('advance' as const),
    by: fc.nat({ max: 700 }),
    budget: fc.nat({ max: 6 }),
  }),
  fc.record({
    do: fc.constant('advance' as const),
    by: fc.nat({ max: 70_000 }),
    budget: fc.nat({ max: 40 }),
  }),
)

t.test('agrees with a list of due times, whatever is filed, moved and taken out', async (t) => {
  // Starts shortly before ticks wrap from 2^31 - 1 to -2^31, and from -1 to 0, and elsewhere.
  const start = fc.constantFrom(0, 1, 0x7fffffff - 300, 0x7fffffff, -300, -1, 255, 65_530, 0xffff00)
  const property = fc.property(start, fc.array(step, { maxLength: 60 }), (first, steps) => {
    const wheel = makeWheel(first)
    /** Due times as distances from `first`: numbers that do not wrap. */
    const model = new Map<number, number>()
    let now = 0
    const tick = () => (first + now) | 0
    for (const each of steps) {
      if (each.do === 'set') {
        const due = (tick() + each.ahead) | 0
        if (model.has(each.slot)) wheel.reschedule(each.slot, due)
        else wheel.file(each.slot, due)
        model.set(each.slot, now + each.ahead)
      } else if (each.do === 'unfile') {
        if (!model.delete(each.slot)) continue
        wheel.unfile(each.slot)
      } else {
        now += each.by
        const expire = (slot: number) => {
          const due = model.get(slot)
          if (due === undefined) throw new Error(`${slot} expired but was not filed`)
          if (due > now) throw new Error(`${slot} expired ${due - now} ticks early`)
          if (wheel.isFiled(slot)) throw new Error(`${slot} is still filed while it expires`)
          model.delete(slot)
        }
        let touched = 0
        const left = wheel.advance(tick(), { expire }, each.budget)
        if (left > each.budget || left < 0) throw new Error(`${left} left of ${each.budget}`)
        touched = each.budget - left
        if (touched > each.budget) throw new Error('worked beyond its budget')
        // With budget to spare nothing that is due may be left.
        if (left > 0) {
          for (const [slot, due] of model) if (due <= now) throw new Error(`${slot} is late`)
        }
      }
      for (let slot = 0; slot < RECORDS; slot++) {
        if (wheel.isFiled(slot) !== model.has(slot)) throw new Error(`${slot} is filed?`)
      }
    }
    // In the end everything expires, and exactly at its time if the wheel turns tick by tick.
    const last = Math.max(now, ...model.values())
    if (last - now > 200_000) return
    while (model.size > 0 && now <= last) {
      now++
      wheel.advance(
        tick(),
        {
          expire: (slot) => {
            const due = model.get(slot) as number
            if (due > now) throw new Error(`${slot} early at the end`)
            model.delete(slot)
          },
        },
        1000,
      )
      for (const [slot, due] of model) if (due <= now) throw new Error(`${slot} late at the end`)
    }
    if (model.size > 0) throw new Error('some never expired')
  })
  fc.assert(property, { seed: SEED, numRuns: 400 })
  t.pass('400 sequences')
})

t.test('far timers come down level by level and expire on their tick', async (t) => {
  for (const ahead of BORDERS) {
    const wheel = makeWheel(1000)
    wheel.file(0, 1000 + ahead)
    const expired: number[] = []
    const expirer = { expire: (slot: number) => expired.push(slot) }
    wheel.advance(1000 + ahead - 1, expirer, 100)
    t.same(expired, [], `not at ${ahead} - 1`)
    wheel.advance(1000 + ahead, expirer, 100)
    t.same(expired, [0], `at ${ahead}`)
  }
})

t.test('half way round the ticks is as far as it reaches', async (t) => {
  const wheel = makeWheel(5)
  wheel.file(3, (5 + 0x7fffffff) | 0)
  wheel.file(4, 5 + (1 << 30))
  t.ok(wheel.isFiled(3))
  wheel.reschedule(3, 6)
  wheel.reschedule(4, 7)
  const expired: number[] = []
  wheel.advance(10, { expire: (slot) => expired.push(slot) }, 100)
  t.same(expired, [3, 4], 'brought near again, both expire in order')
})

t.test('a budget of one works everything off, one record a call', async (t) => {
  const wheel = makeWheel(0)
  for (let slot = 0; slot < 10; slot++) wheel.file(slot, 7)
  const expired = new Set<number>()
  let calls = 0
  while (expired.size < 10 && calls < 100) {
    wheel.advance(9, { expire: (slot) => expired.add(slot) }, 1)
    calls++
  }
  t.equal(expired.size, 10)
  t.equal(calls, 10)
})

t.test('an expirer may file again, at once and later', async (t) => {
  const wheel = makeWheel(0)
  wheel.file(0, 3)
  const times: number[] = []
  let now = 0
  const expirer = {
    expire: (slot: number) => {
      times.push(now)
      if (times.length < 4) wheel.file(slot, now + 5)
    },
  }
  for (now = 0; now < 40; now++) wheel.advance(now, expirer, 10)
  t.same(times, [3, 8, 13, 18])
})

t.test('a due time of now, when this tick is done, is the next tick', async (t) => {
  const wheel = makeWheel(0)
  const expired: number[] = []
  wheel.advance(50, { expire: (slot) => expired.push(slot) }, 10)
  wheel.file(1, 50)
  wheel.file(2, 20)
  wheel.advance(50, { expire: (slot) => expired.push(slot) }, 10)
  t.same(expired, [])
  wheel.advance(51, { expire: (slot) => expired.push(slot) }, 10)
  t.same(expired.sort(), [1, 2])
})

t.test('a tick is a hundredth of a second', async (t) => {
  t.equal(TICK_MS * TICKS_PER_S, 1000)
  t.equal(TICK_MS, 10)
})
