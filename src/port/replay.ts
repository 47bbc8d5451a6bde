/**
 * A port that plays a capture, with the capture's clock, as fast as the director can take it.
 *
 *     const port = new ReplayPort(readCapture('in.pcap'), { onSettled: (frame) => … })
 *     while (await port.fill()) {
 *       loop.breathe()                  // with port.clockMs as the time
 *     }
 *     if (port.problem !== null) …
 *
 * A file can make us wait and `receive()` must not, so `fill()` reads ahead one batch. The frames
 * of a batch share one time, as they do on a wire: a batch ends where the capture has gone on for
 * more than `quantumMs`, and where the arm changes. The clock never goes back, even where
 * timestamps do.
 */
import { Batch } from '../engine/batch.js'
import { type Arm, Outbox, type Port, type PortCounters } from '../engine/port.js'
import { ACTION, FORWARD } from '../engine/verdict.js'
import type { Capture } from './capture-file.js'
import { type CapturedFrame, type CaptureProblem, LINK_ETHERNET } from './captured-frame.js'

export { Capture, type CaptureSource, readCapture } from './capture-file.js'
export type { CapturedFrame, CaptureProblem } from './captured-frame.js'

/** What became of one frame of the capture. The byte arrays are valid during the call only. */
export interface SettledFrame {
  /** The frame as it was read; `frame.bytes` are its bytes before the director saw it. */
  readonly frame: CapturedFrame
  readonly verdict: number
  /** Its bytes as the director left them. */
  readonly after: Uint8Array
  /** The arm it came in on, and, if forwarded, the one it left by. */
  readonly arm: number
  readonly egress: number
}

export interface ReplayOptions {
  readonly arms?: readonly Arm[]
  /** The arm on which a frame came in. Default 0. */
  readonly armOf?: (frame: CapturedFrame) => number
  readonly onSettled?: (settled: SettledFrame) => void
  /** A frame of the director's own leaves; `bytes` are valid during the call only. */
  readonly onOwn?: (bytes: Uint8Array, egress: number, clockMs: number) => void
  /** Frames in the largest batch. Default 64. */
  readonly batch?: number
  /** How much capture time one batch may span. Default 1 ms. */
  readonly quantumMs?: number
}

/** Room for four of the longest frames that a capture can hold. */
const ARENA_BYTES = 1 << 20
const READ_AHEAD = 64
const ARM: Arm = {
  name: 'replay',
  macHigh: 0x0200,
  macLow: 0xff01,
  mtu: 1500,
  superframes: true,
}

export class ReplayPort implements Port {
  readonly name = 'replay'
  readonly arms: readonly Arm[]
  readonly outbox: Outbox
  readonly counters: PortCounters = { ringDrops: 0, sendErrors: 0 }
  /** The capture's time of the last batch, in ms since 1970; NaN before the first. */
  clockMs = Number.NaN
  /** Frames of which the capture holds only the beginning. */
  cutFrames = 0
  readonly #capture: Capture
  readonly #options: ReplayOptions
  readonly #batch: Batch
  readonly #inBatch: CapturedFrame[] = []
  readonly #quantumMs: number
  /** Frames read and not yet in a batch: those from `#next` on. */
  readonly #ahead: CapturedFrame[] = []
  #next = 0
  #isOut = false
  #problem: CaptureProblem | null = null

  constructor(capture: Capture, options: ReplayOptions = {}) {
    const capacity = options.batch ?? 64
    this.#capture = capture
    this.#options = options
    this.#quantumMs = options.quantumMs ?? 1
    this.arms = options.arms ?? [ARM]
    this.#batch = new Batch(new ArrayBuffer(ARENA_BYTES), capacity)
    this.outbox = new Outbox(new ArrayBuffer(64 * 2048), 64, 2048)
  }

  /** Why the replay ended before the end of the capture, if it did. */
  get problem(): CaptureProblem | null {
    return this.#problem ?? this.#capture.problem
  }

  /** Reads the next batch from the capture; false when there is none. */
  async fill(): Promise<boolean> {
    if (this.#isOut) throw new Error('fill() before the last batch was settled')
    const batch = this.#batch
    if (batch.count > 0) return true
    let end = 0
    let untilMs = 0
    while (this.#inBatch.length < batch.capacity) {
      if (this.#next === this.#ahead.length && !(await this.#readAhead())) break
      const frame = this.#ahead[this.#next]
      if (frame.linkType !== LINK_ETHERNET) {
        await this.#refuse(frame)
        break
      }
      const arm = this.#options.armOf?.(frame) ?? 0
      if (this.#inBatch.length === 0) {
        batch.arm = arm
        untilMs = frame.timestampMs + this.#quantumMs
      }
      const fits = end + frame.bytes.length <= ARENA_BYTES
      if (!fits || arm !== batch.arm || frame.timestampMs > untilMs) break
      this.#next++
      end = this.#append(frame, end)
    }
    batch.count = this.#inBatch.length
    return batch.count > 0
  }

  #append(frame: CapturedFrame, at: number): number {
    const batch = this.#batch
    const i = this.#inBatch.push(frame) - 1
    batch.bytes.set(frame.bytes, at)
    batch.offset[i] = at
    batch.length[i] = frame.bytes.length
    if (frame.originalLength > frame.bytes.length) this.cutFrames++
    if (!(frame.timestampMs <= this.clockMs)) this.clockMs = frame.timestampMs
    return at + ((frame.bytes.length + 63) & ~63)
  }

  async #readAhead(): Promise<boolean> {
    this.#ahead.length = 0
    this.#next = 0
    return this.#problem === null && (await this.#capture.readSome(this.#ahead, READ_AHEAD))
  }

  async #refuse(frame: CapturedFrame): Promise<void> {
    const record = frame.index
    const message =
      `only Ethernet (link type 1) can be replayed: record ${record} ` +
      `has link type ${frame.linkType}`
    this.#problem = { kind: 'unsupported', message, record, offset: 0 }
    this.#ahead.length = 0
    this.#next = 0
    await this.#capture.close()
  }

  receive(): Batch {
    if (this.#isOut) throw new Error('receive() before the last batch was settled')
    this.#isOut = this.#batch.count > 0
    return this.#batch
  }

  settle(batch: Batch): void {
    if (batch !== this.#batch || batch.count !== this.#inBatch.length) {
      throw new Error('settle() of another batch than the one received')
    }
    const onSettled = this.#options.onSettled
    for (let i = 0; onSettled !== undefined && i < batch.count; i++) {
      const verdict = batch.verdict[i]
      const begin = batch.offset[i]
      onSettled({
        frame: this.#inBatch[i],
        verdict,
        after: batch.bytes.subarray(begin, begin + batch.length[i]),
        arm: batch.arm,
        egress: ACTION[verdict] === FORWARD ? batch.egress[i] : batch.arm,
      })
    }
    batch.count = 0
    this.#inBatch.length = 0
    this.#isOut = false
    this.flush()
  }

  flush(): void {
    const outbox = this.outbox
    for (let slot = 0; slot < outbox.count; slot++) {
      const begin = slot * outbox.slotBytes
      const bytes = outbox.bytes.subarray(begin, begin + outbox.length[slot])
      this.#options.onOwn?.(bytes, outbox.egress[slot], this.clockMs)
    }
    outbox.count = 0
  }

  wait(_ms: number): void {}

  serve(_vips: readonly string[]): void {}

  close(): void {
    this.#ahead.length = this.#next
    void this.#capture.close()
  }
}
