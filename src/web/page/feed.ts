/** The live page's line to its director: events in, orders out, all with the token. */
import type { Rule } from '../../balance/rule.js'
import type { ExplainedChoice, NextQuestion } from '../../control/choice.js'
import type { TracedFrame } from '../../control/traced-frame.js'
import type { LabDone, LabStateNow, Moment, WireEvent } from '../moment.js'

const AGAIN_MS = 2000

/** Who hears what comes. */
export interface FeedListener {
  moment(moment: Moment): void
  lab(state: LabStateNow): void
  wire(event: WireEvent): void
  /** Frames as the director has decided them. */
  traced(frames: readonly TracedFrame[]): void
  /** Null: all is well again. */
  trouble(what: string | null): void
}

/**
 * The token, out of the address (and then away from it, lest it be copied or shown), or kept for as
 * long as this tab lives.
 */
export function takeToken(): string {
  const given = location.hash.slice(1)
  if (given !== '') {
    sessionStorage.setItem('uipvs.token', given)
    history.replaceState(null, '', location.pathname)
  }
  return sessionStorage.getItem('uipvs.token') ?? ''
}

export class Feed {
  readonly #token: string
  readonly #end = new AbortController()

  constructor(token: string) {
    this.#token = token
  }

  /** Listens until `close()`, and begins again when the line is lost. */
  async listen(listener: FeedListener): Promise<void> {
    while (!this.#end.signal.aborted) {
      try {
        await this.#listenOnce(listener)
        listener.trouble('')
      } catch (error) {
        if (this.#end.signal.aborted) return
        listener.trouble(error instanceof TypeError ? '' : (error as Error).message)
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    }
  }

  close(): void {
    this.#end.abort()
  }

  async #listenOnce(listener: FeedListener): Promise<void> {
    const response = await this.#fetch('/api/events', {})
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    if (reader === undefined) return
    let rest = ''
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      const events = (rest + piece.value).split('\n\n')
      rest = events.pop() ?? ''
      for (const event of events) hear(event, listener)
    }
  }

  /** The sentence of a refusal; null if it was done. */
  async rules(rules: readonly Rule[]): Promise<string | null> {
    try {
      await this.#post('/api/rules', { rules, atomic: true })
      return null
    } catch (error) {
      return (error as Error).message
    }
  }

  /** Whom the director would choose for a connection that has not come. */
  async next(question: NextQuestion): Promise<ExplainedChoice> {
    return (await (await this.#post('/api/next', question)).json()) as ExplainedChoice
  }

  /** @throws Error with the sentence of a refusal */
  async lab(wanted: object): Promise<LabDone> {
    return (await (await this.#post('/api/lab', wanted)).json()) as LabDone
  }

  #post(path: string, body: object): Promise<Response> {
    const headers = { 'content-type': 'application/json' }
    return this.#fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })
  }

  async #fetch(path: string, { headers, ...init }: RequestInit): Promise<Response> {
    const response = await fetch(path, {
      ...init,
      headers: { ...headers, authorization: `Bearer ${this.#token}` },
      signal: this.#end.signal,
    })
    if (response.ok) return response
    const { error } = (await response.json().catch(() => ({}))) as { error?: string }
    throw new Error(error ?? `status ${response.status}`)
  }
}

function hear(event: string, listener: FeedListener): void {
  const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(event) ?? []
  if (name === undefined || data === undefined) return
  const value = JSON.parse(data)
  if (name === 'moment') {
    listener.trouble(null)
    listener.moment(value)
  } else if (name === 'lab') listener.lab(value)
  else if (name === 'wire') listener.wire(value)
  else if (name === 'traced') listener.traced(value.frames)
  else if (name === 'gone') listener.trouble(value.error)
}
