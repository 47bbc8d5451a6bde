/** Frames of a director that stands alone, as it decides them: some of them, newest first. */
import { useEffect, useState } from 'preact/hooks'
import type { TracedFrame } from '../../control/traced-frame.js'
import { tracedText } from '../../offline/traced.js'
import { LiveFrame } from './live-frame.jsx'
import { type LiveReplay, wireOf } from './live-replay.js'
import type { Texts } from './texts/index.js'

const KEPT = 40

export interface LiveTracedProps {
  readonly texts: Texts
  /** Where traced frames are to be told. */
  readonly traced: { current: (frames: readonly TracedFrame[]) => void }
  readonly replay: LiveReplay
}

interface Row {
  readonly id: number
  readonly frame: TracedFrame
  readonly text: string
}

export function LiveTraced({ texts, traced, replay }: LiveTracedProps) {
  const { live } = texts
  const [rows, setRows] = useState<readonly Row[]>([])
  const [isPaused, setPaused] = useState(false)
  const [picked, setPicked] = useState<Row | null>(null)
  useEffect(() => {
    traced.current = (frames) => {
      if (!isPaused) setRows((last) => withNew(last, frames))
    }
    return () => {
      traced.current = () => {}
    }
  }, [traced, isPaused])
  const oneOf = rows[0]?.frame.oneOf ?? 1
  return (
    <section class="card wide" aria-labelledby="traced">
      <h2 id="traced">{live.traced}</h2>
      <div class="controls">
        <button type="button" onClick={() => setPaused(!isPaused)}>
          {isPaused ? live.resume : texts.pause}
        </button>
        <span class="hint">{oneOf > 1 ? `${live.oneOf} ${oneOf}` : live.allShown}</span>
      </div>
      {rows.length === 0 && <p class="hint">{live.noneTraced}</p>}
      <ul class="seen">
        {rows.map((row) => (
          <li key={row.id}>
            <button type="button" class="link" onClick={() => setPicked(row)}>
              {row.text} → {row.frame.realserver ?? row.frame.verdict}
            </button>
          </li>
        ))}
      </ul>
      <h3>{live.frameTitle}</h3>
      {picked === null ? (
        <p class="hint">{live.chooseFrame}</p>
      ) : (
        <LiveFrame {...{ texts, replay }} frame={wireOf(picked.frame)} text={picked.frame.arm} />
      )}
    </section>
  )
}

function withNew(last: readonly Row[], frames: readonly TracedFrame[]): Row[] {
  let id = last[0]?.id ?? 0
  const fresh = frames
    .map((frame) => ({ id: ++id, frame, text: tracedText(frame).frame }))
    .reverse()
  return [...fresh, ...last].slice(0, KEPT)
}
