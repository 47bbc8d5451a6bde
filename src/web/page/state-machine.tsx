/**
 * The states of a TCP connection as the director goes through them, drawn from its own table
 * (balance/tcp-state.ts): every arrow is an entry of it.
 */
import { NEXT_STATE, TCP_STATES, TCP_TIMEOUTS_S } from '../../balance/tcp-state.js'
import type { Texts } from './texts/index.js'

/** Rows of the table, in its order. */
const EVENTS = ['SYN', 'FIN', 'ACK', 'RST', '∅'] as const

/** Where the states stand that an input-only connection can reach. */
const PLACES: Readonly<Record<string, readonly [x: number, y: number]>> = {
  NONE: [80, 170],
  SYN_RECV: [300, 60],
  ESTABLISHED: [640, 60],
  FIN_WAIT: [860, 170],
  TIME_WAIT: [300, 280],
  CLOSE: [640, 280],
}
const WIDTH = 130
const HEIGHT = 46

interface Arrow {
  readonly from: string
  readonly to: string
  readonly events: readonly string[]
}

/** Arrows between different states, with the events that lead along them. */
function arrows(): Arrow[] {
  const found = new Map<string, { from: string; to: string; events: string[] }>()
  for (const from of Object.keys(PLACES)) {
    const state = TCP_STATES.indexOf(from as (typeof TCP_STATES)[number])
    for (const [row, event] of EVENTS.entries()) {
      const to = TCP_STATES[NEXT_STATE[row * TCP_STATES.length + state]]
      if (to === from || !(to in PLACES)) continue
      const key = `${from} ${to}`
      const arrow = found.get(key) ?? { from, to, events: [] }
      arrow.events.push(event)
      found.set(key, arrow)
    }
  }
  return [...found.values()]
}

const ARROWS = arrows()

/** How long it still lives, of how long it would without a packet, in seconds. */
export function Timer(props: {
  readonly texts: Texts
  readonly expires: number
  readonly of: number
}) {
  const { texts, expires, of } = props
  return (
    <>
      {texts.expires} {expires} {texts.seconds}{' '}
      <meter min={0} max={Math.max(of, expires, 1)} value={expires} aria-label={texts.expires} />
    </>
  )
}

export interface StateMachineProps {
  readonly texts: Texts
  readonly state: string
  /** Seconds. */
  readonly expires: number
  readonly of: string
}

export function StateMachine({ texts, state, expires, of }: StateMachineProps) {
  const timeout = TCP_TIMEOUTS_S[TCP_STATES.indexOf(state as (typeof TCP_STATES)[number])] ?? 0
  return (
    <figure class="machine">
      <figcaption>
        {texts.stateMachine}. <code>{of}</code> {texts.stateNow}: <b class="state">{state}</b>,{' '}
        <Timer {...{ texts, expires, of: timeout }} />
      </figcaption>
      <svg viewBox="0 0 940 330" role="img" aria-label={`${texts.stateMachine}: ${state}`}>
        <defs>
          <marker
            id="tip"
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerWidth="7"
            markerHeight="7"
            orient="auto"
          >
            <path d="M0 0L8 4L0 8z" />
          </marker>
        </defs>
        {ARROWS.map((arrow) => (
          <ArrowLine
            key={`${arrow.from} ${arrow.to}`}
            {...{ arrow, isLit: arrow.from === state }}
          />
        ))}
        {Object.entries(PLACES).map(([name, [x, y]]) => (
          <g key={name} class={name === state ? 'node lit' : 'node'}>
            <rect x={x - WIDTH / 2} y={y - HEIGHT / 2} width={WIDTH} height={HEIGHT} rx="10" />
            <text x={x} y={y + 5}>
              {name}
            </text>
          </g>
        ))}
      </svg>
    </figure>
  )
}

function ArrowLine({ arrow, isLit }: { arrow: Arrow; isLit: boolean }) {
  const [x1, y1] = PLACES[arrow.from]
  const [x2, y2] = PLACES[arrow.to]
  // Arrows bend to their left, so that two between the same states do not lie on each other.
  const dx = x2 - x1
  const dy = y2 - y1
  const length = Math.hypot(dx, dy)
  const bend = Math.min(40, length / 6)
  const mx = (x1 + x2) / 2 + (dy / length) * bend
  const my = (y1 + y2) / 2 - (dx / length) * bend
  const [sx, sy] = edge(x1, y1, mx, my)
  const [ex, ey] = edge(x2, y2, mx, my)
  return (
    <g class={isLit ? 'arrow lit' : 'arrow'}>
      <path d={`M${sx} ${sy}Q${mx} ${my} ${ex} ${ey}`} marker-end="url(#tip)" />
      <text x={(sx + 2 * mx + ex) / 4} y={(sy + 2 * my + ey) / 4 - 3}>
        {arrow.events.join(' ')}
      </text>
    </g>
  )
}

/** Where the line from the middle of a box to a point leaves the box. */
function edge(x: number, y: number, toX: number, toY: number): [number, number] {
  const dx = toX - x
  const dy = toY - y
  const scale = Math.min(
    (WIDTH / 2 + 2) / Math.max(Math.abs(dx), 0.01),
    (HEIGHT / 2 + 2) / Math.max(Math.abs(dy), 0.01),
  )
  return [x + dx * scale, y + dy * scale]
}
