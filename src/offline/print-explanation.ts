/** An explanation for people: one numbered step a question, 100 columns at most. */

import type { ExplainedChoice, ExplainedClue } from '../control/choice.js'
import type { Action } from '../engine/verdict.js'
import { hexPair } from '../lab/hex-pair.js'
import type { Paint } from '../lab/paint.js'
import type { ExplainedLayer, ExplainedLookup, Explanation } from './explanation.js'
import { COLUMNS, wrapped } from './wrap.js'

const LABEL_COLUMNS = 15
const INDENT = ' '.repeat(LABEL_COLUMNS)
const TEXT_COLUMNS = COLUMNS - LABEL_COLUMNS
/** Bytes of a frame that are shown in hex, if no later one was changed. */
const SHOWN_BYTES = 64
const BYTES_A_LINE = 16

const WORDS: Readonly<Record<Action, string>> = {
  forward: 'forwarded',
  answer: 'answered',
  hold: 'held',
  pass: "left to the director's kernel",
  drop: 'dropped',
}
const COLOURS: Readonly<Record<Action, 'green' | 'yellow' | 'cyan' | 'red'>> = {
  forward: 'green',
  answer: 'yellow',
  hold: 'yellow',
  pass: 'cyan',
  drop: 'red',
}

type Step = readonly [label: string, lines: readonly string[]]

export function explanationText(explanation: Explanation, paint: Paint): string {
  const { verdict, frame, hexBefore } = explanation
  const steps: Step[] = [
    ['frame', explanation.layers.flatMap(layerLines)],
    ['link', [linkText(explanation)]],
    ...journey(explanation, paint),
    ...bytesSteps(explanation, paint),
    ['counters', counterLines(explanation)],
  ]
  const head = `${paint.bold(frame)}, ${hexBefore.length / 2} bytes, ${explanation.mode} mode`
  const body = steps
    .filter(([, lines]) => lines.length > 0)
    .map(([label, lines], i) => stepText(`${String(i + 1).padStart(2)} ${label}`, lines))
  const name = verdict.name === 'forwarded' ? '' : `, ${verdict.name}`
  const end = wrapped(`${WORDS[verdict.action]}${name}: ${verdict.sentence}`, TEXT_COLUMNS)
  const named = `${WORDS[verdict.action]}${name}:`
  end[0] = end[0].replace(named, paint.bold(paint[COLOURS[verdict.action]](named)))
  return `${head}\n\n${body.join('\n')}\n${stepText(' = verdict', end)}\n`
}

function stepText(label: string, lines: readonly string[]): string {
  return lines
    .map((line, i) => `${i === 0 ? label.padEnd(LABEL_COLUMNS) : INDENT}${line}`.trimEnd())
    .join('\n')
}

function layerLines(layer: ExplainedLayer): string[] {
  const name = layer.name.padEnd(10)
  const fields = layer.fields.map(({ name: field, value }) => `${field} ${value}`).join(', ')
  return wrapped(`${name} ${fields}`, TEXT_COLUMNS, ' '.repeat(11))
}

function linkText({ isForDirector, directorMac }: Explanation): string {
  return isForDirector
    ? `sent to the director's MAC address, ${directorMac}`
    : `not sent to the director's MAC address, ${directorMac}`
}

function journey(explanation: Explanation, paint: Paint): Step[] {
  const { destination, connection, service, choice, realserver } = explanation
  if (destination === null) return []
  const vip = destination.isVip ? 'a virtual IP' : 'no virtual IP: no service has this address'
  const steps: Step[] = [['address', [`${destination.address} is ${vip}`]]]
  if (connection !== null) steps.push(['connection', lookupLines(connection)])
  if (service !== null) {
    const persistent = service.persistent > 0 ? `, persistent for ${service.persistent} s` : ''
    steps.push(['service', [`${service.key}, scheduler ${service.scheduler}${persistent}`]])
  } else if (connection !== null && destination.isVip) {
    steps.push(['service', ['none for this protocol and port']])
  }
  if (choice !== null) steps.push(['scheduler', choiceLines(choice, paint)])
  if (connection !== null) steps.push(['state', stateLines(connection)])
  if (realserver !== null) steps.push(['realserver', [realserverLine(realserver)]])
  return steps
}

function lookupLines({ key, isRelated, before, outcome }: ExplainedLookup): string[] {
  const what = isRelated ? `${key}, of which the quoted packet is a reply` : key
  if (before === null) return wrapped(`none known for ${what}`, TEXT_COLUMNS)
  const how = outcome === 'hit' ? 'found' : 'found, but it is over'
  return wrapped(`${how}: ${what}, ${before.state}, to ${before.realserver}`, TEXT_COLUMNS)
}

/** Whom a running director would choose, below an explanation. */
export function wouldChooseText(choice: ExplainedChoice, paint: Paint): string {
  return `${stepText(' = would choose', choiceLines(choice, paint))}\n`
}

