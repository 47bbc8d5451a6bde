/** Ten million connections at once: bytes for each, all tables together, and a frame among them. */
import { Balancer } from '../../balance/balancer.js'
import { RECORD_BYTES } from '../../balance/connection.js'
import { DEFAULT_LIMITS } from '../../balance/limits.js'
import { directorFor, nsPerFrame, open } from './director.js'
import { inDisorder } from './frames.js'
import { best, type Measurement, median, residentMib } from './measurement.js'

interface Filled {
  readonly openedSeconds: number
  readonly mib: number
  readonly ns: number[]
}

export const held: Measurement = {
  name: 'held',
  title: 'connections held at once',

  steps: () => 2,

  async run(options, { inChild }) {
    const whole = Balancer.bytes({ ...DEFAULT_LIMITS, connections4: options.held }) / 2 ** 20
    const found: (Filled & { pages: string })[] = []
    for (const hugePages of [false, true]) {
      const filled = await inChild<Filled>('held', '', { ...options, hugePages })
      found.push({ pages: hugePages ? '2 MiB' : '4 KiB', ...filled })
    }
    const head = ['pages', 'RSS MiB', 'bytes each', 'filled in s', 'best ns', 'median ns']
    const rows = found.map(({ pages, mib, openedSeconds, ns }) => [
      pages,
      mib.toFixed(0),
      ((mib * 2 ** 20) / options.held).toFixed(1),
      openedSeconds.toFixed(1),
      best(ns).toFixed(1),
      median(ns).toFixed(1),
    ])
    return {
      table: { title: `${options.held} ${this.title}; CPU ns of a frame among them`, head, rows },
      data: found,
      remarks: [
        `a record has ${RECORD_BYTES} bytes; all tables of uipvs run --max-connections ` +
          `${options.held} have ${whole.toFixed(0)} MiB`,
      ],
    }
  },

  child(options): Filled {
    const room = { connections: options.held, hugePages: options.hugePages }
    const bench = directorFor(room, inDisorder(options.held))
    // Compiled, and the garbage of making frames seen once, before memory is looked at.
    open(bench, 0, 100_000)
    const before = residentMib()
    const start = performance.now()
    open(bench, 100_000, options.held)
    const openedSeconds = (performance.now() - start) / 1000
    const grown = ((residentMib() - before) * options.held) / (options.held - 100_000)
    const { count } = bench.director.balancer.connections4
    if (count !== options.held) throw new Error(`only ${count} are held`)
    nsPerFrame(bench.loop, options.frames)
    const ns = Array.from({ length: options.rounds }, () => nsPerFrame(bench.loop, options.frames))
    return { openedSeconds, mib: grown, ns }
  },
}
