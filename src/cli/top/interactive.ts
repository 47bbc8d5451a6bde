/** `uipvs top` on a terminal: a look every so often, keys in between, until somebody quits. */
import { type ControlClient, Unreachable } from '../../control/client.js'
import { roomFor, SORTS, type SortBy, screenLines, tableLines, type View } from './lines.js'
import { type Look, look, type Report, report } from './report.js'
import { keysOf, type Terminal } from './terminal.js'

/** Signals that end a program, and must not end it with the terminal spoilt. */
const DEADLY = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

export interface TopOptions {
  /** Seconds between two looks. */
  readonly interval: number
  readonly sort: SortBy
}

export class InteractiveTop {
  readonly #client: ControlClient
  readonly #terminal: Terminal
  readonly #interval: number
  #end: (error?: Error) => void = () => {}
  /** Settles when somebody has quit, or when something of ours is wrong. */
  readonly #ended: Promise<void>
  #last: Look | null = null
  #report: Report | null = null
  #view: View = { by: 'name', isReversed: false, top: 0, isPaused: false, trouble: '' }
  #isLooking = false
  readonly #keys: Readonly<Record<string, () => void>> = {
    q: () => this.#end(),
    Q: () => this.#end(),
    interrupt: () => this.#end(),
    stop: () => this.#stop(),
    p: () => this.#show({ isPaused: !this.#view.isPaused }),
    space: () => this.#show({ isPaused: !this.#view.isPaused }),
    r: () => this.#show({ isReversed: !this.#view.isReversed }),
    up: () => this.#scroll(-1),
    down: () => this.#scroll(1),
    'page up': () => this.#scroll(-this.#page()),
    'page down': () => this.#scroll(this.#page()),
    home: () => this.#show({ top: 0 }),
    end: () => this.#scroll(Number.MAX_SAFE_INTEGER),
  }

  constructor(client: ControlClient, terminal: Terminal, options: TopOptions, first: Look) {
    this.#client = client
    this.#terminal = terminal
    this.#interval = options.interval * 1000
    this.#view = { ...this.#view, by: options.sort }
    this.#ended = new Promise((resolve, reject) => {
      this.#end = (error) => (error === undefined ? resolve() : reject(error))
    })
    this.#take(first)
  }

  /** Has the terminal until somebody quits. */
  async run(): Promise<void> {
    const terminal = this.#terminal
    const leave = () => terminal.leave()
    const quit = () => this.#end()
    const die = (signal: NodeJS.Signals) => {
      leave()
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    }
    const resized = () => {
      terminal.forget()
      this.#draw()
    }
    const resumed = () => {
      terminal.leave()
      terminal.enter()
      this.#draw()
    }
    const typed = (text: string) => {
      for (const key of keysOf(text)) this.#press(key)
    }
    process.on('exit', leave)
    // Before Node prints what went wrong: on the alternate screen nobody would see it.
    process.on('uncaughtExceptionMonitor', leave)
    for (const signal of DEADLY) process.on(signal, die)
    process.on('SIGINT', quit)
    process.on('SIGCONT', resumed)
    process.stdout.on('resize', resized)
    process.stdin.setEncoding('utf8').on('data', typed)
    terminal.enter()
    const timer = setInterval(() => this.#tick(), this.#interval)
    try {
      this.#draw()
      await this.#ended
    } finally {
      clearInterval(timer)
      leave()
      process.stdin.off('data', typed).pause()
      process.stdout.off('resize', resized)
      process.off('SIGCONT', resumed)
      process.off('SIGINT', quit)
      for (const signal of DEADLY) process.off(signal, die)
    }
  }

  #take(now: Look): void {
    this.#report = report(this.#last, now)
    this.#last = now
  }

  #tick(): void {
    if (this.#isLooking || this.#view.isPaused) return
    this.#isLooking = true
    look(this.#client)
      .then((now) => {
        if (this.#view.isPaused) return
        this.#take(now)
        this.#show({ trouble: '' })
      })
      .catch((error: Error) => {
        // It may come back: a director that is started again has the same socket.
        if (!(error instanceof Unreachable)) this.#end(error)
        else this.#show({ trouble: `${error.message}; waiting for one` })
      })
      .finally(() => {
        this.#isLooking = false
      })
  }

  #show(change: Partial<View>): void {
    this.#view = { ...this.#view, ...change }
    this.#draw()
  }

  #draw(): void {
    const { rows, columns } = this.#terminal
    if (this.#report === null) return
    this.#terminal.draw(screenLines(this.#report, this.#view, rows, columns))
  }

  #press(key: string): void {
    const sort = SORTS.find((each) => each.key === key)
    if (sort !== undefined) this.#show({ by: sort.by, isReversed: false, top: 0 })
    else if (Object.hasOwn(this.#keys, key)) this.#keys[key]?.()
  }

  /** As Ctrl-Z does in a program that leaves the keys to the terminal. */
  #stop(): void {
    this.#terminal.leave()
    process.kill(process.pid, 'SIGSTOP')
  }

  #page(): number {
    const { rows, columns } = this.#terminal
    return this.#report === null ? 1 : Math.max(1, roomFor(this.#report, rows, columns))
  }

  #scroll(lines: number): void {
    if (this.#report === null) return
    const { rows, columns } = this.#terminal
    const all = tableLines(this.#report, this.#view, columns).length
    const last = Math.max(0, all - roomFor(this.#report, rows, columns))
    // Counted from what is shown: the table may have become shorter.
    const top = Math.min(this.#view.top, last)
    this.#show({ top: Math.max(0, Math.min(last, top + lines)) })
  }
}
