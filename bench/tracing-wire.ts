/**
 * What a trace costs a director on a wire: CPU time of the worker's thread for each frame that it
 * takes, at full speed, with and without a trace in turns; and what the main thread spends.
 *
 *   npm run bench:trace-wire -- [--engines NAME,…] [--rounds N] [--ms N] [--rate N] [--filter TEXT]
 *
 * CPU time and not rates, as the generator's rate is never the same twice. Needs root.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Rule } from '../src/balance/rule.js'
import type { Contestant } from '../src/bench/contestants/contestant.js'
import { CONTESTANTS } from '../src/bench/contestants/index.js'
import { median } from '../src/bench/micro/measurement.js'
import { Field } from '../src/bench/wire/field.js'
import { Generator } from '../src/bench/wire/generator.js'
import { DEFAULT_RULES, wireRules } from '../src/bench/wire/rules.js'
import { ControlClient } from '../src/control/client.js'

const { values } = parseArgs({
  options: {
    engines: { type: 'string', default: 'af_xdp,af_packet' },
    rounds: { type: 'string', default: '15' },
    ms: { type: 'string', default: '800' },
    rate: { type: 'string', default: '1000' },
    filter: { type: 'string', default: '' },
  },
})
/** As `uipvs bench wire`: generator and director do not share a processor. */
const PINNED_GENERATOR = ['taskset', '-c', '0']
const PINNED_DIRECTOR = ['taskset', '-c', '1']
const SETTLING_MS = 300

const service = { protocol: 'udp', address: '10.77.0.100', port: 9 } as const
const rule = { op: 'add-service', service, settings: {} } as unknown as Rule
const destinations = [2, 3, 4].map((n) => {
  const destination = { address: `10.78.0.${n}`, port: 9 }
  return { op: 'add-destination', service, destination, settings: { method: 'route', weight: 1 } }
}) as unknown as Rule[]
const rules = wireRules(DEFAULT_RULES, [rule, ...destinations])

/** CPU time of each thread so far, in ns, the main thread's first. */
function threadsOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).map((tid) => {
    const text = readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8')
    return Number(text.split(' ')[0])
  })
}

interface Stretch {
  readonly frames: number
  /** Of the worker, and of the main thread, in ns. */
  readonly worker: number
  readonly main: number
  readonly shown: number
}

async function measure(field: Field, engine: Contestant): Promise<void> {
  const load = { flows: 256, bytes: 60, isLive: true }
  const generator = await Generator.start(field, rules, load, PINNED_GENERATOR)
  const running = await engine.start({
    ...{ field, rules, directory: field.directory, pinning: PINNED_DIRECTOR },
    ...{ nodeFlags: [], workers: 1 },
  })
  const client = new ControlClient(join(field.directory, `${engine.name}.sock`))
  const [pid] = running.pids
  const stretch = async (): Promise<Stretch> => {
    const counts = await running.counts()
    const before = threadsOf(pid)
    await generator.send(0, Number(values.ms), 'live')
    await new Promise((resolve) => setTimeout(resolve, SETTLING_MS))
    const after = threadsOf(pid)
    const spent = after.map((ns, i) => ns - (before[i] ?? 0))
    const frames = ((await running.counts())?.frames ?? 0) - (counts?.frames ?? 0)
    const [main = 0, ...others] = spent
    return { frames, worker: Math.max(...others), main, shown: 0 }
  }
  const traced = async (): Promise<Stretch> => {
    const { filter, rate } = values
    const lines = await client.trace({ filter, rate: Number(rate), bytes: 192 })
    let shown = 0
    const reading = (async () => {
      for await (const batch of lines)
        for (const { type } of batch) shown += type === 'frame' ? 1 : 0
    })()
    const found = await stretch()
    client.close()
    await reading.catch(() => undefined)
    return { ...found, shown }
  }
  const perFrame = ({ worker, frames }: Stretch) => worker / frames
  await stretch()
  await traced()
  const without = [await stretch()]
  const withTrace: Stretch[] = []
  const more: number[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    withTrace.push(await traced())
    without.push(await stretch())
    const [before, after] = without.slice(-2).map(perFrame)
    more.push(perFrame(withTrace[round]) - (before + after) / 2)
  }
  const base = median(without.map(perFrame))
  const extra = median(more)
  const sum = (list: readonly Stretch[], of: (each: Stretch) => number) =>
    list.reduce((all, each) => all + of(each), 0)
  const mainOf = (list: readonly Stretch[]) => sum(list, ({ main }) => main) / list.length
  const shown = sum(withTrace, (each) => each.shown)
  const main = ((mainOf(withTrace) - mainOf(without)) * withTrace.length) / shown
  const rate = median(without.map(({ frames }) => frames)) / Number(values.ms)
  console.log(
    `${engine.name}: ${rate.toFixed(0)} thousand frames/s, the worker ${base.toFixed(0)} ns a frame; ` +
      `traced ${extra.toFixed(1)} ns more (${((100 * extra) / base).toFixed(1)} %); ` +
      `${shown} frames shown, ${(main / 1000).toFixed(1)} µs of the main thread each`,
  )
  await running.stop()
  generator.stop()
}

const load = loadavg()[0].toFixed(1)
console.log(
  `${cpus()[0].model}, ${cpus().length} processors, Node ${process.version}, load ${load}`,
)
for (const name of values.engines.split(',')) {
  const engine = CONTESTANTS.find((each) => each.name === name)
  if (engine === undefined) throw new Error(`there is no engine ${name}`)
  const field = new Field(rules, true)
  try {
    await measure(field, engine)
  } finally {
    field.close()
  }
}
