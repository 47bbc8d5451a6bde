/** Ten million connections at once: bytes for each, all tables together, and a frame among them. */
import { Balancer } from '../../src/balance/balancer.js'
import { RECORD_BYTES } from '../../src/balance/connection.js'
import { DEFAULT_LIMITS } from '../../src/balance/limits.js'
import { directorFor, limitsFor, nsPerFrame, open } from './director.js'
import { inDisorder } from './frames.js'
import { best, inChild, line, type Measurement, median, residentMib } from './measurement.js'

interface Found {
  readonly openedSeconds: number
  readonly mib: number
  readonly ns: number[]
}

export const held: Measurement = {
  name: 'held',
  title: 'connections held at once',

  run(options) {
    const computed = Balancer.bytes(limitsFor(options.held)) / 2 ** 20
    const whole = Balancer.bytes({ ...DEFAULT_LIMITS, connections4: options.held }) / 2 ** 20
    console.log(
      `a record has ${RECORD_BYTES} bytes; tables of this benchmark: ${computed.toFixed(0)} MiB`,
    )
    console.log(
      `tables of \`uipvs run --max-connections ${options.held}\`: ${whole.toFixed(0)} MiB`,
    )
    console.log(line(['pages', 'RSS MiB', 'bytes each', 'filled in s', 'best ns', 'median ns']))
    for (const hugePages of [false, true]) {
      const found = inChild<Found>('held', '', { ...options, hugePages })
      const each = (found.mib * 2 ** 20) / options.held
      const { mib, openedSeconds, ns } = found
      const name = hugePages ? 'huge' : 'small'
      console.log(line([name, mib, each, openedSeconds.toFixed(1), best(ns), median(ns)]))
    }
  },

  child(options): Found {
    const bench = directorFor(options.held, options.hugePages)
    // Compiled, and the garbage of making frames seen once, before memory is looked at.
    open(bench, 0, 100_000)
    const before = residentMib()
    const start = performance.now()
    open(bench, 100_000, options.held)
    const openedSeconds = (performance.now() - start) / 1000
    const grown = ((residentMib() - before) * options.held) / (options.held - 100_000)
    const { count } = bench.director.balancer.connections4
    if (count !== options.held) throw new Error(`only ${count} are held`)
    bench.port.preload(inDisorder(options.held))
    nsPerFrame(bench.loop, options.frames)
    const ns = Array.from({ length: options.rounds }, () => nsPerFrame(bench.loop, options.frames))
    return { openedSeconds, mib: grown, ns }
  },
}
