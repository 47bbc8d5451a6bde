/** A shell that is given one command after the other, as a student types them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

/** Printed behind each command, with its exit status between the two. */
const MARK = '\u001e'
const WAIT_MS = 30_000

export class Terminal {
  private readonly child: ChildProcess
  private output = ''
  private hasEnded = false

  /** `argv` starts a shell that reads its standard input. */
  constructor(argv: readonly string[], env: NodeJS.ProcessEnv) {
    const [file = '', ...args] = argv
    // A process group of its own, so that what it left in the background ends with it.
    this.child = spawn(file, args, { env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
      })
    }
    this.child.on('close', () => {
      this.hasEnded = true
    })
    this.child.stdin?.on('error', () => {}) // it has ended: told below
    this.child.stdin?.write('exec 2>&1\n')
  }

  /** What the command printed, and its exit status. */
  async run(command: string): Promise<{ printed: string; status: number }> {
    this.child.stdin?.write(`{ ${command}\n} < /dev/null; printf '\\036%s\\036' $?\n`)
    const end = new RegExp(`${MARK}(\\d+)${MARK}`)
    const found = await this.until((output) => end.exec(output))
    if (found === null) return { printed: `${this.taken()}\n(no end)`, status: -1 }
    // What something in the background says meanwhile may stand behind the mark.
    return { printed: this.taken().replace(found[0], ''), status: Number(found[1]) }
  }

  /** Starts a command that goes on, and waits until `isThere` says that it has printed enough. */
  async start(command: string, isThere: (printed: string) => boolean) {
    const { printed, status } = await this.run(command)
    this.output = printed
    await this.until((output) => isThere(output) || null)
    return { printed: this.taken(), status }
  }

  /** Ends the shell and all that it started, which may clean up. */
  close(): void {
    try {
      if (this.child.pid !== undefined) process.kill(-this.child.pid, 'SIGTERM')
    } catch {
      // Nothing of it is left.
    }
  }

  private taken(): string {
    const text = this.output
    this.output = ''
    return text
  }

  private async until<T>(look: (output: string) => T | null): Promise<T | null> {
    const end = Date.now() + WAIT_MS
    for (;;) {
      const ended = this.hasEnded
      const found = look(this.output)
      if (found !== null || ended || Date.now() > end) return found
      await sleep(10)
    }
  }
}
