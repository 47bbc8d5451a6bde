/** From measurements to what people read. */
import { CONTESTANTS, type ContestantName } from './contestants.js'
import { QUIET } from './environment.js'
import { LOADS, type Load, type Measurement } from './round.js'

export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

export interface Summary {
  readonly contestant: ContestantName
  readonly load: Load
  readonly rounds: number
  /** Frames a second that reached the director, and that reached the sink. */
  readonly deliveredRate: Spread
  readonly receivedRate: Spread
  /** Part of the frames delivered to the director that never reached the sink. */
  readonly loss: Spread
  /**
   * CPU time in µs for each frame that the sink received, the generator's share taken off: of the
   * whole machine, and of the generator, the director and the kernel's softirq threads alone.
   */
  readonly machineMicroseconds: Spread
  readonly involvedMicroseconds: Spread
  /** CPU time of the director's own processes in µs for each frame; 0 for the kernel. */
  readonly ownMicroseconds: Spread
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median =
    sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  return { median, least: sorted[0], most: sorted[sorted.length - 1] }
}

export function summarize(measurements: readonly Measurement[]): Summary[] {
  const summaries: Summary[] = []
  for (const load of LOADS) {
    for (const contestant of CONTESTANTS) {
      const own = measurements.filter((m) => m.load === load && m.contestant === contestant)
      if (own.length === 0) continue
      summaries.push(summarizeOne(own, measurements))
    }
  }
  return summaries
}

/** `own`: all rounds of one contestant under one load. */
function summarizeOne(own: readonly Measurement[], all: readonly Measurement[]): Summary {
  const { contestant, load } = own[0]
  const isAlone = contestant === 'generator'
  const arrived = (m: Measurement) => (isAlone ? m.delivered : m.received)
  // The generator's share is that of the same round: machines drift.
  const perFrame = (of: 'busyMs' | 'involvedMs') =>
    spreadOf(
      own.map((m) => {
        const alone = all.find((n) => n.round === m.round && n.load === load && isShare(n))!
        const share = isAlone ? 0 : (alone[of] / alone.delivered) * m.delivered
        return ((m[of] - share) * 1000) / arrived(m)
      }),
    )
  return {
    contestant,
    load,
    rounds: own.length,
    deliveredRate: spreadOf(own.map((m) => m.deliveredRate)),
    receivedRate: spreadOf(own.map((m) => m.receivedRate)),
    loss: spreadOf(own.map((m) => (isAlone ? 0 : Math.max(0, 1 - m.received / m.delivered)))),
    machineMicroseconds: perFrame('busyMs'),
    involvedMicroseconds: perFrame('involvedMs'),
    ownMicroseconds: spreadOf(own.map((m) => (m.ownMs * 1000) / arrived(m))),
  }
}

function isShare({ contestant }: Measurement): boolean {
  return contestant === 'generator'
}

/**
 * What does not agree, in sentences: a contestant that forwards nothing, or a director whose
 * counters say something else than the sink's interface.
 */
export function disagreements(measurements: readonly Measurement[]): string[] {
  return measurements.flatMap(({ contestant, load, round, received, delivered, counts }) => {
    const which = `${contestant}, ${load}, round ${round}`
    if (contestant === 'generator') {
      return received === 0 ? [] : [`${which}: the sink received ${received} frames from nobody`]
    }
    if (received < delivered / 100) return [`${which}: ${received} of ${delivered} frames arrived`]
    if (counts === null) return []
    const forwarded = counts.forwarded - counts.sendErrors
    const arrived = received - counts.ownFrames
    // The director's ARP may also have left by the other interface.
    if (Math.abs(forwarded - arrived) <= counts.ownFrames) return []
    return [`${which}: ${forwarded} frames forwarded by its counters, ${arrived} at the sink`]
  })
}

/** How many stretches were disturbed by what else ran on the machine; empty if none was. */
export function disturbance(measurements: readonly Measurement[]): string {
  const others = measurements.map((m) => (m.busyMs - m.involvedMs) / m.passedMs)
  const disturbed = others.filter((part) => part > QUIET).length
  if (disturbed === 0) return ''
  const most = (Math.max(...others) * 100).toFixed(0)
  return (
    `WARNING: others used the machine in ${disturbed} of ${others.length} stretches, ` +
    `up to ${most} % of a processor: it must be quiet for figures that hold`
  )
}

const TITLES: Record<ContestantName, string> = {
  generator: 'generator alone',
  ip_forward: 'kernel ip_forward',
  c_af_xdp: 'C af_xdp, decides nothing',
  af_xdp: 'uipvs af_xdp',
  c_af_packet: 'C af_packet, the same',
  af_packet: 'uipvs af_packet',
  libpcap: 'uipvs libpcap',
}

export function table(summaries: readonly Summary[], load: Load): string {
  const rows = [['', 'kpps', '', 'loss %', '', 'machine µs', '', 'involved µs', '', 'own µs', '']]
  for (const summary of summaries.filter((each) => each.load === load)) {
    const isAlone = summary.contestant === 'generator'
    rows.push([
      TITLES[summary.contestant],
      ...cells(isAlone ? summary.deliveredRate : summary.receivedRate, 1 / 1000, 0),
      ...cells(summary.loss, 100, 2),
      ...cells(summary.machineMicroseconds, 1, 2),
      ...cells(summary.involvedMicroseconds, 1, 2),
      ...(summary.ownMicroseconds.most === 0 ? ['-', ''] : cells(summary.ownMicroseconds, 1, 2)),
    ])
  }
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)))
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i % 2 === 1 ? cell.padStart(widths[i] + 1) : cell.padEnd(widths[i])))
        .join(' ')
        .trimEnd(),
    )
    .join('\n')
}

/** The median, and how far the rounds lie apart. */
function cells({ median, least, most }: Spread, factor: number, digits: number): string[] {
  const text = (value: number) => (value * factor).toFixed(digits)
  return [text(median), `${text(least)}..${text(most)}`]
}
