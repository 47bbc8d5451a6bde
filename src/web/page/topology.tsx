/** The network of the lab as the article draws it, its frames on their way, and its buttons. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { frameText } from '../../offline/flow.js'
import type { LabHost, LabStateNow, WireEvent, WireFrame } from '../moment.js'
import { bytesOfHex } from './bytes.js'
import { shortNumber } from './chart.jsx'
import { Figure, type PlacedHost, pointAt, WIDTH } from './figure.js'
import { type Flight, Flights, type Speed } from './flights.js'
import { LiveFrame } from './live-frame.jsx'
import type { LiveReplay } from './live-replay.js'
import type { Rate } from './rates.js'
import type { Texts } from './texts/index.js'

/** By what a frame is for the balancing. */
const KINDS = ['request', 'forwarded', 'reply', 'arp'] as const
/** Frames that stand in the list below the figure. */
const SEEN_MAX = 40
const COUNTS = [1, 10, 1000] as const

export interface TopologyProps {
  readonly texts: Texts
  readonly lab: LabStateNow
  readonly rates: readonly Rate[]
  readonly replay: LiveReplay
  /** Where frames of the wires are to be told. */
  readonly wire: { current: (event: WireEvent) => void }
  act(wanted: object): Promise<void>
}

interface Seen {
  readonly id: number
  readonly frame: WireFrame
  /** The frame in a line. */
  readonly text: string
}

/** What flies, and what has departed, newest first. */
function useFlights(wire: TopologyProps['wire']) {
  const [flights] = useState(() => new Flights())
  const [seen, setSeen] = useState<readonly Seen[]>([])
  const told = useRef(0)
  const note = useCallback((departed: readonly WireFrame[]) => {
    setSeen((last) => withNew(last, departed))
  }, [])
  useEffect(() => {
    wire.current = ({ frames }) => {
      flights.add(frames)
      told.current += frames.filter(({ to }) => to === 'director').length
    }
    return () => {
      wire.current = () => {}
    }
  }, [flights, wire])
  return { flights, seen, told, note }
}

/** Frames to the director that are told, per second: counted from one moment to the next. */
function useShown(told: { current: number }, rates: readonly Rate[]): number {
  const last = useRef({ at: 0, perSecond: 0 })
  const at = rates[rates.length - 1]?.at ?? 0
  if (at !== last.current.at) {
    const seconds = at - last.current.at
    last.current = { at, perSecond: seconds > 0 ? told.current / seconds : 0 }
    told.current = 0
  }
  return last.current.perSecond
}

function withNew(last: readonly Seen[], departed: readonly WireFrame[]): Seen[] {
  let id = last[0]?.id ?? 0
  const fresh = departed.map((frame) => ({ id: ++id, frame, text: textOf(frame) })).reverse()
  return [...fresh, ...last].slice(0, SEEN_MAX)
}

