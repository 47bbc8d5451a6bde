/**
 * Which frames came, which twice, and which too late, by the sequence numbers of their flows.
 *
 * A frame is reordered if one of its flow with a higher number came before it (RFC 4737). Of each
 * flow the last 1024 numbers are remembered: a frame older than that is counted as `stale`, as it
 * cannot be said any more whether it came before.
 */
import { FLOWS_MAX } from './stamp.js'

const WINDOW = 1024
const WORDS = WINDOW / 32

export class Tally {
  /** Different frames, those that came out of order among them. */
  received = 0
  reordered = 0
  duplicates = 0
  stale = 0
  /** One above the highest number that came, per flow. */
  readonly #next = new Float64Array(FLOWS_MAX)
  readonly #seen = new Uint32Array(FLOWS_MAX * WORDS)

  /** Flows of which at least one frame came. */
  get flows(): number {
    return this.#next.reduce((count, next) => (next > 0 ? count + 1 : count), 0)
  }

  count(flow: number, sequence: number): void {
    const next = this.#next[flow]
    if (sequence >= next) {
      this.#forget(flow, Math.max(next, sequence - WINDOW), sequence)
      this.#next[flow] = sequence + 1
      this.#mark(flow, sequence)
      this.received++
      return
    }
    if (next - sequence > WINDOW) {
      this.stale++
      return
    }
    const word = this.#word(flow, sequence)
    if ((this.#seen[word] & (1 << (sequence & 31))) !== 0) {
      this.duplicates++
      return
    }
    this.#mark(flow, sequence)
    this.received++
    this.reordered++
  }

  #word(flow: number, sequence: number): number {
    return flow * WORDS + ((sequence % WINDOW) >>> 5)
  }

  #mark(flow: number, sequence: number): void {
    this.#seen[this.#word(flow, sequence)] |= 1 << (sequence & 31)
  }

  /** The places of numbers from `from` to before `to` held older ones. */
  #forget(flow: number, from: number, to: number): void {
    for (let sequence = from; sequence <= to; sequence++) {
      this.#seen[this.#word(flow, sequence)] &= ~(1 << (sequence & 31))
    }
  }
}
