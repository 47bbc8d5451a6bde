/** The figures of a race as pictures. */
import { axis, type Bar, barPlot, type Curve, curvePlot, type Plot } from '../report/plot.js'
import type { Trial } from './round.js'
import { type NoLossSummary, type Spread, type Summary, spreadOf } from './summary.js'
import { cell, LOSS_TELLING, type Titles } from './tables.js'

export interface Drawn {
  readonly summaries: readonly Summary[]
  readonly noLoss: readonly NoLossSummary[]
  readonly trials: readonly Trial[]
  readonly titles: Titles
  /** Names of ours. */
  readonly ours: ReadonlySet<string>
  /** Frames a second of the fixed load. */
  readonly rate: number
}

/** Rates of trials that lie as close as that, in parts of them, are one point of the curve. */
const NEAR = 0.06

export function racePlots({ summaries, noLoss, trials, titles, ours, rate }: Drawn): Plot[] {
  const bar = (contestant: string, spread: Spread, factor: number, digits: number, before = '') => {
    const label = titles.get(contestant) ?? contestant
    const [median, least, most] = [spread.median, spread.least, spread.most].map((v) => v * factor)
    const value = before + cell(spread, factor, digits)
    return { label, median, least, most, value, isOurs: ours.has(contestant) } satisfies Bar
  }
  const contestants = summaries.filter(({ contestant }) => contestant !== 'generator')
  const plots: Plot[] = []
  const draw = (name: string, title: string, unit: string, bars: readonly Bar[]) => {
    if (bars.length > 0) plots.push(barPlot(`wire-${name}`, title, unit, bars))
  }
  draw(
    'full-speed',
    'Frames forwarded when as many come as the generator can send',
    'thousand frames a second: median, least to most of the rounds',
    contestants
      .filter(({ load }) => load === 'unlimited')
      .map((each) => bar(each.contestant, each.receivedRate, 1 / 1000, 0)),
  )
  draw(
    'no-loss',
    'The highest rate without loss',
    'thousand frames a second: median, least to most of the rounds',
    noLoss.map((each) =>
      bar(each.contestant, each.rate, 1 / 1000, 0, each.atGeneratorsLimit > 0 ? '≥ ' : ''),
    ),
  )
  draw(
    'cpu',
    `CPU time of all processors for each frame, at ${rate} frames a second`,
    "µs, the generator's share taken off: median, least to most of the rounds",
    contestants
      .filter(({ load, loss }) => load === 'fixed' && loss.median <= LOSS_TELLING)
      .map((each) => bar(each.contestant, each.involvedMicroseconds, 1, 2)),
  )
  if (trials.length > 0) plots.push(lossPlot(trials, titles))
  return plots
}

function lossPlot(trials: readonly Trial[], titles: Titles): Plot {
  const curves = [...titles].flatMap(([name, label]) => {
    const own = trials.filter(({ contestant }) => contestant === name)
    return own.length === 0 ? [] : [{ label, ...curveOf(own) }]
  })
  const all = curves.flatMap(({ dots }) => dots)
  return curvePlot(
    'wire-loss',
    'Loss at each rate that was tried',
    axis('thousand frames a second that reached the director', Math.max(...all.map(([x]) => x))),
    axis('% of them lost: each trial, and the median of those at one rate', lossMost(all)),
    curves,
  )
}

function lossMost(dots: readonly (readonly [number, number])[]): number {
  return Math.max(1, ...dots.map(([, y]) => y))
}

/** Dots, and a line through the medians of those that lie near each other. */
export function curveOf(trials: readonly Trial[]): Pick<Curve, 'dots' | 'points'> {
  const dots = trials
    .filter(({ delivered }) => delivered > 0)
    .map(({ deliveredRate, delivered, received }): [number, number] => {
      return [deliveredRate / 1000, Math.max(0, 100 * (1 - received / delivered))]
    })
    .sort(([a], [b]) => a - b)
  const groups: [number, number][][] = []
  for (const dot of dots) {
    const last = groups.at(-1)
    if (last !== undefined && dot[0] <= last[0][0] * (1 + NEAR)) last.push(dot)
    else groups.push([dot])
  }
  const middle = (group: readonly [number, number][], i: 0 | 1) =>
    spreadOf(group.map((dot) => dot[i])).median
  return { dots, points: groups.map((group) => [middle(group, 0), middle(group, 1)]) }
}
