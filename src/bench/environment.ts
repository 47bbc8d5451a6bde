/** Where figures were measured: without that, figures say nothing. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { busyBetween, machineTime } from './wire/clock.js'

const LOOK_MS = 1000
/** Parts of one processor: above it, what else runs here is in the figures. */
export const QUIET = 0.05

export interface Environment {
  readonly time: string
  readonly kernel: string
  readonly node: string
  readonly processor: string
  readonly cores: number
  readonly version: string
  /** Of the source, `-dirty` if it was changed since; empty for an installed package. */
  readonly commit: string
  /** Of the last 1, 5 and 15 minutes, before the benchmark. */
  readonly load: readonly number[]
  /** Processors that others kept busy, before the benchmark: 0.1 is a tenth of one. */
  readonly busyBefore: number
  readonly isQuiet: boolean
}

export async function lookAround(): Promise<Environment> {
  const before = machineTime()
  await sleep(LOOK_MS)
  const after = machineTime()
  const passedMs = (after.wall - before.wall) / cpus().length
  const busyBefore = Math.max(0, busyBetween(before, after) / passedMs)
  return {
    time: new Date().toISOString(),
    kernel: release(),
    node: process.version,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    version: version(),
    commit: commit(),
    load: loadavg().map((value) => Math.round(value * 100) / 100),
    busyBefore,
    isQuiet: busyBefore <= QUIET,
  }
}

const PACKAGE = new URL('../../..', import.meta.url).pathname

function version(): string {
  return JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')).version
}

function commit(): string {
  if (!existsSync(join(PACKAGE, '.git'))) return ''
  try {
    const words = ['-C', PACKAGE, 'describe', '--always', '--dirty']
    return execFileSync('git', words, { encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return ''
  }
}

export function describeEnvironment(found: Environment): string {
  const { time, version, commit, kernel, node, processor, cores, load, busyBefore } = found
  const lines = [
    `${time}, uipvs ${version}${commit === '' ? '' : ` (${commit})`}`,
    `Linux ${kernel}, Node ${node}, ${cores} processors (${processor})`,
    `load average before: ${load.join(', ')}; others used ${(busyBefore * 100).toFixed(0)} % of a processor`,
  ]
  if (!found.isQuiet) {
    lines.push('WARNING: the machine is busy: what others use is in all figures below')
  }
  return lines.join('\n')
}
