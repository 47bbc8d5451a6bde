/** What a service would choose next, if a client came: asked anew with each moment. */
import { useEffect, useState } from 'preact/hooks'
import type { ExplainedChoice, NextQuestion } from '../../control/choice.js'
import type { ServiceListing } from '../../control/listing.js'
import type { Moment } from '../moment.js'
import { ChoiceView } from './choice-view.jsx'
import type { Texts } from './texts/index.js'

/** The port of a client, where none is said. */
const SOME_PORT = 40_000

export interface NextChoiceProps {
  readonly texts: Texts
  readonly listed: ServiceListing
  readonly moment: Moment
  /** Who is likely to come: the lab's client. */
  readonly client: string
  next(question: NextQuestion): Promise<ExplainedChoice>
}

export function NextChoice({ texts, listed, moment, client, next }: NextChoiceProps) {
  const { live } = texts
  const [typed, setTyped] = useState<string | null>(null)
  const [answer, setAnswer] = useState<ExplainedChoice | string | null>(null)
  const asked = typed ?? client
  const { service } = listed
  useEffect(() => {
    let isGone = false
    const tell = (what: ExplainedChoice | string) => {
      if (!isGone) setAnswer(what)
    }
    const [address, port] = endpointOf(asked)
    const question = { service, client: address, clientPort: port }
    next(question)
      .then(tell)
      .catch((error: Error) => tell(error.message))
    return () => {
      isGone = true
    }
  }, [moment, asked, next])
  return (
    <div class="next">
      <label>
        {live.forClient}{' '}
        <input
          type="text"
          size={24}
          spellcheck={false}
          value={asked}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
      </label>
      {typeof answer === 'string' && <p class="bad">{answer}</p>}
      {answer !== null && typeof answer !== 'string' && (
        <ChoiceView {...{ texts, choice: answer }} />
      )}
    </div>
  )
}

/** `10.0.0.1`, `10.0.0.1:40000`, `2001:db8::1`, `[2001:db8::1]:40000`. */
function endpointOf(text: string): [address: string, port: number] {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text.trim()) ?? []
  const address = bracketed ?? plain
  return address === undefined ? [text.trim(), SOME_PORT] : [address, Number(port)]
}
