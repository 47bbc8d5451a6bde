/**
 * The control socket: HTTP with JSON over a unix socket, so that `curl --unix-socket` works.
 *
 *   POST /v1/rules         {"rules": [...], "atomic": false}   -> {"applied": n}
 *   GET  /v1/table         services, destinations, timeouts (`listing.ts`); ?brief: no counters
 *   GET  /v1/connections   one connection a line (application/x-ndjson)
 *   GET  /v1/marks         mark rules, in order
 *   GET  /v1/sysctls       what Linux has under net.ipv4.vs, by name
 *   GET  /v1/neighbours    realservers and gateways, their MAC addresses and states
 *   GET  /v1/counters      frames by verdict; the engine's numbers
 *   GET  /v1/status        what runs, where, since when
 *   POST /v1/next          whom a service would choose for a connection that has not come
 *   GET  /v1/trace         frames as they are decided, one a line (`trace.ts`)
 *   POST /v1/announce      tells the segment again where the VIPs are
 *
 * A refusal is `{"error": {"code", "subject", "message", "index", "applied"}}` with status 409; a
 * request that makes no sense has 400. Who may connect is a matter of the socket's mode: 0600, or
 * 0660 with a group.
 */
import { chmodSync, chownSync, lstatSync, unlinkSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import type { MarkRule, Rule, RuleError } from '../balance/rule.js'
import { brief } from './brief.js'
import type { ExplainedChoice, NextQuestion } from './choice.js'
import { makeFolder } from './folder.js'
import type { ConnectionListing, SysctlValues, TableListing } from './listing.js'
import {
  sendTrace,
  type TraceListener,
  TraceRefused,
  type TraceRequest,
  traceRequest,
} from './trace.js'

/** What the server asks of the director. */
export interface Controlled {
  apply(
    rules: readonly Rule[],
    atomic: boolean,
  ): Promise<{ readonly error: RuleError; readonly index: number; readonly applied: number } | null>
  table(): Promise<TableListing>
  connections(): Iterable<ConnectionListing>
  marks(): readonly MarkRule[]
  sysctls(): SysctlValues
  neighbours(): Promise<unknown>
  counters(): unknown
  status(): unknown
  next(question: NextQuestion): Promise<ExplainedChoice | null>
  announce(): Promise<void>
  /** Begins a trace; what is returned ends it. @throws TraceRefused */
  trace(request: TraceRequest, listener: TraceListener): Promise<() => void>
}

/** `sun_path` of linux/un.h, without the zero at its end. */
const PATH_BYTES_MAX = 107
const BODY_BYTES_MAX = 256 * 1024 * 1024
/** Connections written before others get their turn: about a millisecond. */
const CONNECTIONS_AT_ONCE = 1000

export class ControlServer {
  readonly path: string
  readonly #server: Server
  readonly #director: Controlled
  readonly #group: number | undefined
  #schema: Promise<typeof import('./schema.js')> | null = null

  /** `group`: the id of a group that may connect as well. */
  constructor(path: string, director: Controlled, group?: number) {
    this.path = path
    this.#group = group
    this.#director = director
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: Error) => {
        if (response.headersSent) response.destroy()
        else
          answer(response, 500, {
            error: { code: 'EFAULT', subject: 'director', message: error.message },
          })
      })
    })
    this.#server.keepAliveTimeout = 2_000
  }

  /**
   * Loads what requests are checked with. That takes longer than all the rest of a start, so the
   * director calls this when its first frame can come; a request that is earlier loads it itself.
   */
  prepare(): Promise<typeof import('./schema.js')> {
    this.#schema ??= import('./schema.js')
    return this.#schema
  }

  /**
   * Listens. A socket that a dead director left behind is taken over; a living one is not, and what
   * is no socket is somebody's file.
   */
  async listen(): Promise<void> {
    if (this.path === '') throw new Error('its path is empty')
    // A longer one would be cut in silence, and the socket be somewhere else.
    if (Buffer.byteLength(this.path) > PATH_BYTES_MAX) {
      throw new Error(
        `its path is longer than the ${PATH_BYTES_MAX} bytes that a socket's may have`,
      )
    }
    makeFolder(dirname(this.path), 0o755)
    const found = lstatSync(this.path, { throwIfNoEntry: false })
    if (found !== undefined) {
      if (!found.isSocket()) throw new Error('something that is no socket is there already')
      if (await isAnswered(this.path)) {
        throw new Error('another director answers there')
      }
      unlinkSync(this.path)
    }
    const before = process.umask(0o177)
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject)
        this.#server.listen(this.path, resolve)
      })
    } finally {
      process.umask(before)
    }
    if (this.#group !== undefined) chownSync(this.path, -1, this.#group)
    chmodSync(this.path, this.#group === undefined ? 0o600 : 0o660)
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path, query] = (request.url ?? '').split('?')
    const what = `${request.method} ${path}`
    switch (what) {
      case 'POST /v1/rules':
        return this.#rules(request, response)
      case 'GET /v1/table':
        return answer(response, 200, await this.#table(query === 'brief'))
      case 'GET /v1/connections':
        return this.#connections(response)
      case 'GET /v1/marks':
        return answer(response, 200, { marks: this.#director.marks() })
      case 'GET /v1/sysctls':
        return answer(response, 200, this.#director.sysctls())
      case 'GET /v1/neighbours':
        return answer(response, 200, { neighbours: await this.#director.neighbours() })
      case 'GET /v1/counters':
        return answer(response, 200, this.#director.counters())
      case 'GET /v1/status':
        return answer(response, 200, this.#director.status())
      case 'POST /v1/next':
        return this.#next(request, response)
      case 'GET /v1/trace':
        return this.#trace(response, query ?? '')
      case 'POST /v1/announce':
        await this.#director.announce()
        return answer(response, 200, {})
      default:
        answer(response, 404, wrong(`there is no ${what}; docs/control-api.md lists what there is`))
    }
  }

  async #table(isBrief: boolean): Promise<unknown> {
    const table = await this.#director.table()
    return isBrief ? brief(table) : table
  }

  async #rules(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readJson(request)
    if (body instanceof Error) return answer(response, 400, wrong(body.message))
    const { parseRulesRequest } = await this.prepare()
    const parsed = parseRulesRequest(body)
    if (typeof parsed === 'string') return answer(response, 400, wrong(parsed))
    const refusal = await this.#director.apply(parsed.rules, parsed.atomic)
    if (refusal === null) return answer(response, 200, { applied: parsed.rules.length })
    const { error, index, applied } = refusal
    const { code, subject, message } = error
    answer(response, 409, { error: { code, subject, message, index, applied } })
  }

  async #next(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readJson(request)
    if (body instanceof Error) return answer(response, 400, wrong(body.message))
    const { parseNextQuestion } = await this.prepare()
    const question = parseNextQuestion(body)
    if (typeof question === 'string') return answer(response, 400, wrong(question))
    const choice = await this.#director.next(question)
    if (choice !== null) return answer(response, 200, choice)
    answer(response, 409, { error: { ...wrong('no such service').error, code: 'ESRCH' } })
  }

  async #trace(response: ServerResponse, query: string): Promise<void> {
    const asked = traceRequest(query)
    if (typeof asked === 'string') return answer(response, 400, wrong(asked))
    try {
      await sendTrace(response, (listener) => this.#director.trace(asked, listener))
    } catch (error) {
      if (!(error instanceof TraceRefused)) throw error
      answer(response, 409, wrong(error.message))
    }
  }

  async #connections(response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    let lines: string[] = []
    for (const connection of this.#director.connections()) {
      lines.push(JSON.stringify(connection))
      if (lines.length < CONNECTIONS_AT_ONCE) continue
      if (!response.write(`${lines.join('\n')}\n`)) await drained(response)
      if (response.destroyed) return
      lines = []
      await new Promise((resolve) => setImmediate(resolve))
    }
    response.end(lines.length === 0 ? '' : `${lines.join('\n')}\n`)
  }
}

function wrong(message: string) {
  return { error: { code: 'EINVAL', subject: 'request', message, index: 0, applied: 0 } }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}

async function readJson(request: IncomingMessage): Promise<unknown | Error> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of request) {
    bytes += piece.length
    if (bytes > BODY_BYTES_MAX)
      return new Error(`the request is longer than ${BODY_BYTES_MAX} bytes`)
    pieces.push(piece)
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'))
  } catch (error) {
    return new Error(`the request is not JSON: ${(error as Error).message}`)
  }
}

/** Resolves when there is room for more, or nobody reads any more. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
