/** What the measurements share: options, processes of their own, and how figures are printed. */
import { spawn } from 'node:child_process'
import { aliveProcess, killAll } from '../../lab/processes.js'
import type { Plot } from '../report/plot.js'
import type { Table } from '../report/table.js'

export interface Options {
  /** Frames of a round. */
  readonly frames: number
  readonly rounds: number
  readonly repeats: number
  readonly flows: readonly number[]
  /** Connections of `openings`, `expiry` and `listing`. */
  readonly connections: number
  /** Connections of `held`. */
  readonly held: number
  readonly hugePages: boolean
  /** `decision`: IPv6 connections instead of IPv4. */
  readonly ipv6: boolean
  /** Says when the warm-up is over (scripts/deopt.mjs). */
  readonly isTraced?: boolean
}

/** Runs part of a measurement in a process of its own, and says what it found. */
export type InChild = <T>(name: string, part: string, options: Options) => Promise<T>
/** Runs another program; its standard output. */
export type RunProgram = (
  program: string,
  args: readonly string[],
  input?: Uint8Array,
) => Promise<string>

/** What a measurement may use while it runs. */
export interface Surroundings {
  readonly inChild: InChild
  readonly runProgram: RunProgram
  /** A folder for files, gone with the benchmark. */
  readonly directory: string
}

export interface Found {
  readonly plot?: Plot
  readonly table: Table
  readonly data: unknown
  /** What the reader must know of this run. */
  readonly remarks: readonly string[]
}

export interface Measurement {
  readonly name: string
  /** What stands above its figures. */
  readonly title: string
  /** How many processes it will run, for the progress bar. */
  steps(options: Options): number
  run(options: Options, surroundings: Surroundings): Promise<Found>
  /** In a child: what it returns is handed back as JSON. `part` says which of its parts. */
  child(options: Options, part: string): Promise<unknown> | unknown
}

/** As the director's worker is: bundled (scripts/bundle.mjs). */
const PROGRAM = new URL('./child-program.cjs', import.meta.url).pathname

/**
 * Starts processes, one after the other, each out of reach of the terminal's Ctrl-C; they end with
 * this one.
 */
export function processes(onStart: () => void): Pick<Surroundings, 'inChild' | 'runProgram'> {
  const runProgram: RunProgram = (program, args, input) => {
    onStart()
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
    const record = child.pid === undefined ? null : aliveProcess(child.pid)
    const atExit = () => killAll(record === null ? [] : [record])
    process.on('exit', atExit)
    child.stdin.on('error', () => {}) // it has ended: its status tells more
    child.stdin.end(input)
    let [out, err] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (status, signal) => {
        process.off('exit', atExit)
        if (status === 0) resolve(out)
        else reject(new Error(`${program} ended (${status ?? signal}): ${err.trim()}`))
      })
    })
  }
  const inChild: InChild = async (name, part, options) => {
    const words = [...process.execArgv, PROGRAM, name, part, JSON.stringify(options)]
    return JSON.parse(await runProgram(process.execPath, words))
  }
  return { inChild, runProgram }
}

export function best(values: readonly number[]): number {
  return Math.min(...values)
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]
}

/** Resident memory of this process, in MiB. */
export function residentMib(): number {
  return process.memoryUsage.rss() / 2 ** 20
}
