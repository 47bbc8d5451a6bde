/**
 * A minute of fuzzing, shared out evenly among the targets; longer runs: `npm run fuzz -- SECONDS`.
 * The seed is a new one each day, and printed, so that days of test runs see more than one would.
 */
import t from 'tap'
import { Chance, damaged } from './chance.js'
import { report, runOnce } from './run.js'
import { type Target, targets } from './targets.js'

const SECONDS = Number(process.env.UIPVS_FUZZ_SECONDS ?? 60)
/** However slow the machine is, each target gets to run. */
const ITERATIONS_MIN = 200
const DAY_MS = 86_400_000
const seed = Number(process.env.UIPVS_FUZZ_SEED ?? Math.floor(Date.now() / DAY_MS))

t.comment(`seed ${seed}; UIPVS_FUZZ_SEED=${seed} gives the same inputs again`)

t.setTimeout(10 * SECONDS * 1000)
for (const target of targets) {
  t.test(target.name, async (t) => {
    const end = performance.now() + (SECONDS * 1000) / targets.length
    let iteration = 0
    for (; iteration < ITERATIONS_MIN || performance.now() < end; iteration++) {
      const failure = await runOnce(target, seed, iteration)
      if (failure !== null) return t.fail(report(failure))
    }
    t.pass(`${iteration} inputs`)
  })
}

t.test('a failure tells its input and comes again', async (t) => {
  const target: Target = {
    name: 'finds a byte above 250',
    make: (chance) => chance.bytes(20),
    run: (input) => {
      if (input.some((byte) => byte > 250)) throw new Error('found')
    },
  }
  let iteration = 0
  let failure = await runOnce(target, 1, iteration)
  while (failure === null) failure = await runOnce(target, 1, ++iteration)
  const text = report(failure)
  t.match(text, /found/)
  t.match(text, `fuzz.mjs 1 1 'finds a byte above 250' ${iteration}`)
  t.match(text, Buffer.from(failure.input).toString('hex'))
  t.match(await runOnce(target, 1, iteration), { iteration, error: { message: 'found' } })
  t.same((await runOnce(target, 1, iteration))?.input, failure.input)
})

t.test('damage reaches every byte, and both longer and shorter inputs', (t) => {
  const chance = new Chance(7)
  const bytes = new Uint8Array(40)
  const touched = new Set<number>()
  const lengths = new Set<string>()
  for (let i = 0; i < 3000; i++) {
    const result = damaged(bytes, chance)
    lengths.add(result.length < 40 ? 'shorter' : result.length > 40 ? 'longer' : 'same')
    for (let at = 0; at < 40; at++) if (result[at] !== 0) touched.add(at)
  }
  t.equal(touched.size, 40)
  t.equal(lengths.size, 3)
  t.same(bytes, new Uint8Array(40), 'the original stays as it is')
  t.end()
})
