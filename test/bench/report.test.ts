/** The report: pictures and Markdown that others can read, whatever stands in them. */
import fc from 'fast-check'
import t from 'tap'
import { markdownReport } from '../../src/bench/report/files.js'
import { axis, barPlot, curvePlot } from '../../src/bench/report/plot.js'
import { escaped, ticks } from '../../src/bench/report/svg.js'
import { markdownTable, textTable } from '../../src/bench/report/table.js'
import type { Section } from '../../src/bench/section.js'
import { curveOf } from '../../src/bench/wire/plots.js'

/** What XML 1.0 wants of what we write: tags that match, attributes in quotes, no bare & or <. */
function wellFormed(xml: string): string | null {
  const open: string[] = []
  const token = /<(\/?)([a-z]+)((?: [a-zA-Z0-9-]+="[^"<]*")*)(\/?)>|([^<]+)/gy
  while (token.lastIndex < xml.length) {
    const at = token.lastIndex
    const found = token.exec(xml)
    if (found === null) return `not XML: ${xml.slice(at, at + 60)}`
    const [, isEnd, name, attributes, isEmpty, content] = found
    if (/&(?!(amp|lt|gt|quot);)/.test(content ?? attributes)) return `a bare &: ${found[0]}`
    if (content !== undefined && open.length === 0 && content.trim() !== '') return 'text outside'
    if (name === undefined || isEmpty === '/') continue
    if (isEnd === '') open.push(name)
    else if (open.pop() !== name) return `${name} is closed and not open`
  }
  return open.length === 0 ? null : `${open.join()} stays open`
}

t.test('the check sees what is wrong', async (t) => {
  t.equal(wellFormed('<a x="1"><b/>c &amp; d</a>\n'), null)
  for (const wrong of ['<a>', '<a></b>', '<a x=1/>', '<a>1 & 2</a>', '<a>1 < 2</a>', 'a<b/>']) {
    t.not(wellFormed(wrong), null, wrong)
  }
})

const WHOLE = { label: '', value: '', isOurs: false }

const bar = fc.record({
  label: fc.string({ unit: 'binary', maxLength: 40 }),
  median: fc.double({ min: -1e6, max: 1e7, noNaN: true }),
  least: fc.double({ min: -1e6, max: 1e7, noNaN: true }),
  most: fc.double({ min: -1e6, max: 1e7, noNaN: true }),
  value: fc.string({ unit: 'binary', maxLength: 30 }),
  isOurs: fc.boolean(),
})

t.test('bars: well formed, each with its label and its value, nothing outside', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.array(bar, { minLength: 1, maxLength: 9 }), fc.string(), (bars, title) => {
        const { svg } = barPlot('name', title, 'µs', bars)
        const wrong = wellFormed(svg)
        if (wrong !== null) throw new Error(wrong)
        if (/NaN|Infinity|width="-/.test(svg.replaceAll(escaped(title), ''))) throw new Error(svg)
        for (const { label, value } of bars) {
          if (!svg.includes(`>${escaped(label)}</text>`)) throw new Error(`without ${label}`)
          if (!svg.includes(`>${escaped(value)}</text>`)) throw new Error(`without ${value}`)
        }
      }),
      // A median above the most, beside which the most is nothing: found by chance.
      { examples: [[[{ ...WHOLE, median: 4280, least: 0, most: 1e-300 }], '']] },
    ),
  )
})

const point = fc.tuple(fc.double({ min: 0, max: 5e3, noNaN: true }), fc.nat(100))

t.test('curves: well formed, all points inside the axes', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ label: fc.string(), points: fc.array(point), dots: fc.array(point) }),
          {
            minLength: 1,
            maxLength: 10,
          },
        ),
        (curves) => {
          const { svg } = curvePlot('name', 'title', axis('x', 5e3), axis('y', 100), curves)
          const wrong = wellFormed(svg)
          if (wrong !== null) throw new Error(wrong)
          const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number)
          for (const [, x, y] of svg.matchAll(/cx="([^"]*)" cy="([^"]*)"/g)) {
            const inside = Number(x) >= 0 && Number(x) <= width && Number(y) <= height
            if (!inside || Number(y) < 0) throw new Error(`${x}, ${y}`)
          }
        },
      ),
    ),
  )
})

t.test('ticks are round, begin at 0 and reach what they must', async (t) => {
  t.same(ticks(10), [0, 2, 4, 6, 8, 10])
  t.same(ticks(1081), [0, 250, 500, 750, 1000, 1250])
  t.same(ticks(0), [0, 1])
  t.same(ticks(-3), [0, 1])
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e12, noNaN: true }), (most) => {
        const found = ticks(most)
        const reaches = found[found.length - 1] >= most * (1 - 1e-9)
        return found[0] === 0 && reaches && found.length >= 2 && found.length <= 8
      }),
    ),
  )
})

t.test('a curve goes through the medians of trials that lie near each other', async (t) => {
  const trial = (rate: number, lost: number) => ({
    ...{ round: 0, contestant: 'af_xdp', asked: rate },
    ...{ deliveredRate: rate, delivered: 1000, received: 1000 - lost },
  })
  const { dots, points } = curveOf([
    trial(500_000, 0),
    trial(100_000, 0),
    trial(510_000, 100),
    trial(520_000, 10),
    { ...trial(1, 0), delivered: 0, received: 0 },
  ])
  t.same(
    points.map(([x, y]) => [x, Math.round(y * 10) / 10]),
    [
      [100, 0],
      [510, 1],
    ],
  )
  t.equal(dots.length, 4)
})

const table = { title: 'a table', head: ['', 'kpps'], rows: [['uipvs | *af*', '1 (0..2)']] }

t.test('tables: in text to be read, in Markdown with nothing that means something', async (t) => {
  t.equal(textTable(table), 'a table\n                  kpps\nuipvs | *af*  1 (0..2)\n')
  t.match(
    markdownTable(table),
    '\n|  | kpps |\n| --- | ---: |\n| uipvs \\| \\*af\\* | 1 (0..2) |\n',
  )
})

t.test('the report has all that a section has, and its pictures', async (t) => {
  const section: Section = {
    ...{ name: 'wire', title: 'The wire', conditions: ['60-byte frames;', 'one round.'] },
    tables: [table],
    plots: [{ name: 'wire-loss', title: 'Loss', svg: '<svg/>' }],
    ...{ remarks: ['libpcap was not run'], wrong: ['counters differ'], data: {} },
  }
  const environment = {
    ...{ time: '2026-01-01T00:00:00Z', kernel: '6.18', node: 'v20', processor: 'a' },
    ...{ cores: 2, version: '1.2.3', commit: '', load: [0, 0, 0], busyBefore: 0, isQuiet: true },
  }
  const text = markdownReport('uipvs bench wire --rounds 1', environment, [section])
  for (const part of [
    '# uipvs bench\n',
    '```\nuipvs bench wire --rounds 1\n',
    '2 processors (a)',
    '\n## The wire\n\n60-byte frames;\none round.\n\n**a table**\n\n|',
    '![Loss](wire-loss.svg)\n',
    '- libpcap was not run\n',
    'contradicts itself',
    '- counters differ\n',
  ]) {
    t.ok(text.includes(part), part)
  }
  t.equal(text.split('```').length % 2, 1, 'every block of code ends')
})
