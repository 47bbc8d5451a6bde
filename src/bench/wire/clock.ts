/** What the machine's processors did, and for whom. */
import { readdirSync, readFileSync } from 'node:fs'

/** Ticks a second in /proc: USER_HZ, 100 on every machine that Node runs on (proc_stat(5)). */
const USER_HZ = 100

/** Since the machine started, in ms, of all processors together. */
export interface MachineTime {
  readonly wall: number
  readonly idle: number
  readonly stolen: number
  /** Of this, so much within interrupts: softirqs too. Sampled by the kernel at ticks, so rough. */
  readonly interrupts: number
}

export function machineTime(): MachineTime {
  const from = performance.now()
  const text = readFileSync('/proc/stat', 'utf8')
  const at = (from + performance.now()) / 2
  const lines = text.split('\n')
  const processors = lines.filter((line) => /^cpu\d/.test(line)).length
  const wall = at * processors
  const [, , , idle, iowait, irq, softirq, steal] = lines[0].split(/\s+/).slice(1).map(milliseconds)
  return { wall, idle: idle + iowait, stolen: steal, interrupts: irq + softirq }
}

/**
 * CPU time between two moments, in ms: all that was not idle. Not the sum of what the kernel says
 * it was used for: that is sampled at ticks, with which work in bursts may keep step, while idle
 * time is measured exactly (NO_HZ).
 */
export function busyBetween(from: MachineTime, to: MachineTime): number {
  return to.wall - from.wall - (to.idle - from.idle) - (to.stolen - from.stolen)
}

/**
 * CPU time of processes with all their threads, in ms: system calls, and the interrupts that came
 * while they ran, are in it (but on a kernel with IRQ_TIME_ACCOUNTING, which books those apart).
 */
export function processTime(pids: readonly number[]): number {
  let sum = 0
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // Fields 14 and 15 of proc_pid_stat(5); the state, behind the name, is the third.
    sum += milliseconds(fields[11]) + milliseconds(fields[12])
  }
  return sum
}

/**
 * The same to the nanosecond, for what hardly runs at all: the first column of schedstat, of each
 * thread (Documentation/scheduler/sched-stats.rst).
 */
export function exactProcessTime(pids: readonly number[]): number {
  let nanoseconds = 0
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')
      nanoseconds += Number(stat.split(' ')[0])
    }
  }
  return nanoseconds / 1e6
}

/** The threads in which the kernel does what interrupts left behind; one for each processor. */
export function softirqThreads(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && nameOf(entry).startsWith('ksoftirqd/'))
    .map(Number)
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8')
  } catch {
    return '' // gone meanwhile
  }
}

function milliseconds(ticks: string): number {
  return (Number(ticks) * 1000) / USER_HZ
}
