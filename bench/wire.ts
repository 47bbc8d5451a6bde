/**
 * Forwarded frames a second and CPU time a frame between network namespaces: `uipvs run` with its
 * engines, beside the kernel's own routing and the least that C can do. Needs root. How to read it:
 * bench/README.md.
 *
 *     node build/bench/wire.js [--seconds S] [--rounds N] [--flows N] [--size BYTES] [--rate PPS]
 *                              [--only NAME,…] [--node-flag FLAG] [--live] [--json]
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CONTESTANTS, type ContestantName } from './wire/contestants.js'
import { describeEnvironment, lookAround } from './wire/environment.js'
import { Field } from './wire/field.js'
import { disagreements, disturbance, summarize, table } from './wire/report.js'
import { Generator, type Measurement, measureRound } from './wire/round.js'

const SIZE_MIN = 60
const SIZE_MAX = 1514
const FLOWS_MAX = 65_536
const WARM_UP_MS = 1500

const values = readOptions()

function readOptions() {
  try {
    return parseArgs({
      options: {
        seconds: { type: 'string', default: '3' },
        rounds: { type: 'string', default: '5' },
        flows: { type: 'string', default: '256' },
        size: { type: 'string', default: String(SIZE_MIN) },
        rate: { type: 'string', default: '100000' },
        only: { type: 'string', default: CONTESTANTS.join(',') },
        'node-flag': { type: 'string', multiple: true, default: [] },
        live: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    fail((error as Error).message, 2)
  }
}

/** An option that is a number. Ends with status 2, as programs do, if it is not. */
function number(name: 'seconds' | 'rounds' | 'flows' | 'size' | 'rate', least: number, most = 1e9) {
  const value = Number(values[name])
  if (value >= least && value <= most && (name === 'seconds' || Number.isInteger(value))) {
    return value
  }
  fail(`--${name} ${values[name]}: a number from ${least} to ${most} is wanted`, 2)
}

function fail(message: string, status: number): never {
  console.error(`bench:wire: ${message}`)
  process.exit(status)
}

function contestants(): ContestantName[] {
  const names = values.only.split(',')
  const unknown = names.find((name) => !CONTESTANTS.includes(name as ContestantName))
  if (unknown !== undefined) fail(`--only ${unknown}: known are ${CONTESTANTS.join(', ')}`, 2)
  // Without the generator alone nobody's CPU time can be told from the generator's.
  return CONTESTANTS.filter((name) => name === 'generator' || names.includes(name))
}

/** Generator and contestant on different processors, where there are two and taskset(1). */
function pinnings(): { generator: string[]; contestant: string[] } {
  const cores = availableParallelism()
  if (cores < 2 || spawnSync('taskset', ['--version']).status !== 0) {
    return { generator: [], contestant: [] }
  }
  return { generator: ['taskset', '-c', '0'], contestant: ['taskset', '-c', `1-${cores - 1}`] }
}

const seconds = number('seconds', 0.5, 600)
const rounds = number('rounds', 1, 1000)
const flows = number('flows', 1, FLOWS_MAX)
const bytes = number('size', SIZE_MIN, SIZE_MAX)
const rate = number('rate', 1000, 10_000_000)
const names = contestants()
const pinning = pinnings()
const say = (line: string) => {
  if (!values.json) console.log(line)
}

// Namespaces and processes go at exit (test/namespaces.ts); a signal must only lead there.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(signal, () => process.exit(code))
}
if (process.getuid?.() !== 0) fail('network namespaces need root; try sudo', 1)
const directory = mkdtempSync(join(tmpdir(), 'uipvs-wire-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

const environment = await lookAround()
say(describeEnvironment(environment))
say(
  `${bytes}-byte UDP frames, ${flows} flows; ${rounds} rounds of ${seconds} s, ` +
    `${WARM_UP_MS / 1000} s of warm-up not counted` +
    (pinning.generator.length > 0 ? '; generator on processor 0, director on the others' : ''),
)

const field = new Field(values.live)
const generator = await Generator.start(
  field,
  { flows, bytes, isLive: values.live },
  pinning.generator,
)
const measurements: Measurement[] = []
const timing = { warmUpMs: WARM_UP_MS, measuredMs: seconds * 1000, rate }
const options = {
  field,
  directory,
  pinning: pinning.contestant,
  nodeFlags: values['node-flag'],
}
for (let round = 0; round < rounds; round++) {
  // Another one begins each round: nobody always runs after the same neighbour.
  for (let i = 0; i < names.length; i++) {
    const name = names[(round + i) % names.length]
    measurements.push(...(await measureRound(name, round, generator, timing, options)))
  }
  if (process.stderr.isTTY) process.stderr.write(`round ${round + 1} of ${rounds}\r`)
}
generator.stop()

const summaries = summarize(measurements)
const wrong = disagreements(measurements)
const disturbed = disturbance(measurements)
if (values.json) {
  const asked = { seconds, rounds, flows, bytes, rate, warmUpMs: WARM_UP_MS, pinning }
  console.log(
    JSON.stringify({ environment, asked, summaries, measurements, wrong, disturbed }, null, 2),
  )
} else {
  say('\nas many frames as the generator can send')
  say(table(summaries, 'unlimited'))
  say(`\n${rate} frames a second`)
  say(table(summaries, 'fixed'))
  say(
    '\nMedian and least..most of the rounds. The CPU time in µs is that of each frame that arrived,',
  )
  say(
    "less the generator's share: of the whole machine, of the processes involved, of the director's",
  )
  say('own. bench/README.md says how it is taken. Again with:')
  say(`  npm run bench:wire -- ${process.argv.slice(2).join(' ')}`.trimEnd())
  if (disturbed !== '') say(`\n${disturbed}`)
}
for (const sentence of wrong) console.error(`bench:wire: ${sentence}`)
process.exit(wrong.length === 0 ? 0 : 1)
