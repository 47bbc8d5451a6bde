/** Pictures of a report: bars with their spread, and curves. */
import { DASHES, element, line, picture, seriesClass, text, ticks, widthOf } from './svg.js'

/** A picture of a report. */
export interface Plot {
  /** Of the file, without `.svg`. */
  readonly name: string
  /** What it shows, in a sentence: the picture's text for those who don't see it. */
  readonly title: string
  readonly svg: string
}

export interface Bar {
  readonly label: string
  readonly median: number
  readonly least: number
  readonly most: number
  /** What stands behind it, the value as people read it. */
  readonly value: string
  /** Ours are in colour. */
  readonly isOurs: boolean
}

const MARGIN = 16
const TITLE = 26
const BAR = 20
const GAP = 10
const PLOT_WIDTH = 420
const AXIS = 38

/** One bar for each, from 0 on, with a whisker from the least to the most of its rounds. */
export function barPlot(name: string, title: string, unit: string, bars: readonly Bar[]): Plot {
  const left = MARGIN + Math.max(0, ...bars.map(({ label }) => widthOf(label))) + GAP
  const right = Math.max(0, ...bars.map(({ value }) => widthOf(value))) + 2 * MARGIN
  const marks = ticks(Math.max(...bars.flatMap(({ least, median, most }) => [least, median, most])))
  const scale = PLOT_WIDTH / marks[marks.length - 1]
  const at = (value: number) => left + Math.max(0, value) * scale
  const top = MARGIN + TITLE
  const bottom = top + bars.length * (BAR + GAP)
  const width = Math.max(left + PLOT_WIDTH + right, widthOf(title, 15) + 2 * MARGIN)
  const drawn = bars.flatMap((bar, i) => {
    const y = top + i * (BAR + GAP)
    const middle = y + BAR / 2
    const baseline = middle + 4.5
    const { label, median, least, most, value, isOurs } = bar
    return [
      text(left - GAP, baseline, label, { 'text-anchor': 'end' }),
      element('rect', {
        ...{ x: left, y, width: at(median) - left, height: BAR, rx: 2 },
        class: isOurs ? 'ours' : 'theirs',
      }),
      line(at(least), middle, at(most), middle, 'whisker'),
      ...[least, most].map((end) => line(at(end), middle - 4, at(end), middle + 4, 'whisker')),
      text(Math.max(at(median), at(most)) + 8, baseline, value),
    ]
  })
  const svg = picture(
    width,
    bottom + AXIS,
    title,
    text(MARGIN, MARGIN + 8, title, { class: 'title' }),
    ...marks.map((mark) => line(at(mark), top - 4, at(mark), bottom, 'grid')),
    ...drawn,
    line(left, top - 4, left, bottom, 'axis'),
    ...marks.map((mark) => middleText(at(mark), bottom + 14, String(mark))),
    middleText(left + PLOT_WIDTH / 2, bottom + 30, unit),
  )
  return { name, title, svg }
}

function middleText(x: number, y: number, content: string): string {
  return text(x, y, content, { class: 'small', 'text-anchor': 'middle' })
}

export interface Tick {
  readonly at: number
  readonly label: string
}

export interface Axis {
  readonly title: string
  /** Where lines stand; the first and the last are its ends. */
  readonly ticks: readonly Tick[]
}

export interface Curve {
  readonly label: string
  /** The line, from left to right. */
  readonly points: readonly (readonly [x: number, y: number])[]
  /** Single values, as dots. */
  readonly dots: readonly (readonly [x: number, y: number])[]
}

const CURVE_HEIGHT = 260

/** An axis from 0 on, in round numbers. */
export function axis(title: string, most: number, write = (value: number) => `${value}`): Axis {
  return { title, ticks: ticks(most).map((at) => ({ at, label: write(at) })) }
}

export function curvePlot(
  name: string,
  title: string,
  x: Axis,
  y: Axis,
  curves: readonly Curve[],
): Plot {
  const left = MARGIN + Math.max(...y.ticks.map(({ label }) => widthOf(label, 11.5))) + GAP
  const top = MARGIN + TITLE + 18
  const bottom = top + CURVE_HEIGHT
  const end = left + PLOT_WIDTH
  const legend = end + 2 * MARGIN
  const labels = Math.max(0, ...curves.map(({ label }) => widthOf(label)))
  const width = Math.max(legend + 44 + labels, widthOf(title, 15) + MARGIN) + MARGIN
  const between = (axis: Axis, value: number) => {
    const [low, high] = [axis.ticks[0].at, axis.ticks[axis.ticks.length - 1].at]
    return Math.min(1, Math.max(0, (value - low) / (high - low)))
  }
  const atX = (value: number) => left + between(x, value) * PLOT_WIDTH
  const atY = (value: number) => bottom - between(y, value) * CURVE_HEIGHT
  const drawn = curves.flatMap(({ label, points, dots }, i) => {
    const kind = seriesClass(i)
    const dashes = { 'stroke-dasharray': DASHES[i % DASHES.length] }
    const path = points.map(([px, py]) => `${atX(px).toFixed(1)},${atY(py).toFixed(1)}`).join(' ')
    const row = top + 10 + i * 22
    return [
      element('polyline', { points: path, class: `curve ${kind}`, ...dashes }),
      ...dots.map(([dx, dy]) =>
        element('circle', { cx: atX(dx), cy: atY(dy), r: 2.5, class: `dot ${kind}` }),
      ),
      element('polyline', {
        points: `${legend},${row} ${legend + 34},${row}`,
        class: `curve ${kind}`,
        ...dashes,
      }),
      text(legend + 42, row + 4.5, label),
    ]
  })
  const svg = picture(
    width,
    Math.max(bottom + AXIS, top + curves.length * 22 + MARGIN),
    title,
    text(MARGIN, MARGIN + 8, title, { class: 'title' }),
    text(MARGIN, top - 12, y.title, { class: 'small' }),
    ...x.ticks.map(({ at }) => line(atX(at), top, atX(at), bottom, 'grid')),
    ...y.ticks.map(({ at }) => line(left, atY(at), end, atY(at), 'grid')),
    line(left, bottom, end, bottom, 'axis'),
    line(left, top, left, bottom, 'axis'),
    ...x.ticks.map(({ at, label }) => middleText(atX(at), bottom + 14, label)),
    ...y.ticks.map(({ at, label }) =>
      text(left - 6, atY(at) + 4, label, { class: 'small', 'text-anchor': 'end' }),
    ),
    middleText(left + PLOT_WIDTH / 2, bottom + 30, x.title),
    ...drawn,
  )
  return { name, title, svg }
}
