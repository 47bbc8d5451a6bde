/**
 * `uipvs run --web`, `uipvs lab --web`: the page, live. The files of the page are for everybody who
 * can connect; what a director tells and does is for those who have the token, which is part of the
 * address that is printed (behind `#`, so that browsers send it to nobody).
 *
 *   GET  /                       the live page; /index.html the page without a director
 *   GET  /api/events             a moment of the director twice a second (server-sent events)
 *   POST /api/rules              {"rules": […]}, as /v1/rules of the control socket
 *   POST /api/next               as /v1/next of the control socket
 *   POST /api/lab                {"do": "…", …}: see lab-actions.ts; only in a lab
 *
 * Only addresses are taken as Host: a name could be made to point here by somebody's DNS.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP, isIPv6, type ListenOptions } from 'node:net'
import { join } from 'node:path'
import { parseNextQuestion, parseRulesRequest } from '../control/schema.js'
import type { TracedFrame } from '../control/trace.js'
import { type LabFeed, type Live, type Moment, momentOf } from './live.js'

/** Where the build puts the page, seen from build/src/web. */
const PAGE = join(import.meta.dirname, '..', '..', 'page')
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['live.html', 'text/html; charset=utf-8'],
  '/index.html': ['index.html', 'text/html; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
  '/live.js': ['live.js', 'text/javascript; charset=utf-8'],
  '/live.css': ['live.css', 'text/css; charset=utf-8'],
}
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"
const MOMENT_MS = 500
/** Traced frames are gathered for so long, and of them at most so many told. */
const TRACED_MS = 250
const TRACED_TOLD = 60
const LISTENERS_MAX = 8
const CONNECTIONS_MAX = 64
const BODY_BYTES_MAX = 1 << 20
/** A browser that reads this much too slowly is let go. */
const BEHIND_BYTES_MAX = 8 << 20

export interface WebOptions {
  readonly live: Live
  /** What a lab offers beside its director. */
  readonly lab?: LabFeed
}

export class WebServer {
  readonly token = randomBytes(18).toString('base64url')
  readonly #options: WebOptions
  readonly #server: Server
  readonly #listeners = new Set<ServerResponse>()
  #timer: NodeJS.Timeout | null = null
  #isClosed = false
  readonly #traced: TracedFrame[] = []
  /** Ends the trace, which goes on as long as a page is open. */
  #endTrace: (() => void) | null = null

