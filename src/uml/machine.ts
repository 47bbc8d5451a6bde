/**
 * Linux as a process: Debian's User-Mode Linux, its root file system the one of this machine,
 * read-only, its console a pipe to us on which it takes commands. See `scripts.ts`.
 *
 * It cannot outlive us. The kernel kills it when the thread that started it ends
 * (PR_SET_PDEATHSIG), and its helpers with it, as it is the first process of a namespace of its
 * own; what it made goes with its namespaces.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import { processTree } from './process-tree.js'
import { END, READY } from './scripts.js'

const BOOT_MS = 60_000
const COMMAND_MS = 30_000
/** Bytes of a line that a terminal takes (N_TTY_BUF_SIZE), with room for its end. */
const LINE_BYTES_MAX = 4000

/** Linux in user mode cannot be had, or did not answer. */
export class UmlError extends Error {
  override readonly name = 'UmlError'
}

export interface CommandOut {
  readonly rc: number
  /** Standard output and standard error. */
  readonly stdout: string
}

interface Waiting {
  readonly isEnd: (line: string) => boolean
  readonly lines: string[]
  readonly done: (last: string) => void
  readonly fail: (error: Error) => void
}

/** A program, and the Debian package that it comes with. */
export type Needed = readonly [program: string, debianPackage: string]

const PROGRAMS: readonly Needed[] = [
  ['linux.uml', 'user-mode-linux'],
  ['modprobe', 'kmod'],
  ['ipvsadm', 'ipvsadm'],
  ['setpriv', 'util-linux'],
]
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Why there can be no such Linux on this machine, or false. `also` names what else it takes. */
export function cannotHaveUml(also: readonly Needed[] = []): string | false {
  if (process.getuid?.() !== 0) return 'needs root, for namespaces and packet sockets'
  if (!readFileSync('/proc/self/uid_map', 'utf8').includes('4294967295')) {
    return 'needs real root, not that of a user namespace'
  }
  const isMissing = ([program]: Needed) => !FOLDERS.some((at) => isProgram(at, program))
  const missing = [...PROGRAMS, ...also].filter(isMissing)
  if (missing.length === 0) return false
  const packages = [...new Set(missing.map(([, debianPackage]) => debianPackage))].join(' ')
  const programs = missing.map(([program]) => program).join(', ')
  return `no ${programs} here; apt-get install ${packages}`
}

