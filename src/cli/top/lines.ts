/**
 * A report as lines of text for a terminal, or for a file. Nothing here knows of terminals: a line
 * has a text and a style, and is never longer than the columns that it was given.
 */
import type { Line, Report, ServiceLine } from './report.js'

export type Style = 'plain' | 'bold' | 'title' | 'dim' | 'alarm'

export interface StyledLine {
  readonly text: string
  readonly style: Style
}

/** What can be sorted by, the key that does it, and the column's title. */
export const SORTS = [
  { by: 'name', key: 'n' },
  { by: 'active', key: 'a' },
  { by: 'connections', key: 'c' },
  { by: 'packets', key: 'k' },
  { by: 'bytes', key: 'b' },
  { by: 'weight', key: 'w' },
] as const
export type SortBy = (typeof SORTS)[number]['by']

export interface Sorting {
  readonly by: SortBy
  /** Smallest first (largest, for names). */
  readonly isReversed: boolean
}

const NOT_SERVED = 'stored, not served'
const NAME_MIN = 12
const NAME_TITLE = 'SERVICE / REALSERVER'
/** Where there is no room for the whole. */
const NAME_TITLE_SHORT = 'SERVICE'
/** HOW with a blank before it, WEIGHT, ACTIVE, INACT and three rates. */
const NUMBERS_COLUMNS = 1 + 6 + 6 + 7 + 7 + 7 + 8 + 8

const VALUES: Readonly<Record<Exclude<SortBy, 'name'>, (line: Line) => number>> = {
  active: (line) => line.active,
  connections: (line) => line.connectionsPerSecond,
  packets: (line) => line.packetsPerSecond,
  bytes: (line) => line.bytesPerSecond,
  weight: (line) => line.weight ?? 0,
}

/** Equal ones stay in ipvsadm's order. */
function sorted<T extends Line>(lines: readonly T[], { by, isReversed }: Sorting): readonly T[] {
  if (by === 'name') return isReversed ? lines.toReversed() : lines
  const value = VALUES[by]
  const sign = isReversed ? -1 : 1
  return lines.toSorted((a, b) => sign * (value(b) - value(a)))
}

/** At most six characters: `0`, `0.5`, `1234`, `12.3k`, `1.2M`. */
export function amount(value: number): string {
  if (value < 9.95 && value % 1 !== 0) return value.toFixed(1)
  if (value < 9999.5) return String(Math.round(value))
  let scaled = value
  for (const unit of ['k', 'M', 'G', 'T', 'P']) {
    scaled /= 1000
    if (scaled < 99.95) return `${scaled.toFixed(1)}${unit}`
    if (scaled < 999.5) return `${Math.round(scaled)}${unit}`
  }
  return '>999P'
}

