/**
 * The control socket from the asking side: HTTP with JSON over a unix socket, so that
 * `curl --unix-socket` sees what this sees. One connection is kept for all requests of a client.
 *
 * uipvsadm starts with this module on every call, so it imports nothing heavier than node:http.
 */
import { existsSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { type MarkRule, type Rule, RuleError, type RuleErrorCode } from '../balance/rule.js'
import { type BriefTable, whole } from './brief.js'
import type { ExplainedChoice, NextQuestion } from './choice.js'
import type { ConnectionListing, Counters, Status, SysctlValues, TableListing } from './listing.js'
import type { TraceLine, TraceRequest } from './trace.js'

/** No director answers; `code` is the system's (ENOENT, ECONNREFUSED, EACCES, …). */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
  readonly path: string
  readonly code: string

  constructor(path: string, code: string) {
    super(`no director answers at ${path} (${code})`)
    this.path = path
    this.code = code
  }
}

/** A rule of a request was refused: why, which, and how many before it are carried out. */
export class RulesRefused extends RuleError {
  readonly index: number
  readonly applied: number

  constructor(error: RefusalBody) {
    super(error.code, error.subject, error.message)
    this.index = error.index
    this.applied = error.applied
  }
}

interface RefusalBody {
  readonly code: RuleErrorCode
  readonly subject: string
  readonly message: string
  readonly index: number
  readonly applied: number
}

/** The director answered something that this client does not understand. */
export class ControlError extends Error {
  override readonly name = 'ControlError'
}

/**
 * Where the director listens: UIPVS_CONTROL if set, else `/run/uipvs/control.sock`; without that
 * directory (a director without root) the one of the user's own.
 */
export function controlPath(environment: NodeJS.ProcessEnv): string {
  if (environment.UIPVS_CONTROL) return environment.UIPVS_CONTROL
  const own = environment.XDG_RUNTIME_DIR
  const directory = own && !existsSync('/run/uipvs') ? `${own}/uipvs` : '/run/uipvs'
  return `${directory}/control.sock`
}

/** A director that says nothing for so long is taken for dead. */
const ANSWER_WAIT_MS = 10_000

export class ControlClient {
  readonly path: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(path: string) {
    this.path = path
  }