export function Topology({ texts, lab, rates, replay, wire, act }: TopologyProps) {
  const { live } = texts
  const { flights, seen, told, note } = useFlights(wire)
  const shown = useShown(told, rates)
  const [, redraw] = useState(0)
  const [picked, setPicked] = useState<WireFrame | null>(null)
  const detail = useRef<HTMLHeadingElement>(null)
  // A dot that is pointed at in the figure: what it is stands below.
  useEffect(() => {
    const top = detail.current?.getBoundingClientRect().top ?? 0
    if (picked !== null && top > innerHeight * 0.7) detail.current?.scrollIntoView()
  }, [picked])
  const setSpeed = (speed: Speed) => {
    flights.speed = speed
    redraw((count) => count + 1)
  }
  const verdicts = rates[rates.length - 1]?.verdicts.values() ?? []
  const perSecond = [...verdicts].reduce((sum, value) => sum + value, 0)
  return (
    <section class="card wide" aria-labelledby="figure">
      <h2 id="figure">{live.figure}</h2>
      <div class="controls">
        <span>{live.requests}</span>
        {COUNTS.map((count) => (
          <button key={count} type="button" onClick={() => act({ do: 'request', count })}>
            {live.send} {count}
          </button>
        ))}
        <span class="apart" />
        <button
          type="button"
          aria-pressed={flights.speed === 'slow'}
          onClick={() => setSpeed(flights.speed === 'slow' ? 'full' : 'slow')}
        >
          {live.slow_motion}
        </button>
        <button
          type="button"
          onClick={() => setSpeed(flights.speed === 'stopped' ? 'full' : 'stopped')}
        >
          {flights.speed === 'stopped' ? live.resume : texts.pause}
        </button>
        <button
          type="button"
          onClick={() => {
            flights.step()
            redraw((count) => count + 1)
          }}
        >
          {live.step}
        </button>
        <span class="hint">
          {shortNumber(perSecond)} {live.framesPerSecond} · {live.sampled}: {shortNumber(shown)}
        </span>
      </div>
      <p class="legend">
        {KINDS.map((kind) => (
          <span key={kind}>
            <svg viewBox="0 0 20 20" aria-hidden="true">
              <circle class={`dot ${kind}`} cx={10} cy={10} r={8} />
            </svg>{' '}
            {live.legend[kind]}
          </span>
        ))}
      </p>
      <Drawing {...{ texts, lab, flights, note, pick: setPicked }} />
      <HostButtons {...{ texts, lab, act }} />
      <h3>{live.framesSeen}</h3>
      <ul class="seen">
        {seen.map(({ id, frame, text }) => (
          <li key={id}>
            <button type="button" class="link" onClick={() => setPicked(frame)}>
              {frame.from} → {frame.to ?? live.everybody}: {text}
            </button>
          </li>
        ))}
      </ul>
      <h3 ref={detail}>{live.frameTitle}</h3>
      {picked === null ? (
        <p class="hint">{live.chooseFrame}</p>
      ) : (
        <LiveFrame {...{ texts, frame: picked, replay }} text={titleOf(picked, live.everybody)} />
      )}
    </section>
  )
}

function textOf({ hex }: WireFrame): string {
  const bytes = bytesOfHex(hex)
  return frameText(new DataView(bytes.buffer), 0, bytes.length)
}

function titleOf(frame: WireFrame, everybody: string): string {
  return `${frame.from} → ${frame.to ?? everybody}`
}

interface DrawingProps {
  readonly texts: Texts
  readonly lab: LabStateNow
  readonly flights: Flights
  note(departed: readonly WireFrame[]): void
  pick(frame: WireFrame): void
}

function Drawing({ texts, lab, flights, note, pick }: DrawingProps) {
  const figure = useMemo(() => new Figure(lab.hosts), [lab])
  // What stands still is not drawn again for each picture of what moves.
  const still = useMemo(
    () => (
      <>
        {[...figure.wires.values()].map(({ name, y, from, to, isCable }) => (
          <line key={name} class={isCable ? '' : 'bus'} x1={from} y1={y} x2={to} y2={y} />
        ))}
        {figure.joints.map(([from, to]) => (
          <line key={`${from.x} ${from.y} ${to.y}`} x1={from.x} y1={from.y} x2={to.x} y2={to.y} />
        ))}
        {lab.hosts.map((host) => (
          <HostBox
            key={host.name}
            {...{ texts, host, vip: lab.vip, place: figure.hosts.get(host.name) }}
          />
        ))}
      </>
    ),
    [texts, lab, figure],
  )
  const viewBox = `0 0 ${WIDTH} ${figure.height}`
  return (
    <div class="stage">
      <svg class="figure" viewBox={viewBox}>
        <title>{texts.live.figure}</title>
        {still}
      </svg>
      <svg class="figure moving" viewBox={viewBox} aria-hidden="true">
        <Dots {...{ figure, flights, note, pick }} />
      </svg>
    </div>
  )
}

type DotsProps = Pick<DrawingProps, 'flights' | 'note' | 'pick'> & { readonly figure: Figure }