export function uptime(seconds: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  const days = Math.floor(seconds / 86_400)
  const time = `${two((seconds / 3600) % 24)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`
  return days === 0 ? time : `${days}d ${time}`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`
}

/** Cut to `columns`, with a mark where something is missing; control characters are harmless. */
function fit(text: string, columns: number): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '?')
  if (clean.length <= columns) return clean
  return columns < 1 ? '' : `${clean.slice(0, columns - 1)}~`
}

/** A name cut in its middle: the port of a long address must stay. */
function fitName(name: string, columns: number): string {
  if (name.length <= columns) return name.padEnd(columns)
  const tail = Math.floor((columns - 1) / 2)
  return `${name.slice(0, columns - 1 - tail)}~${name.slice(name.length - tail)}`
}

/** What stands above the table, the most important first. */
export function headLines(r: Report, columns: number): StyledLine[] {
  const line = (text: string, style: Style = 'plain') => ({ text: fit(text, columns), style })
  const arms = r.interfaces.length === 0 ? 'no interface' : r.interfaces.join(', ')
  const lines = [
    line(
      `uipvs top: ${r.engine} on ${arms}, ${r.mode} mode, up ${uptime(r.uptimeSeconds)}`,
      'bold',
    ),
  ]
  if (r.engine !== 'none') lines.push(...engineLines(r, line))
  const { destinations, daemons } = r.notServed
  const full = (used: number, max: number) => `${amount(used)} of ${amount(max)}`
  lines.push(
    line(
      `connections ${full(r.connections, r.connectionsMax)}` +
        `   templates ${full(r.templates, r.templatesMax)}`,
    ),
  )
  if (destinations > 0) {
    const what = destinations === 1 ? 'realserver' : 'realservers'
    lines.push(line(`${destinations} ${what} with -m or -i: ${NOT_SERVED}`, 'alarm'))
  }
  if (daemons.length > 0) {
    lines.push(line(`sync daemon (${daemons.join(', ')}): ${NOT_SERVED}`, 'alarm'))
  }
  return lines
}

function engineLines(r: Report, line: (text: string, style?: Style) => StyledLine): StyledLine[] {
  const a = r.actionsPerSecond
  const ring = r.ringOccupancy === null ? '' : `   ring ${percent(r.ringOccupancy)} full`
  const gap = `longest gap ${r.longestGapMs.toFixed(1)} ms`
  const trouble = r.ringDropsPerSecond > 0 || r.sendErrorsPerSecond > 0
  const verdicts = Object.entries(r.verdictsPerSecond)
    .filter(([name]) => name !== 'forwarded')
    .sort(([, x], [, y]) => y - x)
    .map(([name, rate]) => `${name} ${amount(rate)}`)
  return [
    line(
      `frames/s ${amount(r.framesPerSecond)}: forwarded ${amount(a.forward ?? 0)},` +
        ` answered ${amount(a.answer ?? 0)}, passed ${amount(a.pass ?? 0)},` +
        ` held ${amount(a.hold ?? 0)}, dropped ${amount(a.drop ?? 0)}`,
    ),
    line(
      `ring drops/s ${amount(r.ringDropsPerSecond)} (${amount(r.ringDrops)})` +
        `   send errors/s ${amount(r.sendErrorsPerSecond)} (${amount(r.sendErrors)})` +
        `   held ${r.heldFrames}`,
      trouble ? 'alarm' : 'plain',
    ),
    line(`worker ${percent(r.busy)} busy${ring}   ${gap}`),
    line(`not forwarded/s: ${verdicts.length === 0 ? 'none' : verdicts.join(', ')}`),
  ]
}

/** The width of the names that leaves room for the numbers, or that they need. */
function nameColumns(r: Report, columns: number): number {
  const names = r.services.flatMap((s) => [
    s.name.length,
    ...s.destinations.map((d) => d.name.length + 2),
  ])
  const needed = names.reduce((widest, each) => Math.max(widest, each), NAME_TITLE.length)
  return Math.max(NAME_MIN, Math.min(needed, columns - NUMBERS_COLUMNS))
}

export function titleLine(r: Report, columns: number): StyledLine {
  const width = nameColumns(r, columns)
  const name = width < NAME_TITLE.length ? NAME_TITLE_SHORT : NAME_TITLE
  const numbers = ' HOW   WEIGHT ACTIVE  INACT CONN/S   PKT/S  BYTE/S'
  return { text: fit(fitName(name, width) + numbers, columns), style: 'title' }
}

/** The table itself: each service, and its realservers below it. */
export function tableLines(r: Report, sorting: Sorting, columns: number): StyledLine[] {
  const width = nameColumns(r, columns)
  const row = (line: Line, indent: string, style: Style): StyledLine => ({
    text: fit(fitName(indent + line.name, width) + numbers(line), columns),
    style,
  })
  return sorted<ServiceLine>(r.services, sorting).flatMap((service) => [
    row(service, '', 'bold'),
    ...sorted(service.destinations, sorting).map((d) =>
      row(d, '  ', d.isServed ? (d.weight === 0 ? 'dim' : 'plain') : 'alarm'),
    ),
  ])
}

function numbers(line: Line): string {
  const weight = line.weight === null ? '' : String(line.weight)
  const rates = [line.connectionsPerSecond, line.packetsPerSecond, line.bytesPerSecond]
  const [connections = '', packets = '', bytes = ''] = rates.map(amount)
  const standing =
    ` ${fit(line.how, 6).padEnd(6)}${weight.padStart(6)}` +
    `${amount(line.active).padStart(7)}${amount(line.inactive).padStart(7)}`
  if (!line.isServed) return `${standing}  ${NOT_SERVED}`
  return `${standing}${connections.padStart(7)}${packets.padStart(8)}${bytes.padStart(8)}`
}

/** The whole report for a file or a pipe. */
export function plainText(r: Report, sorting: Sorting): string {
  const columns = 160
  const lines = [
    ...headLines(r, columns),
    titleLine(r, columns),
    ...tableLines(r, sorting, columns),
  ]
  return lines.map(({ text }) => `${text.trimEnd()}\n`).join('')
}

export interface View extends Sorting {
  /** The first line of the table that is shown, if there are so many. */
  readonly top: number
  readonly isPaused: boolean
  /** Why there is nothing new, or ''. */
  readonly trouble: string
}

/** Lines of the table that fit on a screen of so many rows. */
export function roomFor(r: Report, rows: number, columns: number): number {
  return Math.max(0, rows - shownHead(r, rows, columns).length - 1 - footerRows(rows))
}

/** Above the table at least half of the screen is left to it. */
function shownHead(r: Report, rows: number, columns: number): StyledLine[] {
  const lines = headLines(r, columns)
  // What is wrong stands at the end, and matters more than the numbers before it.
  const room = Math.max(0, Math.min(lines.length, Math.floor((rows - 2) / 2)))
  if (lines.length <= room) return lines
  const alarms = lines.filter(({ style }) => style === 'alarm')
  const others = lines.filter(({ style }) => style !== 'alarm')
  const kept = [...others.slice(0, Math.max(1, room - alarms.length)), ...alarms]
  return kept.slice(0, room)
}

const footerRows = (rows: number) => (rows >= 4 ? 1 : 0)

/** A screen of exactly `rows` lines. */
export function screenLines(r: Report, view: View, rows: number, columns: number): StyledLine[] {
  const table = tableLines(r, view, columns)
  const room = roomFor(r, rows, columns)
  const top = Math.max(0, Math.min(view.top, table.length - room))
  const shown = table.slice(top, top + room)
  const empty: StyledLine = { text: '', style: 'plain' }
  const lines = [...shownHead(r, rows, columns), titleLine(r, columns), ...shown]
  if (table.length === 0 && room > 0) {
    lines.push({ text: fit('no services: uipvsadm -A adds one', columns), style: 'dim' })
  }
  const body = Math.max(0, rows - footerRows(rows))
  while (lines.length < body) lines.push(empty)
  lines.length = body
  if (footerRows(rows) > 0) lines.push(footer(view, top, table.length, room, columns))
  return lines
}

function footer(view: View, top: number, all: number, room: number, columns: number): StyledLine {
  if (view.trouble !== '') return { text: fit(view.trouble, columns), style: 'alarm' }
  const place = all > room ? `${top + 1}-${Math.min(all, top + room)} of ${all}  ` : ''
  const paused = view.isPaused ? 'PAUSED  ' : ''
  const order = `by ${view.by}${view.isReversed ? ', reversed' : ''}`
  const keys = 'q quit  p pause  r reverse  sort n a c k b w  arrows'
  return { text: fit(`${paused}${place}${order}   ${keys}`, columns), style: 'dim' }
}
