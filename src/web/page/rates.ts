/** What happened between two moments, per second: what the charts draw. Pure. */
import type { Counters, TableListing } from '../../control/listing.js'
import type { Moment } from '../moment.js'

/** Moments that are kept: two a second, so a minute. */
export const HISTORY = 120

export interface Rate {
  /** Seconds, on the clock of the moments. */
  readonly at: number
  readonly packets: number
  readonly bytes: number
  /** New connections by realserver, in the order of the table. */
  readonly connections: ReadonlyMap<string, number>
  /** Frames by verdict; those that there were. */
  readonly verdicts: ReadonlyMap<string, number>
  /** Share of the worker's breaths below these many µs; NaN without breaths. */
  readonly medianMicroseconds: number
  readonly slowMicroseconds: number
}

export function rateBetween(before: Moment, after: Moment): Rate | null {
  const seconds = (after.at - before.at) / 1000
  if (!(seconds > 0)) return null
  const [then, now] = [totals(before.table), totals(after.table)]
  const per = (change: number) => Math.max(0, change / seconds)
  const connections = new Map<string, number>()
  for (const [realserver, count] of now.connections) {
    connections.set(realserver, per(count - (then.connections.get(realserver) ?? 0)))
  }
  const verdicts = new Map<string, number>()
  for (const [name, count] of Object.entries(after.counters.verdicts)) {
    const change = count - (before.counters.verdicts[name] ?? 0)
    if (count > 0) verdicts.set(name, per(change))
  }
  const breaths = breathsBetween(before.counters, after.counters)
  return {
    at: after.at / 1000,
    packets: per(now.packets - then.packets),
    bytes: per(now.bytes - then.bytes),
    connections,
    verdicts,
    medianMicroseconds: quantile(breaths, 0.5),
    slowMicroseconds: quantile(breaths, 0.99),
  }
}

function totals({ services }: TableListing) {
  let packets = 0
  let bytes = 0
  const connections = new Map<string, number>()
  for (const { statistics, destinations } of services) {
    packets += statistics.inPackets
    bytes += statistics.inBytes
    for (const { address, statistics: own } of destinations) {
      connections.set(address, (connections.get(address) ?? 0) + own.connections)
    }
  }
  return { packets, bytes, connections }
}

function breathsBetween(before: Counters, after: Counters): number[] {
  return after.loop.breaths.map((count, i) => count - (before.loop.breaths[i] ?? 0))
}

/** The upper bound, in µs, of the class in which the share `part` of all is reached. */
export function quantile(counts: readonly number[], part: number): number {
  const all = counts.reduce((sum, count) => sum + count, 0)
  if (all <= 0) return Number.NaN
  let seen = 0
  for (const [i, count] of counts.entries()) {
    seen += count
    if (seen >= part * all) return 2 ** i
  }
  return Number.NaN
}
