/** A replay for people: a line for each frame, and tables at the end. */
import { type Action, ENDINGS } from '../engine/verdict.js'
import type { Paint } from '../lab/paint.js'
import type { ReplayedFrame, ReplaySummary } from './replay.js'
import { COLUMNS, wrapped } from './wrap.js'

const FRAME_COLUMNS = 48
/** Where the sentence of a verdict begins in the table. */
const SENTENCE_AT = 34

export const LINES_HEAD = `frame     seconds  ${'what'.padEnd(FRAME_COLUMNS)} verdict`

export const COLOURS: Readonly<Record<Action, 'green' | 'yellow' | 'cyan' | 'red'>> = {
  forward: 'green',
  answer: 'yellow',
  hold: 'yellow',
  pass: 'cyan',
  drop: 'red',
}

export function frameLine(
  { number, captured, seconds, verdict }: ReplayedFrame,
  { frame, realserver }: { readonly frame: string; readonly realserver: string | null },
  paint: Paint,
): string {
  const { name, action } = ENDINGS[verdict]
  const isCut = captured.bytes.length < captured.originalLength
  const what = `${frame}${isCut ? ' (cut)' : ''}`.padEnd(FRAME_COLUMNS)
  const to = realserver === null ? '' : ` to ${realserver}`
  const time = seconds.toFixed(6).padStart(12)
  return `${String(number).padStart(5)}${time}  ${what} ${paint[COLOURS[action]](name)}${to}`
}

export function summaryText(summary: ReplaySummary, paint: Paint): string {
  const { frames, seconds, mode, directorMac, ownFrames } = summary
  const head = `${count(frames, 'frame')} in ${seconds.toFixed(6)} s of capture`
  const own = ownFrames === 0 ? '' : `, ${count(ownFrames, 'frame')} of the director's own`
  const lines = [paint.bold(head), `director ${directorMac}, ${mode} mode${own}`]
  if (summary.verdicts.length > 0) lines.push('', paint.dim('   frames  verdict'))
  for (const { name, action, frames: times } of summary.verdicts) {
    const sentence = ENDINGS.find((ending) => ending.name === name)?.sentence ?? ''
    const padded = name.padEnd(22)
    const [first, ...more] = wrapped(sentence, COLUMNS - SENTENCE_AT)
    lines.push(`${String(times).padStart(9)}  ${paint[COLOURS[action]](padded)} ${first}`)
    lines.push(...more.map((line) => ' '.repeat(SENTENCE_AT) + line))
  }
  for (const { service, scheduler, realservers } of summary.services) {
    const columns = ['weight', 'connections', 'packets', 'bytes', 'active', 'inactive']
    const width = Math.max(22, ...realservers.map((each) => each.realserver.length))
    const cells = columns.map((column, i) => column.padStart(WIDTHS[i])).join('')
    lines.push('', `${paint.bold(service)} ${scheduler}`)
    lines.push(paint.dim(`  ${'realserver'.padEnd(width)}${cells}`))
    for (const each of realservers) {
      const { weight, connections, packets, bytes, active, inactive } = each
      const numbers = [weight, connections, packets, bytes, active, inactive]
      const row = numbers.map((value, i) => String(value).padStart(WIDTHS[i])).join('')
      lines.push(`  ${each.realserver.padEnd(width)}${row}`)
    }
  }
  return `${lines.join('\n')}\n`
}

const WIDTHS = [8, 13, 10, 14, 9, 10]

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