function choiceLines(choice: ExplainedChoice, paint: Paint): string[] {
  const width = Math.max(21, ...choice.candidates.map((each) => each.realserver.length))
  const rows = choice.candidates.map((each) => {
    const mark = each.isChosen ? '>' : ' '
    const score = each.score === null ? '-' : String(Number(each.score.toPrecision(6)))
    const cells = [each.weight, each.active, each.inactive, score].map((cell, i) =>
      String(cell).padStart([8, 8, 10, 12][i]),
    )
    const note = each.isChosen ? '  chosen' : each.reason === '' ? '' : `  ${each.reason}`
    const row = `${mark} ${each.realserver.padEnd(width)}${cells.join('')}${note}`
    return each.isChosen ? paint.green(row) : each.eligible ? row : paint.dim(row)
  })
  const head = `  ${'realserver'.padEnd(width)}  weight  active  inactive       score`
  const table = rows.length === 0 ? [] : [paint.dim(head), ...rows]
  const who = choice.chosen === null ? 'nobody' : choice.chosen
  const clues = choice.clues.map(clueText).join('; ')
  return [
    ...table,
    ...(clues === '' ? [] : wrapped(clues, TEXT_COLUMNS)),
    ...wrapped(`${who}: ${choice.why}`, TEXT_COLUMNS),
  ]
}

const CLUES: Readonly<Record<ExplainedClue['name'], string>> = {
  last: 'chosen last',
  level: 'level of this pass',
  bucket: 'bucket of the table',
  slot: 'slot of the table',
  holder: 'in it',
  known: 'where this address went before',
  drawn: 'drawn',
}

function clueText({ name, number, of, realservers }: ExplainedClue): string {
  const who = realservers?.length === 0 ? 'nobody' : realservers?.join(', ')
  return `${CLUES[name]}: ${who ?? `${number} of ${of}`}`
}

function stateLines({ outcome, before, after }: ExplainedLookup): string[] {
  if (outcome === 'one-packet') return ['created and ended at once: the service is one-packet']
  if (outcome === 'none' || after === null) return []
  const activity = after.isActive ? 'active' : 'inactive'
  const packets = after.packets === 1 ? '1 packet' : `${after.packets} packets`
  const now = `${activity}, ${packets}, expires in ${after.expires} s`
  if (outcome === 'hit') {
    const moved = before?.state === after.state ? `stays ${after.state}` : null
    return [`${moved ?? `${before?.state} becomes ${after.state}`}, ${now}`]
  }
  return [`${outcome}: ${after.state}, ${now}`]
}

const ORIGINS = {
  given: 'as given',
  seen: "as the capture's ARP says",
  'made up': 'made up; --mac gives the real one',
} as const

function realserverLine({ address, mac, origin }: NonNullable<Explanation['realserver']>): string {
  if (origin === 'itself') return `${address} is the director itself`
  if (mac === null || origin === null) return `no way leads to ${address}`
  return `${address} has MAC address ${mac} (${ORIGINS[origin]})`
}

function bytesSteps(explanation: Explanation, paint: Paint): Step[] {
  const { hexAfter, answers, changes, isPacketUnchanged } = explanation
  const steps: Step[] = []
  if (hexAfter !== null) {
    const width = Math.max(...changes.map(({ layer, field }) => `${layer} ${field}`.length))
    const written = changes.map(
      ({ layer, field, before, after }) =>
        `${`${layer} ${field}`.padEnd(width)}  ${before} -> ${after}`,
    )
    const rest =
      isPacketUnchanged === true ? ['all behind the MAC addresses leaves as it came'] : []
    steps.push(['written', [...written, ...rest, ...hexLines(explanation, paint)]])
  }
  const lines = answers.flatMap(({ summary, hex }) => [`${summary}, ${hex.length / 2} bytes`])
  if (lines.length > 0) steps.push(['sent', lines])
  return steps
}

/** The bytes before and after, beside the labels of the steps as far as that fits. */
function hexLines({ hexBefore, hexAfter }: Explanation, paint: Paint): string[] {
  const before = Buffer.from(hexBefore, 'hex')
  const after = Buffer.from(hexAfter ?? '', 'hex')
  let shown = Math.min(SHOWN_BYTES, before.length)
  for (let i = shown; i < before.length; i++) if (before[i] !== after[i]) shown = i + 1
  shown = Math.min(before.length, Math.ceil(shown / BYTES_A_LINE) * BYTES_A_LINE)
  const pair = hexPair(paint, before.subarray(0, shown), after.subarray(0, shown))
  const lines = pair.split('\n').map((line) => line.replace(/^ {3}/, ''))
  const rest = before.length - shown
  return rest === 0 ? lines : [...lines, `and ${rest} more bytes, which leave as they came`]
}

function counterLines({ counters }: Explanation): string[] {
  const lines = new Map<string, string[]>()
  for (const { of, name, before, after } of counters) {
    const change = after - before
    const text =
      of === 'verdict' ? `${name} +${change}` : `${name} ${change > 0 ? '+' : ''}${change}`
    lines.set(of, [...(lines.get(of) ?? []), text])
  }
  return [...lines].flatMap(([of, changes]) =>
    wrapped(`${of}: ${changes.join(', ')}`, TEXT_COLUMNS, '  '),
  )
}
