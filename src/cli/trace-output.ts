/** What `uipvs trace` writes: lines, JSON or pcapng, and the summary at the end. */
import type { TraceCounts, TracedFrame } from '../control/trace.js'
import { type Paint, paintFor } from '../lab/paint.js'
import { COLOURS } from '../offline/print-replay.js'
import { TraceRecorder } from '../offline/trace-recorder.js'
import { tracedText } from '../offline/traced.js'
import { openPcapng, type PcapngFile } from '../port/pcapng.js'
import { CliFailure, EXIT_FAILED } from './failure.js'

const FRAME_COLUMNS = 48

export interface TraceOutputOptions {
  readonly write?: string
  readonly json?: true
}

export class TraceOutput {
  /** Frames so far. */
  shown = 0
  readonly #isJson: boolean
  readonly #file: PcapngFile | null
  readonly #recorder: TraceRecorder | null
  readonly #paint: Paint = paintFor(process.stdout)
  #closed: () => void = () => {}
  #isClosed = false
  #text = ''
  #counts: TraceCounts = { type: 'counts', matched: 0, shown: 0, lost: 0 }

  constructor({ write, json }: TraceOutputOptions) {
    this.#isJson = json === true
    this.#file = write === undefined ? null : openToWrite(write)
    this.#recorder = this.#file === null ? null : new TraceRecorder(this.#file.writer)
    // Wireshark at the other end of a pipe waits for the file's head.
    this.#guarded(() => this.#file?.flush())
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      this.#close()
    })
  }

  /** `hear` is called when nobody reads our output any more. */
  onClosed(hear: () => void): void {
    this.#closed = hear
    if (this.#isClosed) hear()
  }

  counts(counts: TraceCounts): void {
    this.#counts = counts
  }

  /** Waits where the reader of our output is behind: then the director drops, and counts it. */
  async frame(frame: TracedFrame): Promise<void> {
    this.shown++
    if (this.#recorder !== null) this.#guarded(() => this.#recorder?.frame(frame))
    else this.#text += this.#isJson ? `${JSON.stringify(frame)}\n` : `${this.#line(frame)}\n`
    if (this.#text.length < 1 << 16) return
    this.flush()
    if (process.stdout.writableNeedDrain && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        process.stdout.once('drain', resolve)
        process.stdout.once('close', resolve)
      })
    }
  }

  flush(): void {
    const text = this.#text
    this.#text = ''
    if (text !== '' && !this.#isClosed) process.stdout.write(text)
    this.#guarded(() => this.#file?.flush())
  }

  /** Ends the output, and says on stderr what was shown and what was not. */
  async finish(): Promise<void> {
    this.flush()
    this.#guarded(() => this.#file?.close())
    if (!this.#isClosed) await new Promise((resolve) => process.stdout.write('', resolve))
    const { matched, shown, lost } = this.#counts
    const sampled = Math.max(0, matched - shown - lost)
    process.stderr.write(
      `${counted(this.shown)} shown\n` +
        `${counted(sampled)} matched but not shown (sampling)\n` +
        `${counted(lost)} lost (too slow a reader)\n`,
    )
  }

  #close(): void {
    this.#isClosed = true
    this.#closed()
  }

  /** The reader of `-w -` may have gone. */
  #guarded(write: () => void): void {
    if (this.#isClosed) return
    try {
      write()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
      this.#close()
    }
  }

  #line(traced: TracedFrame): string {
    const { frame, outcome, share } = tracedText(traced)
    const { verdict, action } = traced
    const painted = this.#paint[COLOURS[action]](verdict) + outcome.slice(verdict.length)
    const note = share === '' ? '' : `  ${this.#paint.dim(share)}`
    return `${clock(traced.time)} ${frame.padEnd(FRAME_COLUMNS)} ${painted}${note}`
  }
}

/** The time of day here, as tcpdump shows it. */
function clock(time: number): string {
  const date = new Date(time * 1000)
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()]
  const micros = String(Math.floor((time % 1) * 1e6)).padStart(6, '0')
  return `${parts.map((part) => String(part).padStart(2, '0')).join(':')}.${micros}`
}

function counted(frames: number): string {
  return `${frames} frame${frames === 1 ? '' : 's'}`
}

function openToWrite(path: string): PcapngFile {
  try {
    return openPcapng(path, 'uipvs trace')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const hint = 'name a file in a folder that is there, and that you may write to'
    throw new CliFailure(`the capture can't be written: ${code} (${path})`, EXIT_FAILED, hint)
  }
}
