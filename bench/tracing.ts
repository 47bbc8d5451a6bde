/**
 * What `uipvs trace` costs the path of frames; see src/bench/micro/tracing.ts.
 *
 *   npm run bench:trace -- [--frames N] [--rounds N] [--repeats N] [--flows N,…]
 */
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { processes } from '../src/bench/micro/measurement.js'
import { tracing } from '../src/bench/micro/tracing.js'

const { values } = parseArgs({
  options: {
    frames: { type: 'string', default: '2000000' },
    rounds: { type: 'string', default: '5' },
    repeats: { type: 'string', default: '2' },
    flows: { type: 'string', default: '256,100000' },
  },
})
const options = {
  frames: Number(values.frames),
  rounds: Number(values.rounds),
  repeats: Number(values.repeats),
  flows: values.flows.split(',').map(Number),
  connections: 0,
  held: 0,
  hugePages: true,
  ipv6: false,
}
const load = loadavg()[0].toFixed(1)
console.log(
  `${cpus()[0].model}, ${cpus().length} processors, Node ${process.version}, load ${load}`,
)
const { table } = await tracing.run(options, { ...processes(() => {}), directory: '' })
console.log(table.title)
for (const [what, ...cells] of [table.head, ...table.rows]) {
  console.log(`${what.padEnd(36)}${cells.map((cell) => cell.padStart(10)).join('')}`)
}
