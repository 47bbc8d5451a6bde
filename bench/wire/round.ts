/**
 * One contestant, once: started, warmed up, then measured while frames come as fast as they can and
 * while they come at a fixed rate.
 *
 *      warm-up  | rest |      measured      | rest |      measured      | rest
 *     ----------+------+--------------------+------+--------------------+------>  time
 *               ^ counters are read where nothing moves: what was sent, received and
 *                 decided in between must agree to the frame
 *
 * The rate is taken within a measured stretch, a while after its begin and before its end: what
 * still lies in a ring when the generator stops is received, but was not in time.
 */
import type { ChildProcess } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import { busyBetween, machineTime, processTime, softirqThreads } from './clock.js'
import {
  type ContestantName,
  type EngineCounts,
  type Running,
  type StartOptions,
  start,
} from './contestants.js'
import { type Field, PORT, VIP } from './field.js'
import type { Sending, Traffic } from './generator.js'

export const LOADS = ['unlimited', 'fixed'] as const
export type Load = (typeof LOADS)[number]

export interface Measurement {
  readonly round: number
  readonly contestant: ContestantName
  readonly load: Load
  /** Frames that the generator handed to its kernel, and that this delivered to the director. */
  readonly offered: number
  readonly delivered: number
  /** Frames that the sink received. */
  readonly received: number
  /** Per second, within the stretch. */
  readonly deliveredRate: number
  readonly receivedRate: number
  /** Time between the two moments of rest, and CPU time of the machine in it, in ms. */
  readonly passedMs: number
  readonly busyMs: number
  readonly stolenMs: number
  readonly interruptsMs: number
  /** Of that, in processes of the director; and in all that have to do with the frames. */
  readonly ownMs: number
  readonly involvedMs: number
  /** Differences between the two moments; null for the kernel. */
  readonly counts: EngineCounts | null
}

export interface Timing {
  readonly warmUpMs: number
  readonly measuredMs: number
  /** Frames a second of the fixed load. */
  readonly rate: number
}

/** It is rest when nothing has changed for so long. On a busy machine a ring empties late. */
const REST_MS = 300
const REST_MS_MAX = 10_000
const LOOK_MS = 100
/** Part of a stretch that is left out at either end where the rate is taken. */
const MARGIN = 0.1

export class Generator {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #reader: Interface

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#reader = createInterface({ input: child.stdout! })
    this.#lines = this.#reader[Symbol.asyncIterator]()
  }

  static async start(
    field: Field,
    traffic: Pick<Traffic, 'flows' | 'bytes' | 'isLive'>,
    pinning: readonly string[],
  ): Promise<Generator> {
    const mac = field.lab.macOf('director:in')
    const all: Traffic = { ...traffic, interface: 'eth0', mac, address: VIP, port: PORT }
    const program = new URL('./generator.js', import.meta.url).pathname
    const words = [...pinning, process.execPath, program, JSON.stringify(all)]
    const child = field.lab.spawn('gen', words[0], words.slice(1), {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const generator = new Generator(child)
    await generator.#line()
    return generator
  }

  get pid(): number {
    return this.#child.pid!
  }

  async send(rate: number, ms: number): Promise<Sending> {
    this.#child.stdin!.write(`${rate} ${ms}\n`)
    return JSON.parse(await this.#line()) as Sending
  }

  stop(): void {
    this.#child.stdin!.end()
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('the generator ended by itself')
    return value
  }
}

export async function measureRound(
  contestant: ContestantName,
  round: number,
  generator: Generator,
  timing: Timing,
  options: StartOptions,
): Promise<Measurement[]> {
  const running = await start(contestant, options)
  try {
    await generator.send(0, timing.warmUpMs)
    const measurements: Measurement[] = []
    for (const load of LOADS) {
      const rate = load === 'fixed' ? timing.rate : 0
      const measured = await measure(generator, options.field, running, rate, timing.measuredMs)
      measurements.push({ round, contestant, load, ...measured })
    }
    return measurements
  } finally {
    await running.stop()
  }
}

async function measure(
  generator: Generator,
  field: Field,
  running: Running,
  rate: number,
  ms: number,
): Promise<Omit<Measurement, 'round' | 'contestant' | 'load'>> {
  await untilRest(field, running)
  const before = await reading(field, running, generator)
  const sending = generator.send(rate, ms)
  await sleep(ms * MARGIN)
  const from = passing(field)
  await sleep(ms * (1 - 2 * MARGIN))
  const to = passing(field)
  const { offered } = await sending
  await untilRest(field, running)
  const after = await reading(field, running, generator)
  const seconds = (to.at - from.at) / 1000
  return {
    offered,
    delivered: after.delivered - before.delivered,
    received: after.received - before.received,
    deliveredRate: (to.delivered - from.delivered) / seconds,
    receivedRate: (to.received - from.received) / seconds,
    passedMs: after.at - before.at,
    busyMs: busyBetween(before.machine, after.machine),
    stolenMs: after.machine.stolen - before.machine.stolen,
    interruptsMs: after.machine.interrupts - before.machine.interrupts,
    ownMs: after.own - before.own,
    involvedMs: after.involved - before.involved,
    counts: differences(before.counts, after.counts),
  }
}

/** Waits until no frame is under way any more, and the director has published what it counted. */
async function untilRest(field: Field, running: Running): Promise<void> {
  let last = ''
  let stillMs = 0
  for (let waitedMs = 0; stillMs < REST_MS; waitedMs += LOOK_MS) {
    if (waitedMs > REST_MS_MAX) throw new Error('frames still arrive, and nobody sends any')
    await sleep(LOOK_MS)
    const { delivered, received } = passing(field)
    const { forwarded, ringDrops } = (await running.counts()) ?? { forwarded: 0, ringDrops: 0 }
    const now = [delivered, received, forwarded, ringDrops].join()
    stillMs = now === last ? stillMs + LOOK_MS : 0
    last = now
  }
}

/** What has gone by until now. */
function passing(field: Field) {
  const delivered = field.counters('director', 'in').received
  const received = field.counters('sink', 'eth0').received
  return { at: performance.now(), delivered, received }
}

/** Everything, at a moment of rest. */
async function reading(field: Field, running: Running, generator: Generator) {
  const counts = await running.counts()
  const own = processTime(running.pids)
  const involved = own + processTime([generator.pid, ...softirqThreads()])
  return { ...passing(field), machine: machineTime(), own, involved, counts }
}

function differences(from: EngineCounts | null, to: EngineCounts | null): EngineCounts | null {
  if (from === null || to === null) return null
  return {
    forwarded: to.forwarded - from.forwarded,
    frames: to.frames - from.frames,
    ringDrops: to.ringDrops - from.ringDrops,
    sendErrors: to.sendErrors - from.sendErrors,
    ownFrames: to.ownFrames - from.ownFrames,
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