  constructor(options: WebOptions) {
    this.#options = options
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: Error) => {
        if (response.headersSent) response.destroy()
        else tell(response, 503, { error: error.message })
      })
    })
    this.#server.maxConnections = CONNECTIONS_MAX
    options.lab?.onWire((event) => this.#send('wire', event))
  }

  /** Listens; the address to open, with the token. */
  async listen(host: string, port: number): Promise<string> {
    await this.#listen({ host, port, ipv6Only: true })
    const chosen = (this.#server.address() as AddressInfo).port
    return `http://${isIPv6(host) ? `[${host}]` : host}:${chosen}/#${this.token}`
  }

  /** Listens at a unix socket, to which somebody hands on what arrives at `address`. */
  async listenBehind(path: string, address: string): Promise<string> {
    await this.#listen({ path })
    return `http://${address}/#${this.token}`
  }

  async #listen(where: ListenOptions): Promise<void> {
    // Missing files are told now, and not when somebody looks.
    for (const [file] of Object.values(FILES)) readFileSync(join(PAGE, file))
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(where, resolve)
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#untrace()
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('x-content-type-options', 'nosniff')
    response.setHeader('referrer-policy', 'no-referrer')
    response.setHeader('cache-control', 'no-store')
    if (!isAddress(request.headers.host ?? '')) {
      return tell(response, 403, { error: 'open this page by its address, not by a name' })
    }
    const path = (request.url ?? '').split('?')[0]
    if (!path.startsWith('/api/')) return this.#file(request, response, path)
    if (!this.#isAllowed(request)) {
      return tell(response, 401, { error: 'the token is missing or wrong' })
    }
    switch (`${request.method} ${path}`) {
      case 'GET /api/events':
        return this.#events(response)
      case 'POST /api/rules':
        return this.#rules(request, response)
      case 'POST /api/next':
        return this.#next(request, response)
      case 'POST /api/lab':
        return this.#lab(request, response)
      default:
        tell(response, 404, { error: `there is no ${request.method} ${path}` })
    }
  }

  #file(request: IncomingMessage, response: ServerResponse, path: string): void {
    const found = FILES[path]
    if (found === undefined) {
      tell(response, 404, { error: `there is no ${path}` })
      return
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      tell(response, 405, { error: 'files are read with GET' })
      return
    }
    const [file, type] = found
    const bytes = readFileSync(join(PAGE, file))
    response.writeHead(200, {
      'content-type': type,
      'content-length': bytes.length,
      'content-security-policy': POLICY,
    })
    response.end(bytes)
  }

  #isAllowed(request: IncomingMessage): boolean {
    const given = Buffer.from(/^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '')
    const wanted = Buffer.from(this.token)
    return given.length === wanted.length && timingSafeEqual(given, wanted)
  }

  #events(response: ServerResponse): void {
    if (this.#listeners.size >= LISTENERS_MAX) {
      tell(response, 503, { error: `${LISTENERS_MAX} pages are open already` })
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    this.#listeners.add(response)
    response.on('close', () => {
      this.#listeners.delete(response)
      if (this.#listeners.size === 0) this.#untrace()
    })
    const { lab } = this.#options
    if (lab !== undefined) write(response, 'lab', lab.state())
    if (this.#timer === null) void this.#moment()
    if (this.#endTrace === null) void this.#trace()
  }

  /** Frames with their verdicts; a director without an engine has none to tell of. */
  async #trace(): Promise<void> {
    let isOver = false
    const timer = setInterval(() => {
      if (this.#traced.length > 0) this.#send('traced', { frames: this.#traced.splice(0) })
    }, TRACED_MS)
    let stop = () => {}
    this.#endTrace = () => {
      isOver = true
      clearInterval(timer)
      stop()
      this.#endTrace = null
    }
    try {
      stop = await this.#options.live.trace((frames) => {
        this.#traced.push(...frames.slice(0, TRACED_TOLD - this.#traced.length))
      })
      if (isOver) stop()
    } catch {
      // The moments say why, if there is no director.
    }
  }

  #untrace(): void {
    this.#endTrace?.()
    this.#traced.length = 0
  }

  /** Tells all pages how things stand, and again after a while, as long as there is one. */
  async #moment(): Promise<void> {
    // Taken by this call from here on, so that no second round begins beside it.
    this.#timer = setTimeout(() => {}, 0)
    let next: Moment | { readonly error: string }
    try {
      next = await momentOf(this.#options.live)
    } catch (error) {
      next = { error: (error as Error).message }
    }
    this.#send('error' in next ? 'gone' : 'moment', next)
    if (this.#listeners.size === 0 || this.#isClosed) this.#timer = null
    else this.#timer = setTimeout(() => void this.#moment(), MOMENT_MS)
  }

  #send(name: string, value: unknown): void {
    for (const response of this.#listeners) {
      if (response.writableLength > BEHIND_BYTES_MAX) response.destroy()
      else write(response, name, value)
    }
  }

  async #rules(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readJson(request)
    const parsed = body instanceof Error ? body.message : parseRulesRequest(body)
    if (typeof parsed === 'string') return tell(response, 400, { error: parsed })
    const refusal = await this.#options.live.apply(parsed.rules)
    tell(response, refusal === null ? 200 : 409, refusal === null ? {} : { error: refusal })
  }

  async #next(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readJson(request)
    const question = body instanceof Error ? body.message : parseNextQuestion(body)
    if (typeof question === 'string') return tell(response, 400, { error: question })
    const choice = await this.#options.live.next(question)
    if (choice === null) tell(response, 409, { error: 'there is no such service' })
    else tell(response, 200, choice)
  }

  async #lab(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { lab } = this.#options
    if (lab === undefined) return tell(response, 404, { error: 'this is no lab' })
    const body = await readJson(request)
    if (body instanceof Error) return tell(response, 400, { error: body.message })
    const done = await lab.act(body)
    if (typeof done === 'string') return tell(response, 400, { error: done })
    this.#send('lab', lab.state())
    tell(response, 200, done)
  }
}

function isAddress(host: string): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(host) ?? []
  return isIP(bracketed ?? plain ?? '') !== 0 || plain === 'localhost'
}

function write(response: ServerResponse, name: string, value: unknown): void {
  response.write(`event: ${name}\ndata: ${JSON.stringify(value)}\n\n`)
}

function tell(response: ServerResponse, status: number, value: object): void {
  const text = `${JSON.stringify(value)}\n`
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
    if (bytes > BODY_BYTES_MAX) return new Error(`longer than ${BODY_BYTES_MAX} bytes`)
    pieces.push(piece)
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'))
  } catch (error) {
    return new Error(`not JSON: ${(error as Error).message}`)
  }
}
