/** The frames of the capture with their verdicts: a list of which only what can be seen exists. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { ENDINGS } from '../../engine/verdict.js'
import { frameText } from '../../offline/flow.js'
import type { FrameRow, Session } from './session.js'
import type { Texts } from './texts/index.js'

/** Height of a row in CSS pixels; page.css says the same. */
const ROW_PX = 44
/** Rows beyond the edges, so that a quick hand sees no gap. */
const BEYOND = 8
const PLAY_MS = 900

export interface FrameListProps {
  readonly texts: Texts
  readonly session: Session
  readonly index: number
  setIndex(index: number): void
}

export function FrameList({ texts, session, index, setIndex }: FrameListProps) {
  const [wanted, setWanted] = useState(-1)
  const shown = useMemo(() => indexesOf(session, wanted), [session, wanted])
  const [isPlaying, setPlaying] = useState(false)
  const place = Math.max(0, lastAtMost(shown, index))
  const go = (to: number) => {
    const target = shown[Math.max(0, Math.min(shown.length - 1, to))]
    if (target !== undefined) setIndex(target)
  }
  useEffect(() => {
    if (!isPlaying) return
    if (place >= shown.length - 1) {
      setPlaying(false)
      return
    }
    const timer = setTimeout(() => setIndex(shown[place + 1]), PLAY_MS)
    return () => clearTimeout(timer)
  }, [isPlaying, place, shown, setIndex])
  const keys: Readonly<Record<string, () => void>> = {
    ArrowDown: () => go(place + 1),
    j: () => go(place + 1),
    ArrowUp: () => go(place - 1),
    k: () => go(place - 1),
    PageDown: () => go(place + 10),
    PageUp: () => go(place - 10),
    Home: () => go(0),
    End: () => go(shown.length - 1),
    ' ': () => setPlaying((before) => !before),
  }
  useKeys(keys)
  return (
    <section class="frames" aria-labelledby="frames-title">
      <div class="bar">
        <h2 id="frames-title">{texts.frames}</h2>
        <div class="steps">
          <Step text={texts.first} sign="first" run={keys.Home} />
          <Step text={texts.previous} sign="previous" run={keys.ArrowUp} />
          <Step
            text={isPlaying ? texts.pause : texts.play}
            sign={isPlaying ? 'pause' : 'play'}
            run={keys[' ']}
          />
          <Step text={texts.next} sign="next" run={keys.ArrowDown} />
          <Step text={texts.last} sign="last" run={keys.End} />
        </div>
        <Filter {...{ texts, session, wanted, setWanted }} />
      </div>
      <Rows {...{ texts, session, shown, place, go }} />
      <p class="keys">{texts.keys}</p>
    </section>
  )
}

/** Drawn, since few fonts have these signs. */
const SIGNS = {
  first: 'M3 3h2v10H3zM13 3v10L6 8z',
  previous: 'M12 3v10L4 8z',
  play: 'M4 2v12l10-6z',
  pause: 'M4 3h3v10H4zM9 3h3v10H9z',
  next: 'M4 3v10l8-5z',
  last: 'M11 3h2v10h-2zM3 3v10l7-5z',
} as const

interface StepProps {
  readonly text: string
  readonly sign: keyof typeof SIGNS
  run(): void
}

function Step({ text, sign, run }: StepProps) {
  return (
    <button type="button" class="step" title={text} aria-label={text} onClick={run}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d={SIGNS[sign]} fill="currentColor" />
      </svg>
    </button>
  )
}

/** Keys work wherever the focus is, except where one types, chooses, or scrolls what is read. */
function useKeys(keys: Readonly<Record<string, () => void>>): void {
  const current = useRef(keys)
  current.current = keys
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === '/') {
        event.preventDefault()
        document.getElementById('filter')?.focus()
        return
      }
      const target = event.target as HTMLElement
      const isTaken = /^(INPUT|SELECT|TEXTAREA|SUMMARY)$/.test(target.tagName)
      const isButton = target.tagName === 'BUTTON'
      if (isTaken || (isButton && event.key === ' ')) return
      if (target.closest('[data-own-keys]') !== null && event.key !== 'j' && event.key !== 'k') {
        return
      }
      const run = current.current[event.key]
      if (run === undefined) return
      event.preventDefault()
      run()
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [])
}

interface FilterProps {
  readonly texts: Texts
  readonly session: Session
  readonly wanted: number
  setWanted(verdict: number): void
}

