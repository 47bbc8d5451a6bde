/**
 * Reads the bytes of a capture, pcap or pcapng, frame by frame and with bounded memory, wherever
 * they come from: nothing of Node is used here, so that the page in the browser reads captures too.
 * `readCapture()` in capture-file.ts opens one by its name.
 *
 * Whatever the bytes are, reading ends: with the end of the capture, or with a `problem`, which is
 * a value and not an exception, since a damaged capture is an ordinary input; all frames before the
 * damage have been given by then. Exceptions are left for mistakes of the program.
 */
import { ByteWindow } from './byte-window.js'
import {
  type CapturedFrame,
  type CaptureProblem,
  type CaptureReader,
  problemAt,
} from './captured-frame.js'
import { PCAP_MAGICS } from './pcap-layout.js'
import { PCAPNG_MAGIC, PcapngReader } from './pcapng-reader.js'

const GZIP_MAGIC = 0x1f8b
const READ_AHEAD = 64

export class Capture implements AsyncIterable<CapturedFrame> {
  /** Why reading ended before the end of the capture; null while, and if, all is well. */
  problem: CaptureProblem | null = null
  format: 'pcap' | 'pcapng' | null = null
  /** Frames read so far. */
  count = 0
  readonly #window: ByteWindow
  readonly #pcapReader: () => CaptureReader
  #reader: CaptureReader | null = null
  #ended = false

  /** `pcapReader` makes the reader of the classic format: pcap.ts, or one that is not Node's. */
  constructor(source: AsyncIterable<Uint8Array>, pcapReader: () => CaptureReader) {
    this.#window = new ByteWindow(source[Symbol.asyncIterator]())
    this.#pcapReader = pcapReader
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<CapturedFrame, void> {
    const frames: CapturedFrame[] = []
    try {
      while (await this.readSome(frames, READ_AHEAD)) {
        yield* frames
        frames.length = 0
      }
    } finally {
      await this.close()
    }
  }

  /**
   * Appends up to `max` frames to `into`: those that are at hand, waiting only if there are none.
   * False at the end, be it the capture's or a problem's. Waiting once for many frames is several
   * times as fast as once for each.
   */
  async readSome(into: CapturedFrame[], max: number): Promise<boolean> {
    const before = into.length
    try {
      this.#reader ??= await this.#recognise()
      while (!this.#ended && into.length - before < max) {
        const step = this.#reader!.step(this.#window, this.count)
        if (step === null) continue
        if (typeof step === 'number') {
          if (into.length > before) break
          if (!(await this.#window.fill(step))) this.#end()
        } else if ('frame' in step) {
          this.count++
          into.push(step.frame)
        } else {
          this.problem = step.problem
          this.#ended = true
        }
      }
    } catch (error) {
      if (!isSystemError(error)) throw error
      this.#fail(
        'unreadable',
        `the capture can not be read: ${error.message},`,
        this.#window.offset,
      )
    }
    if (this.#ended) await this.close()
    return into.length > before
  }

  /** Reads no more; a file is closed. */
  async close(): Promise<void> {
    this.#ended = true
    await this.#window.close()
  }

  #end(): void {
    if (!this.#window.isExhausted) this.#fail('truncated', 'truncated capture', this.#window.offset)
    this.#ended = true
  }

  async #recognise(): Promise<CaptureReader | null> {
    const window = this.#window
    if (!(await window.fill(4))) {
      const what = window.available === 0 ? 'an empty file is not a capture' : 'truncated capture'
      this.#fail('truncated', what, 0)
      return null
    }
    const magic = window.view.getUint32(window.begin)
    if (magic === PCAPNG_MAGIC) {
      this.format = 'pcapng'
      return new PcapngReader()
    }
    if (PCAP_MAGICS.has(magic)) {
      this.format = 'pcap'
      return this.#pcapReader()
    }
    const text = `0x${magic.toString(16).padStart(8, '0')}`
    const advice = magic >>> 16 === GZIP_MAGIC ? ': it is compressed, use gunzip first' : ''
    this.#fail('unsupported', `neither pcap nor pcapng (magic number ${text})${advice}`, 0)
    return null
  }

  #fail(kind: CaptureProblem['kind'], what: string, offset: number): void {
    this.problem = problemAt(kind, what, this.count, offset)
    this.#ended = true
  }
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number'
}
