/**
 * Reads a capture, pcap or pcapng, frame by frame and with bounded memory:
 *
 *     const capture = readCapture('in.pcap')
 *     for await (const frame of capture) …
 *     if (capture.problem !== null) …
 *
 * Whatever the bytes are, reading ends: with the end of the capture, or with a `problem`, which is a
 * value and not an exception, since a damaged capture is an ordinary input; all frames before the
 * damage have been given by then. Exceptions are left for mistakes of the program.
 */
import { createReadStream } from 'node:fs'
import { ByteWindow } from './byte-window.js'
import {
  type CapturedFrame,
  type CaptureProblem,
  type CaptureReader,
  problemAt,
} from './captured-frame.js'
import { PCAP_MAGICS, PcapReader } from './pcap.js'
import { PCAPNG_MAGIC, PcapngReader } from './pcapng-reader.js'

export type CaptureSource = string | Uint8Array | AsyncIterable<Uint8Array>

const GZIP_MAGIC = 0x1f8b

export class Capture implements AsyncIterable<CapturedFrame> {
  /** Why reading ended before the end of the capture; null while, and if, all is well. */
  problem: CaptureProblem | null = null
  format: 'pcap' | 'pcapng' | null = null
  /** Frames read so far. */
  count = 0
  readonly #window: ByteWindow

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#window = new ByteWindow(source[Symbol.asyncIterator]())
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<CapturedFrame, void> {
    const window = this.#window
    try {
      const reader = await this.#recognise(window)
      while (reader !== null) {
        const step = reader.step(window, this.count)
        if (step === null) continue
        if (typeof step === 'number') {
          if (await window.fill(step)) continue
          if (!window.isExhausted) this.#fail('truncated', 'truncated capture', window.offset)
          return
        }
        if ('problem' in step) {
          this.problem = step.problem
          return
        }
        this.count++
        yield step.frame
      }
    } catch (error) {
      if (!isSystemError(error)) throw error
      this.#fail('unreadable', `the capture can not be read: ${error.message}`, window.offset)
    } finally {
      await window.close()
    }
  }

  async #recognise(window: ByteWindow): Promise<CaptureReader | null> {
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
      return new PcapReader()
    }
    const text = `0x${magic.toString(16).padStart(8, '0')}`
    const advice = magic >>> 16 === GZIP_MAGIC ? ': it is compressed, use gunzip first' : ''
    this.#fail('unsupported', `neither pcap nor pcapng (magic number ${text})${advice}`, 0)
    return null
  }

  #fail(kind: CaptureProblem['kind'], what: string, offset: number): void {
    this.problem = problemAt(kind, what, this.count, offset)
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).errno === 'number'
}

/** `source` is a path (`-` for standard input), the whole capture, or its bytes as they come. */
export function readCapture(source: CaptureSource): Capture {
  if (typeof source === 'string') return new Capture(openFile(source))
  if (source instanceof Uint8Array) return new Capture(once(source))
  return new Capture(source)
}

function openFile(path: string): AsyncIterable<Uint8Array> {
  const highWaterMark = 1 << 18
  if (path === '-') return createReadStream('', { fd: 0, autoClose: false, highWaterMark })
  return createReadStream(path, { highWaterMark })
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
