/** From measurements to figures: pure, so that tests can say what must come out. */
import { QUIET } from '../environment.js'
import { LOADS, type Load, type Measurement, type Turn } from './round.js'

export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

export interface Summary {
  readonly contestant: string
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

/** In the order of `contestants`, their names. */
export function summarize(
  measurements: readonly Measurement[],
  contestants: readonly string[],
): Summary[] {
  const summaries: Summary[] = []
  for (const load of LOADS) {
    for (const contestant of contestants) {
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

export interface NoLossSummary {
  readonly contestant: string
  /** Frames a second. */
  readonly rate: Spread
  /** Rounds in which the generator's limit was found, and not the contestant's. */
  readonly atGeneratorsLimit: number
}

export function summarizeNoLoss(
  turns: readonly Turn[],
  contestants: readonly string[],
): NoLossSummary[] {
  return contestants.flatMap((contestant) => {
    const found = turns
      .filter((turn) => turn.contestant === contestant)
      .flatMap(({ noLoss }) => (noLoss === null ? [] : [noLoss]))
    if (found.length === 0) return []
    const rate = spreadOf(found.map((each) => each.rate))
    const atGeneratorsLimit = found.filter((each) => each.isGeneratorsLimit).length
    return [{ contestant, rate, atGeneratorsLimit }]
  })
}

/** Contestants whose own listing of their rules is not what the first has printed. */
export function differingRules(turns: readonly Turn[]): string[] {
  const listed = turns.filter((turn) => turn.rules !== null)
  return listed
    .filter(({ rules }) => inOrder(rules) !== inOrder(listed[0].rules))
    .map(({ contestant, round }) => {
      return `${contestant}, round ${round}: its rules are not those of ${listed[0].contestant}`
    })
}

/** Services, and realservers of each, sorted: in which order a director lists them is its own. */
function inOrder(rules: string | null): string {
  return (rules ?? '')
    .split(/^(?=-A )/m)
    .map((service) => service.trim().split('\n').sort().join('\n'))
    .sort()
    .join('\n')
}
