/**
 * Shows frames and their verdicts to whoever traces, without holding the others up. For each trace
 * a batch passes three questions, each asked of fewer frames:
 *
 *   1. which could match?   guards of the filter (addresses, ports: `trace-guard.ts`), or its
 *                           verdicts when they are known, of every frame as long as that takes
 *                           less than a few percent of the time; without either all could
 *   2. which are looked at? so many a tick that it costs next to nothing (`sampler.ts`)
 *   3. which are shown?     those that match the whole filter, as many as the trace's rate allows
 *
 * The head of a frame is kept between `arrived` and `decided`, since the director rewrites it. What
 * it leaves as it came needs no such copy, so a trace of rare verdicts looks at all frames.
 */
import type { DestinationTable } from '../balance/destination.js'
import type { Batch } from './batch.js'
import type { DirectorState } from './director-state.js'
import { type Tap, TICK_INTERVAL_MS } from './loop.js'
import { BatchSampler, Sampler } from './sampler.js'
import { parseFilter } from './trace-filter.js'
import type { Guard } from './trace-guard.js'
import { TraceKey } from './trace-key.js'
import { guardsOf, type Match, matcher, verdictsOf } from './trace-match.js'
import { copy, HEAD_BYTES, TRACES_MAX, type TraceWriter } from './trace-ring.js'
import {
  ACTION,
  ANSWER_LIMITED,
  DESTINATION_UNROUTABLE,
  FORWARD,
  HOLD,
  NEIGHBOUR_QUEUE_FULL,
  TOO_BIG,
  TOO_BIG_DROPPED,
} from './verdict.js'

/** What a reader of a trace asks for. */
export interface TraceOrder {
  /** No two traces of a director have the same. */
  readonly id: number
  /** Where its counters are, 0 to TRACES_MAX - 1. */
  readonly place: number
  readonly filter: string
  /** Frames a second that it is shown at most, on average. */
  readonly rate: number
}

/** Frames that are compared with a guard or a verdict in a tick, for all traces: 5 ns each. */
const COMPARED_PER_TICK = 20_000
/** Frames that a trace looks at in a tick. */
const LOOKED_AT_PER_TICK = 300
/** Frames of a batch whose heads are kept: no batch is longer than a tick. */
const KEPT_HEADS = TRACES_MAX * LOOKED_AT_PER_TICK
const SHOWN_AT_ONCE = 256
const TICKS_PER_SECOND = 1000 / TICK_INTERVAL_MS
const NONE = -1

class Trace {
  readonly id: number
  readonly place: number
  readonly guards: readonly Guard[] | null
  /** The verdicts to look for where a frame with any of them is as it came; else null. */
  readonly verdicts: Uint8Array | null
  readonly match: Match
  readonly batches: BatchSampler
  readonly looked: Sampler
  readonly shown: Sampler

  /** `compared`: what it may spend in a tick. */
  constructor({ id, place, filter, rate }: TraceOrder, isKernelMode: boolean, compared: number) {
    const expression = parseFilter(filter)
    this.id = id
    this.place = place
    this.guards = guardsOf(expression)
    const verdicts = this.guards === null ? verdictsOf(expression) : null
    const areUntouched = verdicts?.every(
      (wanted, v) => wanted === 0 || !isRewritten(v, isKernelMode),
    )
    this.verdicts = areUntouched === true ? verdicts : null
    this.match = matcher(expression)
    this.batches = new BatchSampler(compared / (this.guards?.length ?? 1), id)
    this.looked = new Sampler(LOOKED_AT_PER_TICK, LOOKED_AT_PER_TICK, id)
    const perTick = rate / TICKS_PER_SECOND
    this.shown = new Sampler(perTick, Math.min(rate, SHOWN_AT_ONCE), ~id)
  }

  admits(view: DataView, frame: number, length: number): boolean {
    const { guards } = this
    if (guards === null) return true
    for (let g = 0; g < guards.length; g++) if (guards[g].admits(view, frame, length)) return true
    return false
  }
}

/**
 * Whether a frame with this verdict may have been changed: MAC addresses are set in what is
 * forwarded, and kernel mode lowers the TTL before it finds a frame too long for its way, or lets
 * it wait for a neighbour.
 */
export function isRewritten(verdict: number, isKernelMode: boolean): boolean {
  if (ACTION[verdict] === FORWARD) return true
  return isKernelMode && (ACTION[verdict] === HOLD || MAY_BE_LOWERED.includes(verdict))
}

const MAY_BE_LOWERED: readonly number[] = [
  TOO_BIG,
  TOO_BIG_DROPPED,
  DESTINATION_UNROUTABLE,
  NEIGHBOUR_QUEUE_FULL,
  ANSWER_LIMITED,
]