  /** Returns if someone listens. Costs a connection, not a request. */
  reach(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.path, () => {
        socket.destroy()
        resolve()
      })
      socket.on('error', (error) => reject(new Unreachable(this.path, codeOf(error))))
    })
  }

  /** @throws RulesRefused at the first rule that is refused. */
  async rules(rules: readonly Rule[], { atomic }: { readonly atomic: boolean }): Promise<void> {
    await this.#ask('POST', '/v1/rules', { rules, atomic })
  }

  /** With `isBrief` all counters and rates are zero, and no MAC address is known. */
  async table(isBrief = false): Promise<TableListing> {
    if (isBrief) return whole((await this.#ask('GET', '/v1/table?brief')) as BriefTable)
    return (await this.#ask('GET', '/v1/table')) as TableListing
  }

  /** All connections at once; prefer `connectionBatches` where there may be many. */
  async connections(): Promise<ConnectionListing[]> {
    const all: ConnectionListing[] = []
    for await (const batch of this.connectionBatches()) for (const each of batch) all.push(each)
    return all
  }

  /** Connections as they arrive. */
  async *connectionBatches(): AsyncGenerator<ConnectionListing[]> {
    const response = await this.#send('GET', '/v1/connections')
    yield* readConnections(response)
  }

  /** Mark rules, in the order in which they are looked at. */
  async marks(): Promise<readonly MarkRule[]> {
    return ((await this.#ask('GET', '/v1/marks')) as { marks: MarkRule[] }).marks
  }

  /** What Linux has under `net.ipv4.vs`, by name. */
  async sysctls(): Promise<SysctlValues> {
    return (await this.#ask('GET', '/v1/sysctls')) as SysctlValues
  }

  async status(): Promise<Status> {
    return (await this.#ask('GET', '/v1/status')) as Status
  }

  async counters(): Promise<Counters> {
    return (await this.#ask('GET', '/v1/counters')) as Counters
  }

  /**
   * Whom the director would choose for a connection that has not come.
   * @throws RulesRefused if there is no such service
   */
  async next(question: NextQuestion): Promise<ExplainedChoice> {
    return (await this.#ask('POST', '/v1/next', question)) as ExplainedChoice
  }

  /** Frames as the director decides them. Whoever stops reading ends the trace. */
  async trace(request: TraceRequest): Promise<AsyncGenerator<TraceLine[]>> {
    const { filter, rate, bytes } = request
    const query = new URLSearchParams({ filter, rate: String(rate), bytes: String(bytes) })
    const response = await this.#send('GET', `/v1/trace?${query}`)
    return readLines<TraceLine>(response, '/v1/trace')
  }

  /** Tells the segment again where the VIPs are (gratuitous ARP, unsolicited advertisements). */
  async announce(): Promise<void> {
    await this.#ask('POST', '/v1/announce', {})
  }

  /** Lets the process end: a kept connection would hold it for seconds. */
  close(): void {
    this.#agent.destroy()
  }

  async #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.#send(method, path, body)
    const text = await readText(response)
    return text === '' ? null : parseJson(text, path)
  }

  /** The answer to a request, if it is a good one. */
  async #send(method: string, path: string, body?: unknown): Promise<IncomingMessage> {
    const response = await this.#exchange(method, path, body)
    const status = response.statusCode ?? 0
    if (status >= 200 && status < 300) return response
    const text = await readText(response)
    const refusal = refusalIn(text)
    if (refusal !== null) throw new RulesRefused(refusal)
    throw new ControlError(`${method} ${path} at ${this.path}: status ${status}: ${text.trim()}`)
  }

  #exchange(method: string, path: string, body?: unknown): Promise<IncomingMessage> {
    const text = body === undefined ? '' : JSON.stringify(body)
    const headers =
      body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    const agent = this.#agent
    const options = { socketPath: this.path, agent, method, path, headers, timeout: ANSWER_WAIT_MS }
    return new Promise((resolve, reject) => {
      const asking = request(options, resolve)
      asking.on('timeout', () => asking.destroy(Object.assign(new Error(), { code: 'ETIMEDOUT' })))
      asking.on('error', (error: NodeJS.ErrnoException) => {
        // A kept connection can be closed by the director just as it is used again; nothing of the
        // request was read then.
        const isClosed = error.code === 'ECONNRESET' || error.code === 'EPIPE'
        const again = asking.reusedSocket && isClosed
        if (again) this.#exchange(method, path, body).then(resolve, reject)
        else reject(new Unreachable(this.path, codeOf(error)))
      })
      asking.end(text)
    })
  }
}

function codeOf(error: NodeJS.ErrnoException): string {
  return error.code ?? error.message
}

async function readText(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8')
  let text = ''
  for await (const piece of response) text += piece
  return text
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new ControlError(`${path}: the answer is not JSON: ${text.slice(0, 80)}`)
  }
}

/**
 * The body of a refusal, `{error: {code, subject, message, index, applied}}`; null if it is none.
 */
function refusalIn(text: string): RefusalBody | null {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return null
  }
  const error = (body as { error?: Partial<RefusalBody> } | null)?.error
  if (typeof error?.code !== 'string' || !isIndex(error.index)) return null
  const { code, subject = '', message = '', index, applied = 0 } = error
  return { code, subject, message, index, applied }
}

function isIndex(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0
}

/**
 * The one place that knows how connections are sent: `{"connections": […]}`, or, so that a million
 * of them need not be one string, one JSON object a line as `application/x-ndjson`.
 */
async function* readConnections(response: IncomingMessage): AsyncGenerator<ConnectionListing[]> {
  if (!response.headers['content-type']?.startsWith('application/x-ndjson')) {
    const body = parseJson(await readText(response), '/v1/connections')
    yield (body as { connections: ConnectionListing[] }).connections
    return
  }
  yield* readLines<ConnectionListing>(response, '/v1/connections')
}

/** One JSON object a line, as many at once as have come. */
async function* readLines<T>(response: IncomingMessage, path: string): AsyncGenerator<T[]> {
  response.setEncoding('utf8')
  let rest = ''
  for await (const piece of response) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop()!
    if (lines.length > 0) yield lines.map((line) => parseJson(line, path) as T)
  }
  if (rest !== '') yield [parseJson(rest, path) as T]
}
