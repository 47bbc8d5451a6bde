/**
 * Frames that were traced, on their way from a worker to the main thread: a ring of records that
 * one thread writes and another reads, with no lock and no answer. The writer never waits: it
 * overwrites the oldest record, and the reader notices by the record's number what it has missed.
 *
 *   cells     records so far | unused …                                       int32
 *   counters  for each trace: frames that matched, records written            float64
 *   records   | number | trace | … | time | head as it came, 128 bytes | frame as it left … |
 *
 * The number of record n is 2n + 1 while it is being written and 2n + 2 when it is whole; a reader
 * that finds the same even number before and after has read one record and not parts of two. All
 * bytes that the director changes in a frame lie in its head, so head and frame tell both sides.
 */
import type { Region } from '../balance/region.js'
import { regionBytes } from '../balance/region.js'
import type { Batch } from './batch.js'

export const RECORDS = 1024
/** Traces that one director serves at a time. */
export const TRACES_MAX = 8

/** Bytes at the beginning of a frame that are kept as they came. */
export const HEAD_BYTES = 128
const RECORD_BYTES = 2048
const HEAD_AT = 64
const FRAME_AT = HEAD_AT + HEAD_BYTES
/** Bytes of a frame that a record has room for: any frame of an Ethernet without jumbo frames. */
export const KEPT_BYTES_MAX = RECORD_BYTES - FRAME_AT

// Words of a record.
const NUMBER = 0
const TRACE = 1
const LENGTH = 2
const VERDICT = 3
const ARM = 4
const EGRESS = 5
const DESTINATION = 6
const WEIGHT = 7
const TIME_AT = 32

const WORDS = RECORD_BYTES >> 2
const COUNTERS = 2

class Ring {
  protected readonly cells: Int32Array
  protected readonly counters: Float64Array
  protected readonly words: Int32Array
  protected readonly bytes: Uint8Array
  protected readonly view: DataView

  constructor(region: Region) {
    this.cells = region.int32(16)
    this.counters = region.float64(TRACES_MAX * COUNTERS)
    const bytes = region.uint8(RECORDS * RECORD_BYTES)
    this.bytes = bytes
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, RECORDS * WORDS)
    this.view = new DataView(bytes.buffer, bytes.byteOffset, RECORDS * RECORD_BYTES)
  }

  static bytes(): number {
    return regionBytes(16 * 4, TRACES_MAX * COUNTERS * 8, RECORDS * RECORD_BYTES)
  }

  /** Frames that the filter of trace number `place` fits; where frames were passed over, about. */
  matched(place: number): number {
    return this.counters[place * COUNTERS]
  }

  written(place: number): number {
    return this.counters[place * COUNTERS + 1]
  }
}

export class TraceWriter extends Ring {
  readonly #traces = new Float64Array(TRACES_MAX)
  #next = 0

  /** A trace has this place, from now on or still. */
  open(place: number, trace: number): void {
    if (this.#traces[place] === trace) return
    this.#traces[place] = trace
    this.counters[place * COUNTERS] = 0
    this.counters[place * COUNTERS + 1] = 0
  }

  matches(place: number, frames: number): void {
    this.counters[place * COUNTERS] += frames
  }

  /**
   * Writes down frame `i` of a batch. `head` shows how it began when it came, from `headAt` on.
   * `time` in ms since 1970; `weight`: how many frames it stands for.
   */
  write(
    place: number,
    trace: number,
    time: number,
    batch: Batch,
    i: number,
    destination: number,
    weight: number,
    head: DataView,
    headAt: number,
  ): void {
    const number = this.#next
    this.#next = (number + 1) | 0
    const slot = number & (RECORDS - 1)
    const at = slot * WORDS
    const { words } = this
    const length = batch.length[i]
    Atomics.store(words, at + NUMBER, ((number << 1) + 1) | 0)
    words[at + TRACE] = trace
    words[at + LENGTH] = length
    words[at + VERDICT] = batch.verdict[i]
    words[at + ARM] = batch.arm
    words[at + EGRESS] = batch.egress[i]
    words[at + DESTINATION] = destination
    words[at + WEIGHT] = weight
    const begin = slot * RECORD_BYTES
    this.view.setFloat64(begin + TIME_AT, time, true)
    const kept = Math.min(length, KEPT_BYTES_MAX)
    const headBytes = Math.min(length, HEAD_BYTES)
    copy(head, headAt, this.view, begin + HEAD_AT, headBytes)
    copy(batch.view, batch.offset[i], this.view, begin + FRAME_AT, kept)
    Atomics.store(words, at + NUMBER, ((number << 1) + 2) | 0)
    this.counters[place * COUNTERS + 1]++
    Atomics.store(this.cells, 0, this.#next)
  }
}

/** Copies between two buffers by words: `set` would need a view made for each frame. */
export function copy(
  from: DataView,
  fromAt: number,
  to: DataView,
  toAt: number,
  length: number,
): void {
  let i = 0
  for (; i + 4 <= length; i += 4) to.setInt32(toAt + i, from.getInt32(fromAt + i))
  for (; i < length; i++) to.setUint8(toAt + i, from.getUint8(fromAt + i))
}

/** A record as it is read: the same object again and again. */
export class TraceRecord {
  trace = 0
  /** Bytes of the frame; those kept are the first ones of them. */
  length = 0
  kept = 0
  verdict = 0
  arm = 0
  egress = 0
  destination = 0
  weight = 0
  /** ms since 1970. */
  time = 0
  /** As it came, and as it left or would have left. */
  readonly before = new Uint8Array(KEPT_BYTES_MAX)
  readonly after = new Uint8Array(KEPT_BYTES_MAX)
}

export class TraceReader extends Ring {
  #next: number

  /** What is written from now on. */
  constructor(region: Region) {
    super(region)
    this.#next = Atomics.load(this.cells, 0)
  }

  /** Forgets what nobody has asked for. */
  skip(): void {
    this.#next = Atomics.load(this.cells, 0)
  }

  /** The next record that is still there; false if there is none. */
  read(into: TraceRecord): boolean {
    for (;;) {
      const end = Atomics.load(this.cells, 0)
      if (end === this.#next) return false
      if (((end - this.#next) | 0) > RECORDS) this.#next = (end - RECORDS) | 0
      const number = this.#next
      this.#next = (number + 1) | 0
      if (this.#copy(number, into)) return true
    }
  }

  #copy(number: number, into: TraceRecord): boolean {
    const slot = number & (RECORDS - 1)
    const at = slot * WORDS
    const { words, bytes } = this
    const whole = ((number << 1) + 2) | 0
    if (Atomics.load(words, at + NUMBER) !== whole) return false
    into.trace = words[at + TRACE]
    into.length = words[at + LENGTH]
    into.verdict = words[at + VERDICT]
    into.arm = words[at + ARM]
    into.egress = words[at + EGRESS]
    into.destination = words[at + DESTINATION]
    into.weight = words[at + WEIGHT]
    const begin = slot * RECORD_BYTES
    into.time = this.view.getFloat64(begin + TIME_AT, true)
    const kept = Math.max(0, Math.min(into.length, KEPT_BYTES_MAX))
    into.kept = kept
    for (let i = 0; i < kept; i++) into.after[i] = bytes[begin + FRAME_AT + i]
    for (let i = 0; i < kept; i++) {
      into.before[i] = i < HEAD_BYTES ? bytes[begin + HEAD_AT + i] : into.after[i]
    }
    return Atomics.load(words, at + NUMBER) === whole
  }
}

export const TRACE_RING_BYTES = Ring.bytes()