/** The frames on their way, drawn as often as the screen is. */
function Dots({ figure, flights, note, pick }: DotsProps) {
  const [, redraw] = useState(0)
  useEffect(() => {
    let before = performance.now()
    let request = 0
    const draw = (now: number) => {
      // A tab that was away does not catch up.
      const isMoving = flights.flying.length > 0
      const departed = flights.advance(Math.min(100, now - before))
      before = now
      if (departed.length > 0) note(departed)
      if (isMoving || departed.length > 0) redraw((count) => count + 1)
      request = requestAnimationFrame(draw)
    }
    request = requestAnimationFrame(draw)
    return () => cancelAnimationFrame(request)
  }, [flights, note])
  return <g>{flights.flying.flatMap((flight) => dotsOf(flight, figure, pick))}</g>
}

/** A frame for everybody flies to each host of its wire. */
function dotsOf({ id, frame, part }: Flight, figure: Figure, pick: (frame: WireFrame) => void) {
  const { from, wire } = frame
  const targets = frame.to !== null ? [frame.to] : figure.othersOn(wire, from)
  return targets.flatMap((to) => {
    const way = figure.wayOf(from, to, wire)
    if (way.length === 0) return []
    const { x, y } = pointAt(way, part)
    return [
      // biome-ignore lint/a11y/noStaticElementInteractions: the list below has the same by keyboard
      <circle
        key={`${id} ${to}`}
        class={kindOf(frame)}
        cx={x}
        cy={y}
        r={9}
        onClick={() => pick(frame)}
      />,
    ]
  })
}

/** By what the frame is for the balancing: what asks, what answers, what finds addresses. */
function kindOf({ hex, from, to }: WireFrame): string {
  const type = hex.slice(24, 28)
  if (type === '0806') return 'dot arp'
  if (from === 'director') return 'dot forwarded'
  return from.startsWith('rs') || to === 'client' ? 'dot reply' : 'dot request'
}

interface HostBoxProps {
  readonly texts: Texts
  readonly host: LabHost
  readonly vip: string
  readonly place: PlacedHost | undefined
}

function HostBox({ texts, host, vip, place: box }: HostBoxProps) {
  if (box === undefined) return null
  const { name, address, mac, vip: place, isAlive, isSilent } = host
  const { x, y, width, height } = box
  const [left, top] = [x - width / 2, y - height / 2]
  const { live } = texts
  const lines = [address, mac]
  if (place !== null) lines.push(`VIP ${vip} (${place})`)
  const silence = isSilent === null ? '' : isSilent ? live.silent : live.loud
  const note = isAlive ? silence : live.dead
  const isWrong = !isAlive || isSilent === false
  return (
    <g class={isWrong ? 'host wrong' : 'host'}>
      <rect x={left} y={top} width={width} height={height} rx="10" />
      <text class="name" x={x} y={top + 24}>
        {name}
      </text>
      {lines.map((line, i) => (
        <text key={line} x={x} y={top + 44 + 19 * i}>
          {line}
        </text>
      ))}
      <text class="note" x={x} y={top + height - 8}>
        {note}
      </text>
    </g>
  )
}

interface HostButtonsProps {
  readonly texts: Texts
  readonly lab: LabStateNow
  act(wanted: object): Promise<void>
}

function HostButtons({ texts, lab, act }: HostButtonsProps) {
  const { live } = texts
  return (
    <div class="hosts">
      {lab.hosts.map(({ name, isAlive, isSilent, neighbours }) => (
        <fieldset key={name}>
          <legend>{name}</legend>
          {isSilent !== null && (
            <>
              <button
                type="button"
                onClick={() => act({ do: isAlive ? 'kill' : 'revive', host: name })}
              >
                {isAlive ? live.kill : live.revive}
              </button>
              <button
                type="button"
                onClick={() => act({ do: isSilent ? 'break-arp' : 'fix-arp', host: name })}
              >
                {isSilent ? live.breakArp : live.fixArp}
              </button>
            </>
          )}
          <details>
            <summary>
              {live.neighbours} {neighbours.length}
            </summary>
            <pre>{neighbours.join('\n')}</pre>
          </details>
        </fieldset>
      ))}
    </div>
  )
}
