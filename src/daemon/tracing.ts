/**
 * Traces as the main thread sees them: who reads, what the workers are told of it, and frames on
 * their way from the workers' rings to the readers. Workers look at frames while somebody reads.
 */
import type { RuleBook } from '../balance/apply.js'
import {
  type TraceCounts,
  type TracedFrame,
  type TraceListener,
  TraceRefused,
  type TraceRequest,
} from '../control/trace.js'
import { TraceKey } from '../engine/trace-key.js'
import { TRACES_MAX, type TraceReader, TraceRecord } from '../engine/trace-ring.js'
import { ENDINGS, FORWARDED } from '../engine/verdict.js'
import { formatMac } from '../wire/address.js'
import * as ethernet from '../wire/ethernet.js'
import type { Workers } from './workers.js'

/** How often the rings are emptied: at most of the time that the workers need to fill them. */
const EMPTY_MS = 20
/** A reader hears something so often, or it would take the director for dead. */
const ALIVE_MS = 1000

interface Trace {
  readonly id: number
  readonly place: number
  readonly request: TraceRequest
  readonly listener: TraceListener
  frames: TracedFrame[]
  /** Frames taken out of the rings, and those of them that the listener did not take. */
  received: number
  refused: number
  /** Whether all workers know of it, so that their counters are its own. */
  isOn: boolean
  told: TraceCounts
  toldAt: number
}

/** Begins a trace; `null` is the tracing of a director without an engine. */
export async function openTrace(
  tracing: Tracing | null,
  request: TraceRequest,
  listener: TraceListener,
): Promise<() => void> {
  if (tracing !== null) return await tracing.open(request, listener)
  throw new TraceRefused('this director takes no frames (--engine none)')
}

export class Tracing {
  readonly #workers: Pick<Workers, 'traced' | 'order'>
  readonly #book: RuleBook
  readonly #arms: readonly string[]
  readonly #traces = new Map<number, Trace>()
  readonly #record = new TraceRecord()
  readonly #view = new DataView(this.#record.before.buffer)
  readonly #key = new TraceKey()
  #rings: readonly TraceReader[] = []
  #timer: NodeJS.Timeout | undefined
  #lastId = 0

  constructor(workers: Pick<Workers, 'traced' | 'order'>, book: RuleBook, arms: readonly string[]) {
    this.#workers = workers
    this.#book = book
    this.#arms = arms
  }

  /** Begins a trace; what is returned ends it. */
  async open(request: TraceRequest, listener: TraceListener): Promise<() => void> {
    const taken = [...this.#traces.values()].map(({ place }) => place)
    const place = Array.from({ length: TRACES_MAX }, (_, i) => i).find((i) => !taken.includes(i))
    if (place === undefined) {
      throw new TraceRefused(`${TRACES_MAX} traces are running, and no more can; end one`)
    }
    const id = ++this.#lastId
    const trace: Trace = {
      id,
      place,
      request,
      listener,
      frames: [],
      received: 0,
      refused: 0,
      isOn: false,
      told: { type: 'counts', matched: 0, shown: 0, lost: 0 },
      toldAt: 0,
    }
    this.#traces.set(id, trace)
    if (this.#rings.length === 0) this.#rings = this.#workers.traced()
    if (this.#traces.size === 1) for (const ring of this.#rings) ring.skip()
    this.#timer ??= setInterval(() => this.#empty(), EMPTY_MS)
    try {
      await this.#tellWorkers()
    } catch (error) {
      this.#forget(id)
      throw error
    }
    trace.isOn = true
    return () => {
      this.#forget(id)
      // An engine that has ended traces nothing either.
      this.#tellWorkers().catch(() => undefined)
    }
  }

  #forget(id: number): void {
    this.#traces.delete(id)
    if (this.#traces.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  async #tellWorkers(): Promise<void> {
    const traces = [...this.#traces.values()].map(({ id, place, request }) => {
      return { id, place, filter: request.filter, rate: request.rate }
    })
    await this.#workers.order({ do: 'trace', traces })
  }

  #empty(): void {
    const record = this.#record
    for (const [worker, ring] of this.#rings.entries()) {
      while (ring.read(record)) {
        const trace = this.#traces.get(record.trace)
        if (trace === undefined) continue
        trace.received++
        trace.frames.push(this.#frame(worker, trace.request.bytes))
      }
    }
    for (const trace of this.#traces.values()) this.#tell(trace)
  }

  #tell(trace: Trace): void {
    const { frames } = trace
    trace.frames = []
    if (this.#rings.length > 1) frames.sort((one, other) => one.time - other.time)
    const counts = this.#countsOf(trace)
    const { matched, shown, lost } = trace.told
    const isNews = counts.matched !== matched || counts.shown !== shown || counts.lost !== lost
    const now = performance.now()
    if (!isNews && now - trace.toldAt < ALIVE_MS) return
    if (trace.listener([...frames, counts])) {
      trace.told = counts
      trace.toldAt = now
    } else trace.refused += frames.length
  }

  /** A trace that no worker knows yet has no counters there. */
  #countsOf({ isOn, place, received, refused }: Trace): TraceCounts {
    const sum = (count: (ring: TraceReader) => number) =>
      isOn ? this.#rings.reduce((all, ring) => all + count(ring), 0) : received
    const matched = Math.round(sum((ring) => ring.matched(place)))
    const overwritten = Math.max(0, sum((ring) => ring.written(place)) - received)
    return { type: 'counts', matched, shown: received - refused, lost: overwritten + refused }
  }

  #frame(worker: number, bytes: number): TracedFrame {
    const { time, arm, egress, length, kept, verdict, weight, before, after } = this.#record
    const { name, action } = ENDINGS[verdict]
    const isForwarded = verdict === FORWARDED
    const told = Math.min(kept, bytes)
    return {
      type: 'frame',
      time: Math.round(time * 1000) / 1e6,
      worker,
      arm: this.#arms[arm],
      length,
      verdict: name,
      action,
      realserver: this.#realserver(),
      mac: isForwarded ? macOf(after) : null,
      egress: isForwarded ? this.#arms[egress] : null,
      oneOf: weight,
      before: hexOf(before, told),
      after: isForwarded ? hexOf(after, told) : null,
    }
  }

  #realserver(): string | null {
    const { destination, kept } = this.#record
    const name = destination < 0 ? undefined : this.#book.destinationNames[destination]
    if (name === undefined) return null
    this.#key.read(this.#view, 0, kept)
    const port = this.#book.balancer.destinations.port(destination) || this.#key.destinationPort
    return name.address.includes(':') ? `[${name.address}]:${port}` : `${name.address}:${port}`
  }
}

function macOf(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return formatMac(ethernet.destinationHigh(view, 0), ethernet.destinationLow(view, 0))
}

function hexOf(bytes: Uint8Array, count: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, count).toString('hex')
}
