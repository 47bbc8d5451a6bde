/**
 * Processes by id, safely. A process id is used again some day, so a record also holds when the
 * process began (proc(5), stat field 22, in clock ticks since boot): id and start together name one
 * process for ever.
 */
import { readFileSync } from 'node:fs'

export interface ProcessRecord {
  readonly pid: number
  readonly started: string
}

const SIGTERM_PATIENCE_MS = 2000
const POLL_MS = 10

/** The process as it runs now; null if there is none, or only its zombie. */
export function aliveProcess(pid: number): ProcessRecord | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return null
  }
  // Field 2, the program's name in parentheses, may hold anything; fields are counted behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const state = fields[0]!
  return state === 'Z' || state === 'X' ? null : { pid, started: fields[19]! }
}

export function isAlive(record: ProcessRecord): boolean {
  return aliveProcess(record.pid)?.started === record.started
}

/** SIGTERM for all, and SIGKILL for those that are still there after two seconds. Blocks. */
export function killAll(records: readonly ProcessRecord[]): void {
  const others = records.filter((record) => record.pid !== process.pid)
  let left = others.filter((record) => signal(record, 'SIGTERM'))
  const deadline = Date.now() + SIGTERM_PATIENCE_MS
  while (left.length > 0 && Date.now() < deadline) {
    pause(POLL_MS)
    left = left.filter(isAlive)
  }
  for (const record of left) signal(record, 'SIGKILL')
  while (left.some(isAlive) && Date.now() < deadline + SIGTERM_PATIENCE_MS) pause(POLL_MS)
}

function signal(record: ProcessRecord, name: NodeJS.Signals): boolean {
  if (!isAlive(record)) return false
  try {
    process.kill(record.pid, name)
    return true
  } catch {
    return false
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))

/** Blocks this thread. Only for clean-up, which must also work where nothing can be awaited. */
export function pause(milliseconds: number): void {
  Atomics.wait(sleeper, 0, 0, milliseconds)
}
