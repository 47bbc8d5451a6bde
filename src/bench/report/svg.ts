/**
 * SVG by hand: elements as text. Every picture has a background of its own, so that it can be read
 * on any page; it follows the reader's choice of light or dark where the viewer knows it.
 */

export type Attributes = Readonly<Record<string, string | number>>

/** An element as text. Children are elements already; text goes through `escaped`. */
export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const written = Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? short(value) : escaped(value)}"`)
    .join('')
  return children.length === 0
    ? `<${name}${written}/>`
    : `<${name}${written}>${children.join('')}</${name}>`
}

/** Not to be said in XML 1.0, not even escaped. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu

export function escaped(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(FORBIDDEN, '\ufffd').replace(/[&<>"]/g, (character) => entities[character])
}

/** A hundredth of a pixel is enough. */
function short(value: number): string {
  return String(Math.round(value * 100) / 100)
}

export function text(x: number, y: number, content: string, attributes: Attributes = {}): string {
  return element('text', { x, y, ...attributes }, escaped(content))
}

export function line(x1: number, y1: number, x2: number, y2: number, kind: string): string {
  return element('line', { x1, y1, x2, y2, class: kind })
}

/** Colours of series, for light and for dark (after Okabe and Ito, who chose them for all eyes). */
const SERIES: readonly (readonly [light: string, dark: string])[] = [
  ['#0072b2', '#56b4e9'],
  ['#d55e00', '#ff8c42'],
  ['#007a5a', '#2bc79a'],
  ['#a64d82', '#e39cc6'],
  ['#8a6d00', '#f0e442'],
  ['#444444', '#dddddd'],
  ['#5b3fb5', '#b3a1ff'],
  ['#b3261e', '#ff8a80'],
]
export const DASHES = ['none', '7 3', '2 3', '9 3 2 3'] as const

/** A class for the series `i`; after the last colour the first comes again, in other dashes. */
export function seriesClass(i: number): string {
  return `s${i % SERIES.length}`
}

const inks = (dark: boolean): string =>
  SERIES.map((pair, i) => {
    const ink = pair[dark ? 1 : 0]
    return `.s${i}{stroke:${ink}}.s${i}.dot,.s${i}.bar{fill:${ink}}`
  }).join('')

const STYLE = [
  'text{font:13px system-ui,sans-serif;fill:#1b1b1b}',
  '.title{font-size:15px;font-weight:600}.small{font-size:11.5px;fill:#555}',
  '.ground{fill:#fff}.axis{stroke:#888}.grid{stroke:#ddd}.whisker{stroke:#1b1b1b}',
  '.ours{fill:#0072b2}.theirs{fill:#9a9a9a}.curve{fill:none;stroke-width:2}.bar,.dot{stroke:none}',
  inks(false),
  '@media (prefers-color-scheme:dark){',
  'text{fill:#eee}.small{fill:#aaa}',
  '.ground{fill:#15181c}.axis{stroke:#888}.grid{stroke:#333a42}.whisker{stroke:#eee}',
  '.ours{fill:#3f9fdc}.theirs{fill:#6d747c}',
  inks(true),
  '}',
].join('')

/** A whole picture. `title` is read out to those who don't see it. */
export function picture(
  width: number,
  height: number,
  title: string,
  ...children: string[]
): string {
  return `${element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`,
      width: Math.ceil(width),
      height: Math.ceil(height),
      role: 'img',
      'aria-label': title,
    },
    element('title', {}, escaped(title)),
    element('style', {}, escaped(STYLE)),
    element('rect', { class: 'ground', width: '100%', height: '100%', rx: 6 }),
    ...children,
  )}\n`
}

/** About how wide a text is, in pixels: what fonts there are is not known. */
export function widthOf(content: string, size = 13): number {
  return content.length * size * 0.56
}

/** Less is as good as nothing, and its powers of ten are not exact. */
const LEAST = 1e-300

/**
 * Round numbers from 0 on, `wanted` or a few more or less, the last at or above `most`.
 */
export function ticks(most: number, wanted = 5): number[] {
  if (!(most > LEAST) || !Number.isFinite(most)) return [0, 1]
  const rough = most / wanted
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((each) => each >= rough) as number
  const count = Math.ceil(most / step - 1e-9)
  return Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(12)))
}
