/**
 * Our own code alone, without a kernel: through the memory port, from a ring of frames. One file
 * for each measurement; what they mean: docs/benchmarking.md.
 */
import { makeDirectory, removeDirectory } from '../directory.js'
import type { Bench, Section } from '../section.js'
import { decision } from './decision.js'
import { expiry } from './expiry.js'
import { held } from './held.js'
import { listing } from './listing.js'
import { type Found, type Measurement, type Options, processes } from './measurement.js'
import { openings } from './openings.js'
import { tracing } from './tracing.js'

export type { Options } from './measurement.js'

export const MEASUREMENTS: readonly Measurement[] = [
  decision,
  openings,
  expiry,
  listing,
  held,
  tracing,
]

/** About so long takes a process of a measurement. */
const SECONDS_EACH = 6

/** `uipvs bench micro`: what a decision costs. */
export function micro(options: Options): Bench {
  return bench('micro', 'A decision, without a kernel', options, ['decision'])
}

export const CONNECTION_MEASUREMENTS = ['openings', 'expiry', 'listing', 'held'] as const

/** `uipvs bench connections`: what tables take and hold; all of it, or what `names` say. */
export function connections(
  options: Options,
  names: readonly string[] = CONNECTION_MEASUREMENTS,
): Bench {
  return bench('connections', 'Connections at scale', options, names)
}

function bench(name: string, title: string, options: Options, names: readonly string[]): Bench {
  const chosen = MEASUREMENTS.filter((each) => names.includes(each.name))
  const steps = chosen.reduce((sum, each) => sum + each.steps(options), 0)
  return {
    seconds: steps * SECONDS_EACH,
    run: async (tell, ended) => {
      const directory = makeDirectory()
      const remove = () => removeDirectory(directory)
      process.on('exit', remove)
      let current: Measurement = chosen[0]
      let done = 0
      const started = () => {
        tell(Math.min(1, done / steps), current.name, `process ${done + 1} of ${steps}`)
        done++
      }
      const surroundings = { ...processes(started), directory }
      const found: [Measurement, Found][] = []
      const all = async (): Promise<Section> => {
        for (const measurement of chosen) {
          current = measurement
          found.push([measurement, await measurement.run(options, surroundings)])
        }
        return section(name, title, options, found)
      }
      try {
        return await Promise.race([all(), ended])
      } finally {
        process.off('exit', remove)
        remove()
      }
    },
  }
}

function section(
  name: string,
  title: string,
  options: Options,
  found: readonly [Measurement, Found][],
): Section {
  return {
    name,
    title,
    conditions: [
      'A director over a ring of frames in memory: one TCP service (`wlc`), three realservers.',
      'Nothing is copied, and each part has a process of its own.',
      `Tables lie in ${options.hugePages ? 'huge' : 'small'} pages where nothing else is said.`,
    ],
    tables: found.map(([, { table }]) => table),
    plots: found.flatMap(([, { plot }]) => (plot === undefined ? [] : [plot])),
    remarks: found.flatMap(([, { remarks }]) => remarks),
    wrong: [],
    data: {
      asked: options,
      ...Object.fromEntries(found.map(([each, { data }]) => [each.name, data])),
    },
  }
}
