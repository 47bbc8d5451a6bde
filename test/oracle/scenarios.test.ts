/**
 * Fresh random scenarios, recorded from IPVS of Linux while the test runs, and played to the
 * director. `npm run oracle` does the same for as long as one likes.
 */
import t from 'tap'
import type { Difference } from '../../src/conform/play.js'
import { cannotHaveOracle } from '../../src/oracle/machine.js'
import { generate, KINDS } from '../../src/oracle/random-scenario.js'
import { Recorder } from '../../src/oracle/recorder.js'
import { attempt } from '../../src/oracle/trial.js'

/** So many ms of scenarios; the last one may take longer. */
const BUDGET_MS = 10_000
const SCENARIOS_MIN = 4

function told({ step, what, recorded, ours }: Difference): string {
  return `step ${step}: ${what}\n  Linux: ${recorded}\n  ours:  ${ours}`
}

t.test('Linux and the director agree', { skip: cannotHaveOracle() }, async (t) => {
  t.setTimeout(170_000)
  const first = Math.floor(Date.now() / 1000)
  const recorder = await Recorder.start()
  t.teardown(() => recorder.close())
  const until = Date.now() + BUDGET_MS
  let seed = first
  for (let i = 0; i < SCENARIOS_MIN || Date.now() < until; i++, seed++) {
    const kind = KINDS[i % KINDS.length]
    const { difference } = await attempt(recorder, generate(kind, seed))
    const again = `npm run oracle -- --kind ${kind} --seeds ${seed}`
    t.equal(difference && told(difference), undefined, again)
  }
})
