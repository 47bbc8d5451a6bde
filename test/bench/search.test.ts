/** The search for the highest rate without loss, against limits that are known. */
import fc from 'fast-check'
import t from 'tap'
import {
  type FoundRate,
  RATE_LEAST,
  searchRate,
  type TrialOutcome,
} from '../../src/bench/wire/search.js'

const RESOLUTION = 0.03
/** More trials than that, and a race would never end. */
const TRIALS_MAX = 120

function search(
  first: number,
  trial: (rate: number) => TrialOutcome,
): { found: FoundRate; tried: { rate: number; outcome: TrialOutcome }[] } {
  const tried: { rate: number; outcome: TrialOutcome }[] = []
  const steps = searchRate(first, RESOLUTION)
  let step = steps.next()
  while (!step.done) {
    if (tried.length > TRIALS_MAX) throw new Error('it does not end')
    const outcome = trial(step.value)
    tried.push({ rate: step.value, outcome })
    step = steps.next(outcome)
  }
  return { found: step.value, tried }
}

const rates = fc.integer({ min: 2 * RATE_LEAST, max: 20_000_000 })

t.test('a fixed limit is found from below, as close as asked', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(rates, rates, (limit, first) => {
        const { found, tried } = search(first, (rate) => ({ isLost: rate > limit, rate }))
        if (found.isGeneratorsLimit || found.rate > limit) return false
        // One more for whole numbers, which matter to small rates only.
        if (found.rate < limit * (1 - RESOLUTION) - 1) return false
        // It held twice.
        return tried.filter(({ rate }) => rate === found.rate).length >= 2
      }),
    ),
  )
})

t.test('a generator that can do less is told from a contestant that can not do more', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(rates, rates, rates, (limit, most, first) => {
        const { found } = search(first, (asked) => {
          const rate = Math.min(asked, most)
          return { isLost: rate > limit, rate }
        })
        if (found.isGeneratorsLimit) return most <= limit && found.rate === most
        // A generator may reach nearly what was asked: then it is no limit.
        return found.rate <= limit && found.rate >= Math.min(limit, most) * 0.93 - 1
      }),
    ),
  )
})

t.test('where chance decides, it ends, and what it names was seen without loss', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(rates, fc.infiniteStream(fc.boolean()), (first, chance) => {
        const { found, tried } = search(first, (rate) => {
          // Beyond ten million chance does not help any more.
          return { isLost: chance.next().value || rate > 10_000_000, rate }
        })
        if (found.rate === 0) return tried.some(({ outcome }) => outcome.isLost)
        const last = tried[tried.length - 1]
        return !last.outcome.isLost && found.rate <= last.rate
      }),
    ),
  )
})

t.test('loss at every rate', async (t) => {
  const { found } = search(500_000, (rate) => ({ isLost: true, rate }))
  t.same(found, { rate: 0, isGeneratorsLimit: false })
})

t.test('one trial in which the generator was held up decides nothing', async (t) => {
  let trials = 0
  const { found } = search(100_000, (asked) => {
    const rate = trials++ === 0 ? 20_000 : asked
    return { isLost: rate > 400_000, rate }
  })
  t.notOk(found.isGeneratorsLimit)
  t.ok(found.rate > 380_000 && found.rate <= 400_000, String(found.rate))
})
