/**
 * How far a benchmark is, told while it runs: on a terminal a bar in one line, elsewhere a line for
 * each step.
 *
 *   [######..............] 31 %, 4:10 left  round 2 of 5, uipvs af_xdp: full speed
 */

/**
 * `part` of the work is over (0 to 1); `step` is going on, of which `detail` is measured now.
 */
export type Tell = (part: number, step: string, detail?: string) => void

export interface ProgressStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const CELLS = 20
const COLUMNS = 80
const REFRESH_MS = 1000
/** Before so much is over, the estimate made beforehand says more. */
const PART_LEAST = 0.05
const CLEAR = '\r\x1b[K'

export class Progress {
  readonly #stream: ProgressStream
  readonly #estimated: number
  readonly #now: () => number
  readonly #start: number
  readonly #timer: NodeJS.Timeout | undefined
  #part = 0
  #step = ''
  #detail = ''

  /** `estimated`: seconds that all will take. `now` in ms. */
  constructor(stream: ProgressStream, estimated: number, now = () => performance.now()) {
    this.#stream = stream
    this.#estimated = estimated
    this.#now = now
    this.#start = now()
    if (stream.isTTY === true) this.#timer = setInterval(() => this.#draw(), REFRESH_MS).unref()
  }

  readonly tell: Tell = (part, step, detail = '') => {
    const isNew = step !== this.#step
    this.#part = part
    this.#step = step
    this.#detail = detail
    if (this.#stream.isTTY === true) this.#draw()
    else if (isNew) this.#stream.write(`uipvs: ${percent(part)}, ${this.#left()} left: ${step}\n`)
  }

  /** Takes the bar away, so that something else can be written. */
  end(): void {
    clearInterval(this.#timer)
    if (this.#stream.isTTY === true) this.#stream.write(CLEAR)
  }

  #draw(): void {
    const full = Math.round(this.#part * CELLS)
    const bar = `[${'#'.repeat(full)}${'.'.repeat(CELLS - full)}]`
    const what = this.#detail === '' ? this.#step : `${this.#step}: ${this.#detail}`
    const line = `${bar} ${percent(this.#part)}, ${this.#left()} left  ${what}`
    // A line as long as the terminal would wrap, and the next one would not clear it.
    this.#stream.write(CLEAR + line.slice(0, (this.#stream.columns || COLUMNS) - 1))
  }

  #left(): string {
    const elapsed = (this.#now() - this.#start) / 1000
    const part = this.#part
    const left =
      part < PART_LEAST ? Math.max(0, this.#estimated - elapsed) : (elapsed * (1 - part)) / part
    const seconds = Math.round(left)
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  }
}

function percent(part: number): string {
  return `${Math.floor(part * 100)} %`
}
