/** What the measurements share: options, processes of their own, and how figures are printed. */
import { execFileSync } from 'node:child_process'

export interface Options {
  /** Frames of a round. */
  readonly frames: number
  readonly rounds: number
  readonly repeats: number
  readonly flows: readonly number[]
  /** Connections of `expiry` and `listing`. */
  readonly connections: number
  /** Connections of `held`. */
  readonly held: number
  readonly hugePages: boolean
  /** `decision`: IPv6 connections instead of IPv4. */
  readonly ipv6: boolean
  /** Says when the warm-up is over (scripts/deopt.mjs). */
  readonly isTraced?: boolean
}

export interface Measurement {
  readonly name: string
  /** What is printed above its figures. */
  readonly title: string
  /** In the first process: starts children, and prints. */
  run(options: Options): Promise<void> | void
  /** In a child: what it returns is handed back as JSON. `part` says which of its parts. */
  child?(options: Options, part: string): Promise<unknown> | unknown
}

/** Runs one part of a measurement in a process of its own, and returns what it found. */
export function inChild<T>(name: string, part: string, options: Options): T {
  const entry = process.argv[1]
  const args = [...process.execArgv, entry, '--child', name, part, JSON.stringify(options)]
  const text = execFileSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 26,
  })
  return JSON.parse(text)
}

export function best(values: readonly number[]): number {
  return Math.min(...values)
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]
}

/** A line of columns, each right-aligned to `width`, the first to the left. */
export function line(cells: readonly (string | number)[], width = 14): string {
  const text = cells.map((cell) => (typeof cell === 'number' ? cell.toFixed(1) : cell))
  return text.map((cell, i) => (i === 0 ? cell.padEnd(12) : cell.padStart(width))).join('')
}

/** Resident memory of this process, in MiB. */
export function residentMib(): number {
  return process.memoryUsage.rss() / 2 ** 20
}
