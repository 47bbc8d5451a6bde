/** The last minute of a running director, in five charts. */
import { useMemo } from 'preact/hooks'
import { Chart, type Line } from './chart.jsx'
import type { Rate } from './rates.js'
import type { Texts } from './texts/index.js'

/** As many lines as can be told apart. */
const LINES_MAX = 6

/** The lines of a map of each rate: those with the most first, others left out. */
function linesOf(
  rates: readonly Rate[],
  pick: (rate: Rate) => ReadonlyMap<string, number>,
): Line[] {
  const sums = new Map<string, number>()
  for (const rate of rates) {
    for (const [name, value] of pick(rate)) sums.set(name, (sums.get(name) ?? 0) + value)
  }
  const names = [...sums]
    .filter(([, sum]) => sum > 0)
    .sort((a, b) => b[1] - a[1])
    .slice(0, LINES_MAX)
  return names
    .map(([name]) => name)
    .sort()
    .map((name) => ({ name, values: rates.map((rate) => pick(rate).get(name) ?? 0) }))
}

export function LiveCharts({ texts, rates }: { texts: Texts; rates: readonly Rate[] }) {
  const { live } = texts
  const times = useMemo(() => rates.map(({ at }) => at), [rates])
  const charts = useMemo(() => {
    const one = (name: string, pick: (rate: Rate) => number): Line => ({
      name,
      values: rates.map(pick),
    })
    return {
      connections: linesOf(rates, (rate) => rate.connections),
      packets: [one(live.packetsPerSecond, ({ packets }) => packets)],
      bytes: [one(live.bytesPerSecond, ({ bytes }) => bytes)],
      verdicts: linesOf(rates, (rate) => rate.verdicts),
      loop: [
        one(live.median, ({ medianMicroseconds }) => medianMicroseconds || 0),
        one(live.slow, ({ slowMicroseconds }) => slowMicroseconds || 0),
      ],
    }
  }, [rates, live])
  return (
    <section class="card wide" aria-labelledby="charts">
      <h2 id="charts">{live.charts}</h2>
      <div class="charts">
        <Chart
          title={live.newConnections}
          unit={live.connectionsPerSecond}
          {...{ times, lines: charts.connections }}
        />
        <Chart title={live.packetsTitle} unit="" {...{ times, lines: charts.packets }} />
        <Chart title={live.bytesTitle} unit="" {...{ times, lines: charts.bytes }} />
        <Chart
          title={live.verdictsTitle}
          unit={live.framesPerSecond}
          {...{ times, lines: charts.verdicts }}
        />
        <Chart title={live.loopTitle} unit={live.microseconds} {...{ times, lines: charts.loop }} />
      </div>
    </section>
  )
}
