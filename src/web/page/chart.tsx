/** One chart over the last minute, drawn by uPlot; the newest values stand beside it as text. */
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'

export interface Line {
  readonly name: string
  readonly values: readonly number[]
}

export interface ChartProps {
  readonly title: string
  readonly unit: string
  /** Seconds. */
  readonly times: readonly number[]
  readonly lines: readonly Line[]
}

const COLOURS = ['--chart-1', '--chart-2', '--chart-3', '--chart-4', '--chart-5', '--chart-6']
const HEIGHT = 150

export function colourOf(i: number): string {
  return COLOURS[i % COLOURS.length]
}

export function Chart({ title, unit, times, lines }: ChartProps) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const names = lines.map(({ name }) => name).join('\n')
  useEffect(() => {
    const element = box.current
    if (element === null) return
    const made = new uPlot(optionsOf(element, lines), [[], ...lines.map(() => [])], element)
    plot.current = made
    const observer = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: HEIGHT })
    })
    observer.observe(element)
    return () => {
      observer.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [names])
  useEffect(() => {
    plot.current?.setData([[...times], ...lines.map(({ values }) => [...values])])
  }, [times, lines])
  return (
    <figure class="chart">
      <figcaption>
        {title} <small>{unit}</small>
      </figcaption>
      <div ref={box} aria-hidden="true" />
      <ul>
        {lines.map(({ name, values }, i) => (
          <li key={name}>
            <span class="key" style={{ background: `var(${colourOf(i)})` }} />
            {name} <b>{shortNumber(values[values.length - 1] ?? 0)}</b>
          </li>
        ))}
      </ul>
    </figure>
  )
}

function optionsOf(element: HTMLElement, lines: readonly Line[]): uPlot.Options {
  // Asked anew for each drawing: the theme may change. What a canvas takes is a resolved colour.
  const colour = (name: string) => () => {
    element.style.setProperty('color', `var(${name})`)
    return getComputedStyle(element).color
  }
  const axis = { stroke: colour('--soft'), grid: { stroke: colour('--line'), width: 1 } }
  return {
    width: Math.max(element.clientWidth, 100),
    height: HEIGHT,
    cursor: { show: false },
    legend: { show: false },
    scales: {
      x: { time: false },
      y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.1)] },
    },
    axes: [
      { ...axis, show: false },
      { ...axis, size: 56, values: (_plot, ticks) => ticks.map(shortNumber) },
    ],
    series: [{}, ...lines.map((_, i) => ({ stroke: colour(colourOf(i)), width: 2 }))],
  }
}

export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (value >= 1e9) return `${(value / 1e9).toFixed(1)} G`
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)} k`
  if (value >= 1e3) return `${(value / 1e3).toFixed(1)} k`
  return value >= 10 || value === 0 ? value.toFixed(0) : value.toFixed(1)
}
