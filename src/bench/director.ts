/**
 * What a director costs while frames of another machine pass it: `uipvs bench --director`. It sets
 * up the one or the other director under the same rules, and looks once a second at what came, what
 * left and what the processors did, all processors, interrupts included.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { whyNoIpvs } from './contestants/kernel.js'
import { busyBetween, type MachineTime, machineTime } from './wire/clock.js'

export const DIRECTORS = ['kernel', 'uipvs'] as const
export type DirectorKind = (typeof DIRECTORS)[number]

/** It can't be set up here. */
export class NoDirector extends Error {
  override readonly name = 'NoDirector'
  readonly code = 'NO_DIRECTOR'
}

export interface DirectorSetUp {
  /** Rejects if it ends by itself. */
  readonly failure: Promise<never>
  stop(): Promise<void>
}

const UIPVS = new URL('../cli/uipvs.js', import.meta.url).pathname

/** Our director, as `uipvs run` starts it; `options` as that takes them. Gone if `over` rejects. */
export async function setUpUipvs(
  interfaces: readonly string[],
  rules: string,
  options: readonly string[],
  over: Promise<never>,
): Promise<DirectorSetUp> {
  const arms = interfaces.flatMap((name) => ['-i', name])
  const child = spawn(process.execPath, [UIPVS, 'run', ...arms, '--rules', '-', ...options], {
    stdio: ['pipe', 'ignore', 'pipe'],
    // Ctrl-C is for us: it ends when its last figures are told.
    detached: true,
  })
  child.stdin!.on('error', () => {})
  child.stdin!.end(rules)
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  process.on('exit', () => child.kill('SIGTERM'))
  try {
    await Promise.race([isReady(child), ended.then(() => failed()), over])
  } catch (error) {
    child.kill('SIGTERM')
    throw error
  }
  const failure = ended.then(() => failed())
  failure.catch(() => {})
  return {
    failure,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

function failed(): never {
  throw new NoDirector('the director has ended (see above)')
}

function isReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      process.stderr.write(text)
      if (text.includes(' ready: ')) resolve()
    })
  })
}

/** IPVS of this machine's kernel, the VIPs on `interfaces[0]`; not if it has rules already. */
export async function setUpKernel(
  interfaces: readonly string[],
  rules: string,
  vips: readonly string[],
): Promise<DirectorSetUp> {
  const why = whyNoIpvs()
  if (why !== null) throw new NoDirector(why)
  const saved = mustRun(['ipvsadm', '--save', '-n'])
  if (saved.trim() !== '') {
    throw new NoDirector('this kernel has IPVS rules already; ipvsadm -C clears them')
  }
  const added: string[] = []
  const stop = async () => {
    spawnSync('ipvsadm', ['--clear'])
    for (const vip of added) spawnSync('ip', ['addr', 'del', `${vip}/32`, 'dev', interfaces[0]])
  }
  try {
    for (const vip of vips) {
      const done = spawnSync('ip', ['addr', 'add', `${vip}/32`, 'dev', interfaces[0]])
      if (done.status === 0) added.push(vip) // else it is there already, and stays
    }
    mustRun(['ipvsadm', '--restore'], rules)
  } catch (error) {
    await stop()
    throw error
  }
  return { failure: new Promise<never>(() => {}), stop }
}

function mustRun([program, ...args]: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { input, encoding: 'utf8' })
  if (status === 0) return stdout
  throw new NoDirector(`${[program, ...args].join(' ')}: ${error?.message ?? stderr.trim()}`)
}

/** What interfaces and processors have counted. */
export interface Reading {
  readonly received: number
  readonly sent: number
  /** Frames that the interface had no room for. */
  readonly dropped: number
  readonly time: MachineTime
  readonly at: number
}

export function read(interfaces: readonly string[]): Reading {
  const lines = readFileSync('/proc/self/net/dev', 'utf8').split('\n')
  const sums = [0, 0, 0]
  for (const line of lines) {
    const [name, columns = ''] = line.split(':')
    if (!interfaces.includes(name.trim())) continue
    // 8 columns of what was received, 8 of what was sent: bytes, packets, errs, drop, …
    const numbers = columns.trim().split(/\s+/).map(Number)
    for (const [i, at] of [1, 9, 3].entries()) sums[i] += numbers[at]
  }
  const [received, sent, dropped] = sums
  return { received, sent, dropped, time: machineTime(), at: performance.now() }
}

export interface Passed {
  readonly seconds: number
  readonly received: number
  readonly sent: number
  readonly dropped: number
  /** Of one processor: 200 if two were busy. */
  readonly busyPercent: number
  /** CPU time of all processors for each frame received; null if none was. */
  readonly microsecondsPerFrame: number | null
}

export function between(from: Reading, to: Reading): Passed {
  const ms = to.at - from.at
  const busy = busyBetween(from.time, to.time)
  const received = to.received - from.received
  return {
    seconds: ms / 1000,
    received,
    sent: to.sent - from.sent,
    dropped: to.dropped - from.dropped,
    busyPercent: (100 * busy) / ms,
    microsecondsPerFrame: received > 0 ? (busy * 1000) / received : null,
  }
}
