/** The live page: what a running director does now, and what can be changed about it. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { NextQuestion } from '../../control/choice.js'
import type { TracedFrame } from '../../control/traced-frame.js'
import type { LabStateNow, Moment, WireEvent } from '../moment.js'
import type { Change } from './commands.js'
import { Feed } from './feed.js'
import { LiveCharts } from './live-charts.jsx'
import { LiveConnections } from './live-connections.jsx'
import { LiveReplay } from './live-replay.js'
import { LiveServices } from './live-services.jsx'
import { LiveTraced } from './live-traced.jsx'
import { PreferenceControls } from './preference-controls.jsx'
import { type Preferences, usePreferences } from './preferences.js'
import { HISTORY, type Rate, rateBetween } from './rates.js'
import { FORWARD } from './source-view.jsx'
import { LANGUAGES, type Texts } from './texts/index.js'
import { Topology } from './topology.jsx'

/** A client that nobody is (RFC 5737). */
const NOBODY = '192.0.2.1'
/** Commands that are kept in view. */
const RAN_MAX = 50

/** A command that was run from this page, and what came of it. */
export interface Ran {
  readonly id: number
  readonly command: string
  readonly output: string
  readonly isRefused: boolean
}

interface Told {
  readonly moment: Moment | null
  readonly lab: LabStateNow | null
  readonly rates: readonly Rate[]
  /** Null: all is well; '' is a lost line. */
  readonly trouble: string | null
}

const NOTHING: Told = { moment: null, lab: null, rates: [], trouble: null }

/** What the director tells, as it comes. */
function useFeed(
  token: string,
  replay: LiveReplay,
  onWire: (event: WireEvent) => void,
  onTraced: (frames: readonly TracedFrame[]) => void,
): [Feed, Told] {
  const feed = useMemo(() => new Feed(token), [token])
  const [told, setTold] = useState(NOTHING)
  useEffect(() => {
    const set = (change: (before: Told) => Partial<Told>) =>
      setTold((before) => ({ ...before, ...change(before) }))
    void feed.listen({
      moment: (moment) => {
        replay.addMoment(moment)
        set(({ moment: last, rates }) => ({ moment, rates: grown(rates, last, moment) }))
      },
      lab: (lab) => {
        replay.addLab(lab)
        set(() => ({ lab }))
      },
      traced: (frames) => {
        replay.addTraced(frames)
        onTraced(frames)
      },
      wire: (event) => {
        replay.addFrames(event)
        onWire(event)
      },
      trouble: (trouble) => set(() => ({ trouble })),
    })
    return () => feed.close()
  }, [feed, replay, onWire, onTraced])
  return [feed, told]
}

function grown(rates: readonly Rate[], last: Moment | null, moment: Moment): readonly Rate[] {
  // Another director has begun: its counters say nothing about those of the one before.
  if (last === null || last.status.pid !== moment.status.pid) return []
  const rate = rateBetween(last, moment)
  return rate === null ? rates : [...rates.slice(1 - HISTORY), rate]
}

const titleOf = (texts: Texts) => texts.live.title

export function LiveApp({ token }: { token: string }) {
  const preferences = usePreferences(titleOf)
  const texts = LANGUAGES[preferences.language]
  const replay = useMemo(() => new LiveReplay(FORWARD), [])
  const wire = useRef<(event: WireEvent) => void>(() => {})
  const onWire = useCallback((event: WireEvent) => wire.current(event), [])
  const traced = useRef<(frames: readonly TracedFrame[]) => void>(() => {})
  const onTraced = useCallback((frames: readonly TracedFrame[]) => traced.current(frames), [])
  const [feed, { moment, lab, rates, trouble }] = useFeed(token, replay, onWire, onTraced)
  const [ran, setRan] = useState<readonly Ran[]>([])
  const note = useCallback((command: string, output: string, isRefused: boolean) => {
    setRan((before) => {
      const id = (before[0]?.id ?? 0) + 1
      return [{ id, command, output, isRefused }, ...before].slice(0, RAN_MAX)
    })
  }, [])
  const change = useCallback(
    async ({ rule, command }: Change) => {
      const refusal = await feed.rules([rule])
      note(command, refusal ?? '', refusal !== null)
    },
    [feed, note],
  )
  const next = useCallback((question: NextQuestion) => feed.next(question), [feed])
  const act = useCallback(
    async (wanted: object) => {
      try {
        const { commands, output } = await feed.lab(wanted)
        note(commands.join('\n'), output, false)
      } catch (error) {
        note(JSON.stringify(wanted), (error as Error).message, true)
      }
    },
    [feed, note],
  )
  return (
    <div class="live">
      <LiveHeader {...{ texts, preferences, moment }} />
      {token === '' && <p class="notice bad">{texts.live.noToken}</p>}
      {trouble !== null && (
        <p class="notice bad" role="status">
          {texts.live.lost} {trouble}
        </p>
      )}
      {moment === null ? (
        <p>{texts.live.waiting}</p>
      ) : (
        <main class="board">
          {lab !== null && <Topology {...{ texts, lab, act, wire, rates, replay }} />}
          <section class="card" aria-labelledby="services">
            <h2 id="services">{texts.live.services}</h2>
            <LiveServices
              {...{ texts, moment, change, next }}
              client={lab?.hosts.find(({ name }) => name === 'client')?.address ?? NOBODY}
            />
          </section>
          <div class="column">
            <Commands {...{ texts, ran }} />
            <LiveConnections {...{ texts, moment }} />
          </div>
          {lab === null && moment.status.engine !== 'none' && (
            <LiveTraced {...{ texts, traced, replay }} />
          )}
          <LiveCharts {...{ texts, rates }} />
        </main>
      )}
    </div>
  )
}

interface LiveHeaderProps {
  readonly texts: Texts
  readonly preferences: Preferences
  readonly moment: Moment | null
}

function LiveHeader({ texts, preferences, moment }: LiveHeaderProps) {
  return (
    <header class="top">
      <div class="heading">
        <h1>{texts.live.title}</h1>
        <p>{texts.live.lead}</p>
      </div>
      {moment !== null && (
        <p class="status">
          {texts.live.engine} <b>{moment.status.engine}</b> {moment.status.interfaces.join(', ')}
          {' · '}
          {texts.mode} <b>{moment.status.mode}</b> · {texts.live.uptime}{' '}
          <b>
            {moment.status.uptimeSeconds} {texts.seconds}
          </b>
        </p>
      )}
      <div class="controls">
        <a href="index.html">{texts.live.offline}</a>
        <PreferenceControls {...{ texts, preferences }} />
      </div>
    </header>
  )
}

function Commands({ texts, ran }: { texts: Texts; ran: readonly Ran[] }) {
  return (
    <section class="card" aria-labelledby="commands">
      <h2 id="commands">{texts.live.commands}</h2>
      {ran.length === 0 && <p class="hint">{texts.live.noCommands}</p>}
      <ul class="ran" aria-live="polite">
        {ran.map(({ id, command, output, isRefused }) => (
          <li key={id} class={isRefused ? 'bad' : ''}>
            {command.split('\n').map((line) => (
              <code key={line}>{line}</code>
            ))}
            {isRefused && <b>{texts.live.refused}: </b>}
            {output}
          </li>
        ))}
      </ul>
    </section>
  )
}