function isProgram(folder: string, name: string): boolean {
  try {
    accessSync(`${folder}/${name}`, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export interface UmlOptions {
  /** What it is, in errors. */
  readonly name: string
  /** Words before a command that run it where the wires are; none to run it here. */
  readonly enter?: readonly string[]
  /** Kinds of namespaces of its own, as unshare(1) writes them, besides those of every machine. */
  readonly namespaces?: readonly string[]
  readonly launch: string
  readonly init: string
}

export class Uml {
  readonly #name: string
  readonly #child: ChildProcessWithoutNullStreams
  readonly #gone: Promise<void>
  /** Rejects if it ends by itself, saying so. */
  readonly failure: Promise<never>
  #text = ''
  #waiting: Waiting | null = null
  #end: UmlError | null = null

  protected constructor({ name, enter = [], namespaces = [], launch, init }: UmlOptions) {
    this.#name = name
    const unshare = ['unshare', ...namespaces, '--mount', '--pid', '--fork', '--kill-child']
    const words = [...enter, ...unshare, 'sh', '-c', launch, 'sh', init]
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', ...words], {
      env: { ...process.env, PATH: FOLDERS.join(':') },
      stdio: 'pipe',
      // Ctrl-C is for us: it ends when we have read the last of it.
      detached: true,
    })
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => this.#hear(text))
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => this.#hear(text))
    // Writing to a machine that is gone; `close` tells of it.
    this.#child.stdin.on('error', () => {})
    this.#gone = new Promise((resolve) => {
      const ended = (why: string) => {
        this.#end = new UmlError(`${name} ${why}`)
        this.#waiting?.fail(this.#end)
        this.#waiting = null
        resolve()
      }
      this.#child.on('error', (error) => ended(`could not be started: ${error.message}`))
      this.#child.on('close', (code, signal) => ended(`has ended (${signal ?? code})`))
    })
    this.failure = this.#gone.then(() => {
      throw this.#end!
    })
    this.failure.catch(() => {}) // expected at its end, when nobody waits for it any more
  }

  /** Waits until it takes commands; some three seconds. */
  protected async booted(): Promise<void> {
    await this.#until((line) => line === READY, BOOT_MS)
  }

  /** The process that we started, in whose namespaces the kernel runs. */
  protected get pid(): number {
    return this.#child.pid!
  }

  /** Processes that are this Linux: its kernel, and what its own processes run in. */
  pids(): number[] {
    return processTree(this.pid)
  }

  /** Runs a shell line inside. */
  async shell(line: string): Promise<CommandOut> {
    if (this.#end !== null) throw this.#end
    if (line.includes('\n') || Buffer.byteLength(line) > LINE_BYTES_MAX) {
      throw new UmlError(`a command has one line of ${LINE_BYTES_MAX} bytes: ${line}`)
    }
    const answer = this.#until((text) => text.startsWith(`${END} `), COMMAND_MS)
    this.#child.stdin.write(`${line}\n`)
    const { lines, last } = await answer
    const stdout = lines.map((text) => `${text}\n`).join('')
    return { rc: Number(last.slice(END.length + 1)), stdout }
  }

  /** Runs a shell line that must succeed; returns what it printed. */
  async must(line: string): Promise<string> {
    const { rc, stdout } = await this.shell(line)
    if (rc !== 0) throw new UmlError(`${line} (in ${this.#name}): status ${rc}, ${stdout.trim()}`)
    return stdout
  }

  /** Leaves a file of these lines in the machine's own /tmp, and returns its path. */
  async file(name: string, text: string): Promise<string> {
    const path = `/tmp/${name}`
    await this.must(`: > ${path}`)
    let command = ''
    for (const line of text.split('\n').slice(0, -1)) {
      const word = ` ${quoted(line)}`
      if (command !== '' && Buffer.byteLength(command + word) > LINE_BYTES_MAX - path.length - 8) {
        await this.must(`${command} >> ${path}`)
        command = ''
      }
      command = `${command === '' ? "printf '%s\\n'" : command}${word}`
    }
    if (command !== '') await this.must(`${command} >> ${path}`)
    return path
  }

  async close(): Promise<void> {
    // It has nothing to save, and goes with the process that we started.
    this.#child.kill('SIGKILL')
    await this.#gone
  }

  #until(
    isEnd: (line: string) => boolean,
    ms: number,
  ): Promise<{ lines: readonly string[]; last: string }> {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return reject(this.#end)
      const lines: string[] = []
      const timer = setTimeout(() => {
        this.#waiting?.fail(new UmlError(`${this.#name} does not answer`))
        this.#waiting = null
      }, ms)
      this.#waiting = {
        isEnd,
        lines,
        done: (last) => {
          clearTimeout(timer)
          resolve({ lines, last })
        },
        fail: (error) => {
          clearTimeout(timer)
          reject(new UmlError([error.message, ...lines.slice(-5)].join('\n')))
        },
      }
    })
  }

  #hear(text: string): void {
    const lines = (this.#text + text).split('\n')
    this.#text = lines.pop() ?? ''
    for (const raw of lines) {
      const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw
      const waiting = this.#waiting
      if (waiting === null) continue
      if (waiting.isEnd(line)) {
        this.#waiting = null
        waiting.done(line)
      } else waiting.lines.push(line)
    }
  }
}

/** A word as a shell reads it back. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(word) && !word.includes('[')
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`
}
