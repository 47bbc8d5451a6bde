/**
 * Our own code alone, without a kernel: through the memory port, from a ring of frames.
 *
 *   npm run bench -- [--only NAME,…] [--frames N] [--rounds N] [--repeats N] [--flows N,…]
 *                    [--connections N] [--held N] [--small-pages] [--ipv6]
 *
 * One file in bench/micro for each measurement; each of their parts has a process of its own.
 */
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { allowInlining } from '../src/daemon/inlining.js'
import { decision } from './micro/decision.js'
import { expiry } from './micro/expiry.js'
import { held } from './micro/held.js'
import { listing } from './micro/listing.js'
import type { Measurement, Options } from './micro/measurement.js'
import { openings } from './micro/openings.js'

const MEASUREMENTS: readonly Measurement[] = [decision, openings, expiry, held, listing]

/** A part of a measurement, for the process that started this one. */
async function runChild(): Promise<void> {
  const [, , , name, part, options] = process.argv
  const found = await named(name).child?.(JSON.parse(options), part)
  console.log(JSON.stringify(found))
}

async function runAll(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: MEASUREMENTS.map(({ name }) => name).join(',') },
      frames: { type: 'string', default: '4000000' },
      rounds: { type: 'string', default: '5' },
      repeats: { type: 'string', default: '3' },
      flows: { type: 'string', default: '256,100000,1000000' },
      connections: { type: 'string', default: '1000000' },
      held: { type: 'string', default: '10000000' },
      'small-pages': { type: 'boolean', default: false },
      ipv6: { type: 'boolean', default: false },
    },
  })
  const options: Options = {
    frames: Number(values.frames),
    rounds: Number(values.rounds),
    repeats: Number(values.repeats),
    flows: values.flows.split(',').map(Number),
    connections: Number(values.connections),
    held: Number(values.held),
    hugePages: !values['small-pages'],
    ipv6: values.ipv6,
  }
  const load = loadavg()[0].toFixed(1)
  console.log(
    `${cpus()[0].model}, ${cpus().length} processors, Node ${process.version}, load average ${load}`,
  )
  for (const measurement of values.only.split(',').map(named)) {
    console.log(`\n${measurement.name}: ${measurement.title}`)
    await measurement.run(options)
  }
}

function named(name: string): Measurement {
  const found = MEASUREMENTS.find((each) => each.name === name)
  if (found !== undefined) return found
  const names = MEASUREMENTS.map((each) => each.name).join(', ')
  throw new Error(`there is no measurement ${name}; there are ${names}`)
}

allowInlining()
void (process.argv[2] === '--child' ? runChild() : runAll())