export class TraceTap implements Tap {
  readonly #writer: TraceWriter
  readonly #destinations: DestinationTable
  readonly #traces: readonly Trace[]
  /** Added to the loop's clock it makes ms since 1970. */
  readonly #epoch: number
  readonly #key = new TraceKey()
  // Frames of this batch that are looked at, by trace and then by place in the batch.
  readonly #frame = new Int32Array(KEPT_HEADS)
  readonly #trace = new Int32Array(KEPT_HEADS)
  readonly #weight = new Int32Array(KEPT_HEADS)
  readonly #heads = new DataView(new ArrayBuffer(KEPT_HEADS * HEAD_BYTES))
  #count = 0
  #lastTick: number

  constructor(
    orders: readonly TraceOrder[],
    writer: TraceWriter,
    director: DirectorState,
    epoch: number,
  ) {
    const traces: Trace[] = []
    const compared = COMPARED_PER_TICK / orders.length
    for (const order of orders) {
      writer.open(order.place, order.id)
      traces.push(new Trace(order, director.isKernelMode, compared))
    }
    this.#traces = traces
    this.#writer = writer
    this.#destinations = director.balancer.destinations
    this.#epoch = epoch
    this.#lastTick = director.now
  }

  arrived(batch: Batch, now: number): void {
    const ticks = Math.floor((now - this.#lastTick) / TICK_INTERVAL_MS)
    if (ticks > 0) this.#tick(ticks)
    this.#count = 0
    const traces = this.#traces
    for (let t = 0; t < traces.length; t++) {
      const trace = traces[t]
      if (trace.guards === null && trace.verdicts === null) this.#take(batch, t, trace)
      else if (!trace.batches.takes(batch.count)) continue
      else if (trace.verdicts === null) this.#takeGuarded(batch, t, trace)
      else batch.destination.fill(NONE, 0, batch.count)
    }
  }

  decided(batch: Batch, now: number): void {
    for (let k = 0; k < this.#count; k++) {
      const trace = this.#traces[this.#trace[k]]
      this.#look(trace, batch, this.#frame[k], this.#weight[k], this.#heads, k * HEAD_BYTES, now)
    }
    const traces = this.#traces
    for (let t = 0; t < traces.length; t++) {
      const { verdicts, batches } = traces[t]
      if (verdicts !== null && batches.isTaken) {
        this.#lookForVerdicts(traces[t], verdicts, batch, now)
      }
    }
  }

  #tick(ticks: number): void {
    this.#lastTick += ticks * TICK_INTERVAL_MS
    for (let t = 0; t < this.#traces.length; t++) {
      this.#traces[t].batches.tick(ticks)
      this.#traces[t].looked.tick(ticks)
      this.#traces[t].shown.tick(ticks)
    }
  }

  /** Any frame could match: those between two that are looked at cost nothing. */
  #take(batch: Batch, t: number, trace: Trace): void {
    const { count } = batch
    const { looked } = trace
    for (let i = looked.next(0, count); i < count; i = looked.next(i + 1, count)) {
      this.#keep(batch, i, t, looked.weight)
    }
  }

  #takeGuarded(batch: Batch, t: number, trace: Trace): void {
    const { count, view, offset, length } = batch
    const { looked } = trace
    const { every } = trace.batches
    for (let i = 0; i < count; i++) {
      if (!trace.admits(view, offset[i], length[i]) || !looked.takes(every)) continue
      this.#keep(batch, i, t, looked.weight)
    }
  }

  #keep(batch: Batch, i: number, t: number, weight: number): void {
    batch.destination[i] = NONE
    if (this.#count === KEPT_HEADS) return
    const k = this.#count++
    this.#frame[k] = i
    this.#trace[k] = t
    this.#weight[k] = weight
    const length = batch.length[i]
    const bytes = Math.min(length, HEAD_BYTES)
    copy(batch.view, batch.offset[i], this.#heads, k * HEAD_BYTES, bytes)
  }

  #lookForVerdicts(trace: Trace, verdicts: Uint8Array, batch: Batch, now: number): void {
    const { count, verdict, view, offset } = batch
    const { looked } = trace
    const { every } = trace.batches
    for (let i = 0; i < count; i++) {
      if (verdicts[verdict[i]] === 0 || !looked.takes(every)) continue
      this.#look(trace, batch, i, looked.weight, view, offset[i], now)
    }
  }

  /** Judges a frame by the whole filter, and shows it if it may. */
  #look(
    trace: Trace,
    batch: Batch,
    i: number,
    weight: number,
    head: DataView,
    headAt: number,
    now: number,
  ): void {
    const key = this.#key
    const destination = batch.destination[i]
    key.read(batch.view, batch.offset[i], batch.length[i])
    key.ended(batch.verdict[i], this.#destinations, destination)
    if (!trace.match(key)) return
    this.#writer.matches(trace.place, weight)
    if (!trace.shown.takes(weight)) return
    const stands = trace.shown.weight
    const { id, place } = trace
    const time = this.#epoch + now
    this.#writer.write(place, id, time, batch, i, destination, stands, head, headAt)
  }
}
