/**
 * Linux with its IPVS as a process: Debian's User-Mode Linux, its root file system the one of this
 * machine, read-only, its one interface a pair of links to us. See `scripts.ts`.
 *
 * It cannot outlive us. The kernel kills it when the thread that started it ends
 * (PR_SET_PDEATHSIG), and its helpers with it, as it is the first process of a namespace of its
 * own; what it made goes with its namespaces.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import { FrameSocket } from '../native/frame-socket.js'
import { insideNamespace } from '../native/namespace.js'
import { END, initScript, launchScript, READY, RECORDER_INTERFACE } from './scripts.js'

const BOOT_MS = 60_000
const COMMAND_MS = 30_000
/** Bytes of a line that a terminal takes (N_TTY_BUF_SIZE), with room for its end. */
const LINE_BYTES_MAX = 4000

/** The oracle cannot be had, or did not answer. */
export class OracleError extends Error {
  override readonly name = 'OracleError'
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

const PROGRAMS: readonly (readonly [program: string, debianPackage: string])[] = [
  ['linux.uml', 'user-mode-linux'],
  ['modprobe', 'kmod'],
  ['ipvsadm', 'ipvsadm'],
  ['iptables-legacy', 'iptables'],
  ['ethtool', 'ethtool'],
  ['setpriv', 'util-linux'],
]
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Why there can be no oracle on this machine, or false. */
export function cannotHaveOracle(): string | false {
  if (process.getuid?.() !== 0) return 'needs root, for namespaces and packet sockets'
  if (!readFileSync('/proc/self/uid_map', 'utf8').includes('4294967295')) {
    return 'needs real root, not that of a user namespace'
  }
  const missing = PROGRAMS.filter(([program]) => !FOLDERS.some((at) => isProgram(at, program)))
  if (missing.length === 0) return false
  const [[program, debianPackage]] = missing
  return `${program} is not installed (package ${debianPackage})`
}

function isProgram(folder: string, name: string): boolean {
  try {
    accessSync(`${folder}/${name}`, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export class Machine {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #gone: Promise<void>
  #text = ''
  #waiting: Waiting | null = null
  #socket: FrameSocket | null = null
  #end: OracleError | null = null

  private constructor() {
    const launch = ['sh', '-c', launchScript(), 'sh', initScript()]
    const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child']
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...namespaces, ...launch], {
      env: { ...process.env, PATH: FOLDERS.join(':') },
      stdio: 'pipe',
    })
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => this.#hear(text))
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => this.#hear(text))
    // Writing to a machine that is gone; `close` tells of it.
    this.#child.stdin.on('error', () => {})
    this.#gone = new Promise((resolve) => {
      const ended = (why: string) => {
        this.#end = new OracleError(`the oracle's machine ${why}`)
        this.#waiting?.fail(this.#end)
        this.#waiting = null
        resolve()
      }
      this.#child.on('error', (error) => ended(`could not be started: ${error.message}`))
      this.#child.on('close', (code, signal) => ended(`has ended (${signal ?? code})`))
    })
  }

  /** Boots a machine; some three seconds. */
  static async boot(): Promise<Machine> {
    const impossible = cannotHaveOracle()
    if (impossible !== false) throw new OracleError(`no oracle here: ${impossible}`)
    const machine = new Machine()
    try {
      await machine.#until((line) => line === READY, BOOT_MS)
      machine.#socket = insideNamespace(
        `/proc/${machine.#child.pid}/ns/net`,
        () => new FrameSocket(RECORDER_INTERFACE, { incomingOnly: true }),
      )
      return machine
    } catch (error) {
      await machine.close()
      throw error
    }
  }

  /** Our end of its wire. */
  get wire(): FrameSocket {
    if (this.#socket === null) throw new OracleError('the oracle is closed')
    return this.#socket
  }

  /** Runs a shell line inside. */
  async shell(line: string): Promise<CommandOut> {
    if (this.#end !== null) throw this.#end
    if (line.includes('\n') || Buffer.byteLength(line) > LINE_BYTES_MAX) {
      throw new OracleError(`a command has one line of ${LINE_BYTES_MAX} bytes: ${line}`)
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
    if (rc !== 0) throw new OracleError(`${line} (in the oracle): status ${rc}, ${stdout.trim()}`)
    return stdout
  }

  ipvsadm(args: readonly string[]): Promise<CommandOut> {
    return this.shell(['ipvsadm', ...args].map(quoted).join(' '))
  }

  /** Leaves a file of these lines in the machine's own /tmp, and returns its path. */
  async file(name: string, text: string): Promise<string> {
    const path = `/tmp/${name}`
    await this.must(`: > ${path}`)
    for (const line of text.split('\n').slice(0, -1)) {
      await this.must(`printf '%s\\n' ${quoted(line)} >> ${path}`)
    }
    return path
  }

  async close(): Promise<void> {
    this.#socket?.close()
    this.#socket = null
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
        this.#waiting?.fail(new OracleError(`the oracle does not answer: ${lines.slice(-5)}`))
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
          reject(new OracleError([error.message, ...lines.slice(-5)].join('\n')))
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