function Filter({ texts, session, wanted, setWanted }: FilterProps) {
  const counts = useMemo(() => {
    const all = new Map<number, number>()
    for (const { verdict } of session.rows) all.set(verdict, (all.get(verdict) ?? 0) + 1)
    return [...all].sort(([a], [b]) => a - b)
  }, [session])
  return (
    <label class="filter">
      {texts.filter}{' '}
      <select
        id="filter"
        value={String(wanted)}
        onChange={(event) => setWanted(Number(event.currentTarget.value))}
      >
        <option value="-1">
          {texts.filterAll} ({session.rows.length})
        </option>
        {counts.map(([verdict, count]) => (
          <option key={verdict} value={String(verdict)}>
            {ENDINGS[verdict].name} ({count})
          </option>
        ))}
      </select>
    </label>
  )
}

interface RowsProps {
  readonly texts: Texts
  readonly session: Session
  readonly shown: ArrayLike<number>
  readonly place: number
  go(place: number): void
}

function Rows({ texts, session, shown, place, go }: RowsProps) {
  const box = useRef<HTMLDivElement>(null)
  const [view, setView] = useState({ top: 0, height: 800 })
  useEffect(() => {
    const element = box.current
    if (element === null) return
    const look = () => setView({ top: element.scrollTop, height: element.clientHeight })
    look()
    const observer = new ResizeObserver(look)
    observer.observe(element)
    element.addEventListener('scroll', look, { passive: true })
    return () => {
      observer.disconnect()
      element.removeEventListener('scroll', look)
    }
  }, [])
  useEffect(() => {
    const element = box.current
    if (element === null) return
    const top = place * ROW_PX
    if (top < element.scrollTop) element.scrollTop = top
    const below = top + ROW_PX - element.clientHeight
    if (below > element.scrollTop) element.scrollTop = below
  }, [place, shown])
  const from = Math.max(0, Math.floor(view.top / ROW_PX) - BEYOND)
  const to = Math.min(shown.length, Math.ceil((view.top + view.height) / ROW_PX) + BEYOND)
  const rows = []
  for (let at = from; at < to; at++) {
    const row = session.rows[shown[at]]
    rows.push(<Row key={shown[at]} {...{ texts, row, at, count: shown.length, place, go }} />)
  }
  return (
    <div
      class="rows"
      ref={box}
      role="listbox"
      tabIndex={0}
      aria-labelledby="frames-title"
      aria-activedescendant={shown.length > 0 ? `frame-${shown[place]}` : undefined}
    >
      <div class="all-rows" role="presentation" style={{ height: `${shown.length * ROW_PX}px` }}>
        {rows}
      </div>
    </div>
  )
}

interface RowProps {
  readonly texts: Texts
  readonly row: FrameRow
  readonly at: number
  readonly count: number
  readonly place: number
  go(place: number): void
}

function Row({ texts, row, at, count, place, go }: RowProps) {
  const { captured, seconds, verdict, realserver } = row
  const { name, action } = ENDINGS[verdict]
  const { bytes } = captured
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const [from, to = ''] = frameText(view, 0, bytes.length).split(' > ')
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the page's (useKeys)
    <div
      id={`frame-${captured.index}`}
      class={`row ${action}`}
      role="option"
      tabIndex={-1}
      aria-selected={at === place}
      aria-setsize={count}
      aria-posinset={at + 1}
      style={{ top: `${at * ROW_PX}px` }}
      onClick={() => go(at)}
    >
      <span class="number">{captured.index + 1}</span>
      <span class="time">{seconds.toFixed(3)}</span>
      <span class="text">
        {from}
        {to !== '' && (
          <>
            <br />
            {'> '}
            {to}
          </>
        )}
      </span>
      <span class="end" title={texts.verdicts[name]}>
        {realserver === null ? name : `→ ${realserver}`}
      </span>
    </div>
  )
}

/** Rows with this verdict; all of them for -1. */
function indexesOf(session: Session, wanted: number): Int32Array {
  const all: number[] = []
  for (const [i, { verdict }] of session.rows.entries()) {
    if (wanted < 0 || verdict === wanted) all.push(i)
  }
  return Int32Array.from(all)
}

/** Where the greatest value that is not above `value` stands in a sorted list; -1: nowhere. */
function lastAtMost(sorted: Int32Array, value: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle] <= value) low = middle + 1
    else high = middle
  }
  return low - 1
}
