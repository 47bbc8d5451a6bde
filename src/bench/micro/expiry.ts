/**
 * The worst that the timer wheel can meet: a million connections due at one tick, while frames of
 * others pass. How long does the longest breath take, and how long until all are gone?
 *
 * The control is the same loop over the same frames with nothing due: its longest breath is the
 * machine's.
 */
import { breatheFor, directorFor, open } from './director.js'
import { inOrder } from './frames.js'
import type { Measurement } from './measurement.js'

/** Flows that live on and whose frames pass meanwhile. */
const LIVING = 256
const CONTROL_MS = 2_000
const TICK_MS = 10

interface Passed {
  readonly longest: number
  /** The same in CPU time, which does not count what others did to the processor meanwhile. */
  readonly longestCpu: number
  readonly p999: number
  readonly goneMs: number
  readonly frames: number
}

export const expiry: Measurement = {
  name: 'expiry',
  title: 'connections that all end at one tick, while frames pass (wall clock)',

  steps: ({ repeats }) => 2 * repeats,

  async run(options, { inChild }) {
    const found: (Passed & { part: string })[] = []
    for (let repeat = 0; repeat < options.repeats; repeat++) {
      for (const part of ['control', 'expiry']) {
        found.push({ part, ...(await inChild<Passed>('expiry', part, options)) })
      }
    }
    const head = ['', 'longest ms', 'of CPU ms', '99.9 % ms', 'all gone s', 'M frames/s']
    const rows = found.map(({ part, longest, longestCpu, p999, goneMs, frames }) => [
      part === 'control' ? 'nothing due' : `${options.connections} due`,
      longest.toFixed(3),
      longestCpu.toFixed(3),
      p999.toFixed(3),
      part === 'expiry' ? (goneMs / 1000).toFixed(2) : '',
      (frames / goneMs / 1000).toFixed(2),
    ])
    return { table: { title: this.title, head, rows }, data: found, remarks: [] }
  },

  child(options, part): Passed {
    const { connections, hugePages } = options
    const room = { connections: connections + LIVING, hugePages }
    const bench = directorFor(room, inOrder('A', 0, LIVING))
    const { loop, clock, director } = bench
    const table = director.balancer.connections4
    if (part === 'expiry') open(bench, LIVING, LIVING + connections)
    open(bench, 0, LIVING)
    breatheFor(loop, 2_000_000) // established, for 15 minutes, and compiled
    // SYN_RECV lasts 60 s. Up to a tick before its end nobody goes, but timers move to finer lists.
    for (let end = clock.now + 60_000 - TICK_MS; clock.now < end; clock.now += TICK_MS) {
      do loop.breathe()
      while (director.balancer.due.isBehind)
    }
    const held = table.count
    const from = performance.now()
    const base = clock.now - from
    const lengths: number[] = []
    const frames = loop.frames
    let before = from
    let longestCpu = 0
    while (part === 'expiry' ? table.count > LIVING : before - from < CONTROL_MS) {
      clock.now = base + before
      const cpu = process.cpuUsage()
      loop.breathe()
      const { user, system } = process.cpuUsage(cpu)
      longestCpu = Math.max(longestCpu, (user + system) / 1000)
      const now = performance.now()
      lengths.push(now - before)
      before = now
    }
    if (part === 'expiry' && held !== connections + LIVING)
      throw new Error(`only ${held} were held`)
    lengths.sort((a, b) => a - b)
    const p999 = lengths[Math.floor(lengths.length * 0.999)]
    const longest = lengths[lengths.length - 1]
    return { longest, longestCpu, p999, goneMs: before - from, frames: loop.frames - frames }
  },
}
