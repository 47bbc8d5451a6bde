/**
 * One contestant, once: started, warmed up, then measured while frames come as fast as they can and
 * while they come at a fixed rate; at last the highest rate without loss is looked for.
 *
 *      warm-up  | rest |      measured      | rest |      measured      | rest
 *     ----------+------+--------------------+------+--------------------+------>  time
 *               ^ counters are read where nothing moves: what was sent, received and
 *                 decided in between must agree to the frame
 *
 * The rate is taken within a measured stretch, a while after its begin and before its end: what
 * still lies in a ring when the generator stops is received, but was not in time.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Contestant, EngineCounts, Running, StartOptions } from '../contestants/contestant.js'
import type { TellTurn } from '../contestants/turns.js'
import { busyBetween, machineTime, processTime, softirqThreads } from './clock.js'
import type { Field } from './field.js'
import type { Generator, GeneratorKind } from './generator.js'
import { type FoundRate, searchRate } from './search.js'

export const LOADS = ['unlimited', 'fixed'] as const
export type Load = (typeof LOADS)[number]

export interface Measurement {
  readonly round: number
  /** Its name. */
  readonly contestant: string
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

/** A stretch of the search. */
export interface Trial {
  readonly round: number
  readonly contestant: string
  /** Frames a second that were asked of the generator. */
  readonly asked: number
  readonly deliveredRate: number
  readonly delivered: number
  readonly received: number
}

/** What came of one contestant in one round. */
export interface Turn {
  readonly round: number
  readonly contestant: string
  readonly measurements: readonly Measurement[]
  readonly trials: readonly Trial[]
  /** null where nothing was looked for. */
  readonly noLoss: FoundRate | null
  /** As the contestant printed them. */
  readonly rules: string | null
}

export interface Timing {
  readonly warmUpMs: number
  readonly measuredMs: number
  /** Frames a second of the fixed load. */
  readonly rate: number
  /** Of each stretch of the search; 0 for no search. */
  readonly trialMs: number
  /** Of frames at full speed, and of those of the search. */
  readonly kind: GeneratorKind
  /** Of frames at the fixed rate. */
  readonly fixedKind: GeneratorKind
}

/** Part of the frames that may be lost in a trial that counts as one without loss. */
export const LOSS_TOLERATED = 1e-5
/** How close the search comes, in parts of the rate. */
export const RESOLUTION = 0.03

/** It is rest when nothing has changed for so long. On a busy machine a ring empties late. */
const REST_MS = 300
const REST_MS_MAX = 10_000
const LOOK_MS = 100
/** Part of a stretch that is left out at either end where the rate is taken. */
const MARGIN = 0.1

export async function measureTurn(
  contestant: Contestant,
  round: number,
  generator: Generator,
  timing: Timing,
  options: StartOptions,
  tell: TellTurn,
): Promise<Turn> {
  tell('start', 0)
  const running = await contestant.start(options)
  try {
    const measured = measureRunning(contestant, round, generator, timing, options, running, tell)
    return await Promise.race([measured, running.failure])
  } finally {
    await running.stop()
  }
}

async function measureRunning(
  { name, side }: Contestant,
  round: number,
  generator: Generator,
  timing: Timing,
  { field }: StartOptions,
  running: Running,
  tell: TellTurn,
): Promise<Turn> {
  const rules = await running.rules()
  await generator.open()
  tell('warm-up', 0.05)
  await generator.send(0, timing.warmUpMs, timing.kind)
  await untilRest(field, running)
  const measurements: Measurement[] = []
  for (const load of LOADS) {
    tell(load === 'fixed' ? `${timing.rate} frames/s` : 'full speed', load === 'fixed' ? 0.3 : 0.15)
    const speed =
      load === 'fixed'
        ? { rate: timing.rate, kind: timing.fixedKind }
        : { rate: 0, kind: timing.kind }
    const measured = await measure(generator, field, running, speed, timing.measuredMs)
    measurements.push({ round, contestant: name, load, ...measured })
  }
  const trials: Trial[] = []
  const tried = async (asked: number): Promise<Trial> => {
    tell(`loss at ${asked} frames/s`, 0.4 + 0.6 * (1 - 0.8 ** trials.length))
    const found = await trial(generator, field, running, asked, timing)
    trials.push({ round, contestant: name, asked, ...found })
    return trials[trials.length - 1]
  }
  const isSearched = timing.trialMs > 0 && side !== 'generator'
  const noLoss = isSearched ? await search(measurements[0].receivedRate, tried) : null
  return { round, contestant: name, measurements, trials, noLoss, rules }
}

async function search(first: number, tried: (rate: number) => Promise<Trial>): Promise<FoundRate> {
  const steps = searchRate(first, RESOLUTION)
  let step = steps.next()
  while (!step.done) {
    const { delivered, received, deliveredRate } = await tried(step.value)
    const isLost = delivered - received > delivered * LOSS_TOLERATED
    step = steps.next({ isLost, rate: deliveredRate })
  }
  return step.value
}

/** From one moment of rest to the next: frames at some rate, and how many of them arrived. */
async function trial(
  generator: Generator,
  field: Field,
  running: Running,
  rate: number,
  { trialMs, kind }: Timing,
): Promise<Omit<Trial, 'round' | 'contestant' | 'asked'>> {
  const before = passing(field)
  const { ms } = await generator.send(rate, trialMs, kind)
  await untilRest(field, running)
  const after = passing(field)
  const delivered = after.delivered - before.delivered
  const received = after.received - before.received
  return { deliveredRate: (delivered / ms) * 1000, delivered, received }
}

/** From one moment of rest to the next. */
async function measure(
  generator: Generator,
  field: Field,
  running: Running,
  speed: { readonly rate: number; readonly kind: GeneratorKind },
  ms: number,
): Promise<Omit<Measurement, 'round' | 'contestant' | 'load'>> {
  const before = await reading(field, running, generator)
  const sending = generator.send(speed.rate, ms, speed.kind)
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
