/**
 * The breath of the director: take what has come, decide it, give it back, see to what is due.
 *
 * A driver (`daemon/worker.ts`, a test, a benchmark) calls `breathe` again and again. The clock is
 * sampled once a breath; everything that is not arithmetic is paid once a batch.
 */
import type { Batch } from './batch.js'
import type { Director } from './forward.js'
import { Glance } from './glance.js'
import type { Port } from './port.js'
import { VERDICT_COUNT } from './verdict.js'

/** How often what is due is looked after, in ms: the length of a tick of the timer wheel. */
export const TICK_INTERVAL_MS = 10

/** Watches batches go by. Must not change them, nor keep anything of them. */
export interface Tap {
  arrived(batch: Batch, now: number): void
  decided(batch: Batch, now: number): void
}

export class Loop {
  readonly port: Port
  readonly director: Director
  /** Frames by verdict since the start: private cells, published at ticks. */
  readonly counts: Float64Array
  /** Frames taken from the port since the start; always the sum of `counts`. */
  frames = 0
  tap: Tap | null = null
  readonly #clock: () => number
  readonly #glance: Glance
  readonly #usual: Batch | null
  #nextTick = 0

  /** `clock` in ms, monotonic. `counts` may be handed in, of VERDICT_COUNT cells. */
  constructor(port: Port, director: Director, clock: () => number, counts?: Float64Array) {
    this.port = port
    this.director = director
    this.#clock = clock
    this.#usual = port.usual ?? null
    this.#glance = new Glance(director)
    this.counts = counts ?? new Float64Array(VERDICT_COUNT)
    director.start(clock())
  }

  /**
   * One breath; the number of frames in it. A function of this loop, and the usual batch called by
   * name: V8 then compiles director, port, batch and the bounds of its arena in as constants
   * (scripts/bundle.mjs).
   */
  readonly breathe = (): number => {
    const now = this.#clock()
    this.director.begin(now)
    const batch = this.port.receive()
    const count = batch === this.#usual ? this.#pass(this.#usual, now) : this.#pass(batch, now)
    if (now >= this.#nextTick) {
      this.#nextTick = now + TICK_INTERVAL_MS
      this.director.tick()
      this.port.flush()
    } else if (this.director.balancer.due.isBehind) {
      this.director.balancer.due.advance()
    }
    return count
  }

  #pass(batch: Batch, now: number): number {
    const { director, counts } = this
    const count = batch.count
    this.#glance.look(batch)
    if (this.tap !== null) this.tap.arrived(batch, now)
    for (let i = 0; i < count; i++) {
      const verdict = batch.about[i] === 0 ? director.forward(batch, i) : director.plain4(batch, i)
      batch.verdict[i] = verdict
      counts[verdict]++
    }
    this.frames += count
    if (this.tap !== null) this.tap.decided(batch, now)
    if (count > 0) this.port.settle(batch)
    return count
  }
}
