/**
 * A frame of the lab's wires: what it is, field by field; and if it passed the director, its
 * journey, replayed here and compared with what left the running one.
 */
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { DescribedField } from '../../wire/describe.js'
import type { WireFrame } from '../moment.js'
import { bytesOfHex } from './bytes.js'
import { Layers, layersOf } from './frame-view.jsx'
import { Hex } from './hex.jsx'
import type { LiveReplay, Outcome } from './live-replay.js'
import type { Texts } from './texts/index.js'
import { Verdict, Views } from './views.jsx'

const TRY_MS = 400
const TRIES_MAX = 4

export interface LiveFrameProps {
  readonly texts: Texts
  readonly frame: WireFrame
  /** The frame in a line. */
  readonly text: string
  readonly replay: LiveReplay
}

export function LiveFrame({ texts, frame, text, replay }: LiveFrameProps) {
  // Once for each frame, and again while its verdict has not come: a click may be quicker.
  const [tries, setTries] = useState({ frame, count: 0 })
  const count = tries.frame === frame ? tries.count : 0
  const outcome = useMemo(() => replay.explain(frame), [replay, frame, count])
  const isWaiting = outcome !== null && outcome.told === null && count < TRIES_MAX
  useEffect(() => {
    if (!isWaiting) return
    const timer = setTimeout(() => setTries({ frame, count: count + 1 }), TRY_MS)
    return () => clearTimeout(timer)
  }, [isWaiting, frame, count])
  if (outcome === null) {
    return (
      <>
        <p>{frame.from.startsWith('rs') ? texts.live.notByDirector : texts.live.notReplayed}</p>
        <Decoded title={text} hex={frame.hex} />
      </>
    )
  }
  const { replayed } = outcome
  return (
    <section class="replayed" aria-label={text}>
      <Verdict {...{ texts, explanation: replayed.explanation, subject: text }} />
      <Comparison {...{ texts, outcome }} />
      <Views {...{ texts, moment: replayed }} />
    </section>
  )
}

function Comparison({ texts, outcome }: { texts: Texts; outcome: Outcome }) {
  const { told, left, counted, agrees, isExact, isAssumed, replayed } = outcome
  const { live } = texts
  const compared = agrees === null ? live.notCompared : agrees ? live.agrees : live.differs
  return (
    <p class={agrees === false ? 'compared bad' : 'compared'}>
      {live.replayedHere}{' '}
      {told !== null && (
        <>
          {live.verdictOfRunning} <code>{told.verdict}</code>
          {told.realserver !== null && <> → {told.realserver}</>}.{' '}
        </>
      )}
      {live.onTheWire}{' '}
      {left === null
        ? live.nothingLeft
        : `${live.leftTo} ${left.to ?? live.everybody} (${macOf(left)})`}
      {left === null && counted !== null && (
        <>
          ; {live.counted} <code>{replayed.explanation.verdict.name}</code>: {counted}
        </>
      )}
      . <b>{compared}</b> {isAssumed ? live.assumed : !isExact && live.notExact}
    </p>
  )
}

function macOf({ hex }: WireFrame): string {
  return hex.slice(0, 12).replace(/..(?=.)/g, '$&:')
}

function Decoded({ title, hex }: { title: string; hex: string }) {
  const [pointed, setPointed] = useState<DescribedField | null>(null)
  const bytes = bytesOfHex(hex)
  return (
    <>
      <Hex title={title} bytes={bytes} other={null} pointed={pointed} />
      <Layers layers={layersOf(bytes)} changed={null} point={setPointed} />
    </>
  )
}
