/**
 * `uipvs run --metrics`: what is counted, for Prometheus, over HTTP. Nothing is collected between
 * scrapes; each takes one snapshot, and scrapes that overlap share it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIPv6 } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { type Metric, Registry } from 'prom-client'
import { totalsOf } from './accounts.js'
import type { Counters, Status } from './listing.js'
import {
  type Backend,
  FAMILIES,
  type Family,
  type Labels,
  type Sample,
  type Snapshot,
} from './metric-families.js'
import { hex, protocolText } from './proc-text.js'
import type { Source } from './readers.js'

const STATES = ['INCOMPLETE', 'REACHABLE', 'PROBE', 'FAILED']
const METHODS = ['route', 'tunnel', 'masq'] as const
/** A scraper that opens ever more connections gets none. */
const CONNECTIONS_MAX = 32
const REQUEST_MS = 10_000
/** Samples that prom-client prints at once: a few milliseconds. */
const SAMPLES_AT_ONCE = 1000

/** What a scrape asks of the director. */
export interface Measured {
  readonly startedAt: number
  read<T>(look: (source: Source) => T): Promise<T>
  counters(): Counters
  status(): Status
  neighbours(): Promise<readonly { readonly state: string }[]>
}

export class MetricsServer {
  readonly #director: Measured
  readonly #version: string
  readonly #registry = new Registry()
  readonly #server: Server
  /** What prom-client is to print now. */
  #samples: readonly Sample[] = []
  #scrape: Promise<string> | null = null

  constructor(director: Measured, version: string) {
    this.#director = director
    this.#version = version
    for (const family of FAMILIES) this.#registry.registerMetric(this.#metric(family))
    this.#server = createServer({ requestTimeout: REQUEST_MS }, (request, response) => {
      this.#answer(request, response).catch((error: Error) => {
        if (response.headersSent) response.destroy()
        else say(response, 503, `the director can't tell: ${error.message}\n`)
      })
    })
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  /** Listens; the address with its port, which the system chooses for port 0. */
  async listen(host: string, port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, ipv6Only: true }, resolve)
    })
    const chosen = (this.#server.address() as AddressInfo).port
    return `http://${isIPv6(host) ? `[${host}]` : host}:${chosen}/metrics`
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').split('?')[0]
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      return say(response, 405, 'metrics are read with GET\n')
    }
    if (path === '/') return say(response, 200, 'uipvs: metrics are at /metrics\n')
    if (path !== '/metrics') return say(response, 404, `there is no ${path}; /metrics is all\n`)
    this.#scrape ??= this.#collect().finally(() => {
      this.#scrape = null
    })
    say(response, 200, await this.#scrape, this.#registry.contentType)
  }

  async #collect(): Promise<string> {
    const snapshot = await takeSnapshot(this.#director, this.#version)
    let text = ''
    for (const family of FAMILIES) text += await this.#print(family, snapshot)
    return text
  }

  /** A family in pieces, between which others get their turn: there may be many backends. */
  async #print({ name, samples }: Family, snapshot: Snapshot): Promise<string> {
    const all = samples(snapshot)
    let text = ''
    for (let from = 0; from === 0 || from < all.length; from += SAMPLES_AT_ONCE) {
      this.#samples = all.slice(from, from + SAMPLES_AT_ONCE)
      const piece = await this.#registry.getSingleMetricAsString(name)
      // Help and type are told once, before the first sample.
      text += from === 0 ? piece : piece.slice(piece.indexOf('\n', piece.indexOf('\n') + 1))
      await turn()
    }
    return `${text}\n`
  }

  /** A family as prom-client knows it: it counts nothing itself, but tells of the snapshot. */
  #metric({ name, type, help }: Family): Metric {
    const get = async () => ({ name, type, help, aggregator: 'sum', values: this.#samples })
    return { name, help, get } as unknown as Metric
  }
}

function say(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

async function takeSnapshot(director: Measured, version: string): Promise<Snapshot> {
  const neighbours = Object.fromEntries(STATES.map((state) => [state, 0]))
  for (const { state } of await director.neighbours()) neighbours[state]++
  return await director.read((source) => ({
    version,
    startedAt: director.startedAt,
    totals: totalsOf(source),
    counters: director.counters(),
    status: director.status(),
    neighbours,
    ...ofRules(source),
  }))
}

function ofRules(source: Source): Pick<Snapshot, 'backends' | 'entries' | 'notServed' | 'daemons'> {
  const { book, live } = source
  const { services, destinations } = book.balancer
  const backends = new Map<string, Backend>()
  const notServed = { masq: 0, tunnel: 0 }
  const counts = { services: 0, destinations: 0 }
  for (const slot of book.services()) {
    counts.services++
    const local = localLabels(source, slot)
    for (let d = services.head(slot); d >= 0; d = destinations.next(d)) {
      counts.destinations++
      const method = METHODS[destinations.method(d)]
      if (method !== 'route') notServed[method]++
      const address = asGo(book.destinationNames[d]?.address ?? '')
      const labels = backendLabels(local, address, destinations.port(d))
      const key = Object.values(labels).join('\0')
      let backend = backends.get(key)
      if (backend === undefined) {
        backend = { labels, active: 0, inactive: 0, weight: 0 }
        backends.set(key, backend)
      }
      backend.active += live.destinations.active(d)
      backend.inactive += live.destinations.inactive(d)
      backend.weight += destinations.weight(d)
    }
  }
  const daemons = { master: 0, backup: 0 }
  for (const { role } of book.daemons) daemons[role]++
  const inOrder = [...backends].sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    backends: inOrder.map(([, backend]) => backend),
    notServed,
    daemons,
    entries: {
      ...counts,
      connections4: live.connections4,
      connections6: live.connections6,
      templates: live.templates,
    },
  }
}

type Local = readonly [address: string, mark: string, port: string, protocol: string]

/** As node_exporter has them: a mark's service has no address, and protocol FWM. */
function localLabels({ book }: Source, slot: number): Local {
  const { services } = book.balancer
  const fwmark = services.fwmark(slot)
  if (fwmark !== 0) return ['', hex(fwmark >>> 0, 8), '0', 'FWM']
  const key = book.serviceKeys[slot]
  const address = key !== undefined && 'address' in key ? asGo(key.address) : ''
  return [address, '', String(services.port(slot)), protocolText(services.protocol(slot))]
}

/** In the order in which node_exporter prints and sorts them. */
function backendLabels([address, mark, port, proto]: Local, remote: string, rport: number): Labels {
  return {
    local_address: address,
    local_mark: mark,
    local_port: port,
    proto,
    remote_address: remote,
    remote_port: String(rport),
  }
}

/** IPv6 addresses as Go writes them: dotted only if IPv4-mapped, and then without the colons. */
function asGo(address: string): string {
  const [, mapped, a, b, c, d] = /^::(ffff:)?(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address) ?? []
  if (a === undefined) return address
  if (mapped !== undefined) return address.slice('::ffff:'.length)
  const [high, low] = [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)]
  if (high === 0) return low === 0 ? '::' : `::${low.toString(16)}`
  return `::${high.toString(16)}:${low.toString(16)}`
}
