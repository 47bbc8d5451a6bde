/** Everything about the frame of a capture that is looked at. */
import { useMemo } from 'preact/hooks'
import type { Session } from './session.js'
import type { Texts } from './texts/index.js'
import { Verdict, Views } from './views.jsx'

export interface DetailProps {
  readonly texts: Texts
  readonly session: Session
  readonly index: number
}

export function Detail({ texts, session, index }: DetailProps) {
  const moment = useMemo(() => session.at(index), [session, index])
  const subject = `${texts.frame} ${index + 1} ${texts.of} ${session.rows.length}`
  return (
    <section class="detail" aria-labelledby="verdict-name">
      <Verdict {...{ texts, explanation: moment.explanation, subject }} />
      <Views {...{ texts, moment }} />
    </section>
  )
}
