/**
 * What a trace costs the path of frames: CPU ns per frame of existing connections, at full rate,
 * with and without. Nobody reads the ring, as reading is another thread's work.
 *
 * The kinds take turns within one process, each round with a trace between two without, so that a
 * slow minute hits all alike: what a trace costs is the median of these differences.
 */
import { Region } from '../../balance/region.js'
import type { Director } from '../../engine/forward.js'
import { TICK_INTERVAL_MS } from '../../engine/loop.js'
import { TRACE_RING_BYTES, TraceWriter } from '../../engine/trace-ring.js'
import { TraceTap } from '../../engine/trace-tap.js'
import { directorFor, nsPerFrame, open, tableMemory } from './director.js'
import { inDisorder } from './frames.js'
import { type Measurement, median } from './measurement.js'

const RECORDS = 1_100_000

interface Kind {
  readonly name: string
  /** One for each reader. */
  readonly filters: readonly string[]
  readonly rate?: number
}

const KINDS: readonly Kind[] = [
  { name: 'no filter', filters: [''] },
  { name: 'no filter, 20,000/s', filters: [''], rate: 20_000 },
  { name: 'realserver R', filters: ['realserver 192.168.1.3'] },
  { name: 'verdict no-service', filters: ['verdict no-service'] },
  { name: 'host A', filters: ['host 10.9.9.9'] },
  { name: 'src host A and tcp dst port 81', filters: ['src host 10.9.9.9 and tcp dst port 81'] },
  {
    name: 'eight readers: host A and port 80',
    filters: Array.from({ length: 8 }, (_, i) => `host 10.9.9.${i} and port 80`),
  },
]

interface Found {
  readonly none: readonly number[]
  /** By the name of the kind: ns more than without. */
  readonly more: Readonly<Record<string, readonly number[]>>
}

function tapOf({ filters, rate = 1000 }: Kind, writer: TraceWriter, director: Director): TraceTap {
  const orders = filters.map((filter, place) => ({ id: place + 1, place, filter, rate }))
  return new TraceTap(orders, writer, director, 0)
}

export const tracing: Measurement = {
  name: 'tracing',
  title: 'a frame of an existing connection while its director is traced: CPU ns more than without',

  steps: ({ repeats, flows }) => repeats * flows.length,

  async run(options, { inChild }) {
    const rows: string[][] = []
    const data: { flows: number; found: Found[] }[] = []
    for (const flows of options.flows) {
      const found: Found[] = []
      for (let repeat = 0; repeat < options.repeats; repeat++) {
        found.push(await inChild<Found>('tracing', String(flows), options))
      }
      data.push({ flows, found })
      const none = median(found.flatMap((each) => each.none))
      rows.push([`${flows} flows`, `${none.toFixed(1)}`, ''])
      for (const { name } of KINDS) {
        const more = median(found.flatMap((each) => each.more[name]))
        rows.push([`  ${name}`, more.toFixed(1), `${((100 * more) / none).toFixed(1)} %`])
      }
    }
    return { table: { title: this.title, head: ['', 'ns', 'more'], rows }, data, remarks: [] }
  },

  child(options, flows) {
    // Budgets are counted by ticks. The clock goes as fast as frames do when nothing is traced: by
    // a real one they would be greater, to a frame, wherever others use the processor too.
    let batchMs = 64 * 50e-6
    let time = 1000
    const clock = {
      get now() {
        time += batchMs
        return time
      },
    }
    const room = { connections: RECORDS, hugePages: options.hugePages }
    const bench = directorFor(room, inDisorder(Number(flows)), clock)
    const { loop, director } = bench
    const writer = new TraceWriter(new Region(tableMemory(TRACE_RING_BYTES, false)))
    open(bench, 0, Number(flows))
    // Made once: garbage of theirs would be collected while something else is measured.
    const taps = new Map(KINDS.map((kind) => [kind.name, tapOf(kind, writer, director)]))
    const measure = (kind: Kind | null): number => {
      loop.tap = kind === null ? null : (taps.get(kind.name) ?? null)
      // Some ticks, after which the samplers know the traffic.
      const until = time + 3 * TICK_INTERVAL_MS
      while (time < until) loop.breathe()
      const ns = nsPerFrame(loop, options.frames)
      if (kind === null) batchMs = 64 * ns * 1e-6
      return ns
    }
    for (const kind of [null, ...KINDS]) measure(kind)
    let before = measure(null)
    const none = [before]
    const more: Record<string, number[]> = Object.fromEntries(KINDS.map(({ name }) => [name, []]))
    for (let round = 0; round < options.rounds; round++) {
      for (const kind of KINDS) {
        const traced = measure(kind)
        const after = measure(null)
        more[kind.name].push(traced - (before + after) / 2)
        none.push(after)
        before = after
      }
    }
    return { none, more }
  },
}
