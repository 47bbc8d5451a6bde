/**
 * `uipvs bench latency`: how long frames are under way through each contestant, at a rate.
 *
 *   sender (gen)  -- stamp --> in  [ contestant ]  out -- stamped by the kernel --> receiver (sink)
 *
 * `uipvs bench send` writes the time into each frame just before the system call that sends it; the
 * kernel notes when the frame reached the packet socket of `uipvs bench receive`. Both read the
 * same clock. With the generator alone the receiver listens where the director would: that is the
 * wire without anybody. What the figures hold: docs/benchmarking.md.
 */
import { createInterface } from 'node:readline'
import { decodeFromCompressedBase64, type Histogram } from 'hdr-histogram-js'
import {
  type Contestant,
  kernelOnly,
  type Running,
  type StartOptions,
} from './contestants/contestant.js'
import { CONTESTANTS } from './contestants/index.js'
import { type Skipped, takeTurns, whoDidNotRun } from './contestants/turns.js'
import { aims, type Idle, idlePercent, idleTable } from './idle.js'
import type { Tell } from './progress.js'
import { type Curve, curvePlot } from './report/plot.js'
import type { Table } from './report/table.js'
import type { Bench, Section } from './section.js'
import { emptyHistogram } from './stamped-receiver.js'
import { type Times, timesOf } from './times.js'
import { type Child, Field, type FieldHost } from './wire/field.js'
import { type Pinning, pinnings } from './wire/pinning.js'
import { type Target, UnfitRules, type WireRules } from './wire/rules.js'

export interface LatencyOptions {
  /** Names of contestants; the generator alone always runs. */
  readonly names: readonly string[]
  /** Those of them that were asked for by name. */
  readonly wanted: readonly string[]
  readonly rules: WireRules
  readonly rounds: number
  readonly seconds: number
  readonly flows: number
  readonly bytes: number
  /** Frames a second. */
  readonly rate: number
  readonly workers: number
  /** For how long to look what each costs while nothing comes, in its first round; 0: not. */
  readonly idleSeconds: number
}

/** What `uipvs bench receive --json` prints, as far as it is used here. */
interface Arrived {
  readonly received: number
  readonly lost: number | null
  readonly reordered: number
  readonly duplicates: number
  readonly ringDrops: number
  /** HdrHistogram of nanoseconds, compressed. */
  readonly histogram: string | null
}

interface Crossing extends Arrived {
  readonly contestant: string
  readonly round: number
  /** % of a processor while nothing came; null where nobody looked. */
  readonly idle: number | null
}

export interface LatencySummary {
  readonly contestant: string
  readonly lost: number
  readonly times: Times
  /** The 99th percentile less that of the wire alone, in µs. */
  readonly addedP99: number
}

const PROGRAM = new URL('../cli/uipvs.js', import.meta.url).pathname
/**
 * Not counted: V8 compiles meanwhile, and eight seconds after a start gives back what memory the
 * start took. Who asks for short stretches wants an answer soon.
 */
const warmUpSeconds = (seconds: number) => Math.min(12, 1.5 * seconds)
const RECEIVE_TIMEOUT_SECONDS = 20
/** The generator has no address of its own: nobody answers. */
const SOURCE = '10.77.0.9'
/** Percentiles of the plot and of report.json. */
const PERCENTILES = [1, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100]

/** @throws UnfitRules without a UDP service */
export function latency(options: LatencyOptions): Bench {
  const target = options.rules.targets.find(({ protocol }) => protocol === 'udp')
  if (target === undefined) throw new UnfitRules('no UDP service')
  const { rounds, names, seconds, idleSeconds } = options
  return {
    seconds:
      rounds * (names.length + 1) * (seconds + warmUpSeconds(seconds) + 4) +
      names.length * idleSeconds,
    run: async (tell, ended) => {
      const field = new Field(options.rules, false)
      try {
        return await Promise.race([run(options, target, field, tell), ended])
      } finally {
        field.close()
      }
    },
  }
}

async function run(
  options: LatencyOptions,
  target: Target,
  field: Field,
  tell: Tell,
): Promise<Section> {
  const { rules, rounds, workers } = options
  const pinning = pinnings()
  const { directory } = field
  // What is dropped at ingress, the receiver's socket for IPv4 never sees.
  field.stopDropping('sink')
  field.dropBeforeRouting('sink')
  const start = { field, rules, directory, pinning: pinning.contestant, nodeFlags: [], workers }
  const { contestants, skipped, turns } = await takeTurns(
    options.names,
    rounds,
    start,
    tell,
    async (contestant, round, tellTurn): Promise<Crossing> => {
      tellTurn('', 0)
      // What nothing costs is no matter of chance: one round tells it.
      const asked = round === 0 ? options : { ...options, idleSeconds: 0 }
      const arrived = await measured(contestant, start, target, asked, pinning)
      return { ...arrived, contestant: contestant.name, round }
    },
  )
  return sectionOf(options, contestants, turns, skipped, pinning)
}

async function measured(
  contestant: Contestant,
  start: StartOptions,
  target: Target,
  options: LatencyOptions,
  pinning: Pinning,
): Promise<Arrived & Pick<Crossing, 'idle'>> {
  const isAlone = contestant.side === 'generator'
  const running = isAlone ? wireAlone(start.field) : await contestant.start(start)
  try {
    const cross = (seconds: number) =>
      crossing(contestant, start.field, target, options, pinning, seconds)
    const all = async () => {
      await cross(warmUpSeconds(options.seconds))
      const arrived = await cross(options.seconds)
      return { ...arrived, idle: await idlePercent(running, options.idleSeconds) }
    }
    return await Promise.race([all(), running.failure])
  } finally {
    await running.stop()
  }
}

/** Nobody forwards: the director's end of the wire is where frames are received. */
function wireAlone(field: Field): Running {
  field.dropBeforeRouting('director')
  return kernelOnly(() => field.stopDropping('director'))
}

/** One run of the sender, received. */
async function crossing(
  { side }: Contestant,
  field: Field,
  { address, port }: Target,
  { rate, flows, bytes }: LatencyOptions,
  pinning: Pinning,
  seconds: number,
): Promise<Arrived> {
  const [host, device]: [FieldHost, string] =
    side === 'generator' ? ['director', 'in'] : ['sink', 'eth0']
  // Beside the sender: on the contestants' processor it would hold them up.
  const bench = [...pinning.generator, process.execPath, PROGRAM, 'bench']
  const timeout = String(RECEIVE_TIMEOUT_SECONDS)
  const receive = ['receive', '-i', device, '--timeout', timeout, '--json']
  const receiver = new Ended(field.spawn(host, [...bench, ...receive]))
  await receiver.untilReady()
  const send = ['send', '-i', 'eth0', '--to', `${address}:${port}`, '--source', SOURCE]
  const stream = ['--mac', field.macOf('director:in'), '--rate', String(rate)]
  const size = ['--flows', String(flows), '--size', String(bytes), '--duration', String(seconds)]
  await new Ended(field.spawn('gen', [...bench, ...send, ...stream, ...size])).output
  return JSON.parse(await receiver.output) as Arrived
}

/** A program that is to end with status 0. */
class Ended {
  readonly output: Promise<string>
  readonly #ready: Promise<void>

  constructor(child: Child) {
    child.stdin.end()
    let out = ''
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    this.output = new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (status) => {
        if (status === 0) resolve(out)
        else reject(new Error(`${child.spawnargs.at(-1)}: status ${status}: ${said.trim()}`))
      })
    })
    this.#ready = new Promise((resolve) => {
      createInterface({ input: child.stderr }).on('line', (line) => {
        said += `${line}\n`
        if (line.includes(' ready: ')) resolve()
      })
    })
    // Whoever waits for it is told; whoever does not yet must not end the process.
    this.output.catch(() => {})
  }

  async untilReady(): Promise<void> {
    await Promise.race([this.#ready, this.output])
  }
}

/** All rounds of each contestant in one histogram. */
export function summarizeLatency(
  crossings: readonly Crossing[],
  names: readonly string[],
): { summaries: LatencySummary[]; histograms: Map<string, Histogram> } {
  const histograms = new Map<string, Histogram>()
  for (const { contestant, histogram } of crossings) {
    const all = histograms.get(contestant) ?? emptyHistogram()
    if (histogram !== null) all.add(decodeFromCompressedBase64(histogram))
    histograms.set(contestant, all)
  }
  const p99 = (name: string) => timesOf(histograms.get(name) ?? emptyHistogram()).p99
  const summaries = names.map((contestant) => {
    const own = crossings.filter((each) => each.contestant === contestant)
    const received = own.reduce((sum, each) => sum + each.received, 0)
    const lost = own.reduce((sum, each) => sum + (each.lost ?? 0), 0)
    return {
      contestant,
      lost: lost / Math.max(1, received + lost),
      times: timesOf(histograms.get(contestant) ?? emptyHistogram()),
      addedP99: p99(contestant) - p99('generator'),
    }
  })
  return { summaries, histograms }
}

function sectionOf(
  options: LatencyOptions,
  contestants: readonly Contestant[],
  crossings: readonly Crossing[],
  skipped: readonly Skipped[],
  pinning: Pinning,
): Section {
  const { rounds, seconds, rate, flows, bytes, workers, idleSeconds } = options
  const titles = new Map(CONTESTANTS.map(({ name, title }) => [name, title]))
  const notRun = whoDidNotRun(skipped, options.wanted)
  const names = contestants.map(({ name }) => name)
  const { summaries, histograms } = summarizeLatency(crossings, names)
  const idle: Idle = new Map(
    crossings.flatMap((each) => (each.idle === null ? [] : [[each.contestant, each.idle]])),
  )
  const added = new Map(summaries.map(({ contestant, addedP99 }) => [contestant, addedP99]))
  const ours = contestants.filter(({ side }) => side === 'uipvs').map(({ name }) => name)
  const percentiles = names.map((contestant) => ({
    contestant,
    microseconds: PERCENTILES.map((percentile) => [
      percentile,
      (histograms.get(contestant)?.getValueAtPercentile(percentile) ?? 0) / 1000,
    ]),
  }))
  const wrong = crossings
    .filter(({ received, histogram }) => received > 0 && histogram === null)
    .map(({ contestant }) => `${titles.get(contestant)}: sender and receiver have different clocks`)
  return {
    name: 'latency',
    title: 'How long a frame is under way',
    conditions: [
      `${bytes}-byte frames of ${flows} flows, ${rate} a second, one by one; ${rounds} rounds of ${seconds} s,`,
      `${warmUpSeconds(seconds)} s of warm-up before each not counted. From just before the sender's system call to the`,
      "packet socket at the sink, by the kernel's clock. All rounds together; µs. Added: less the wire alone.",
      ...(workers > 1 ? [`Directors of ours have ${workers} workers.`] : []),
    ],
    tables: [latencyTable(summaries, titles), ...idleTable(idle, titles)],
    plots: [latencyPlot(percentiles, titles)],
    remarks: [...aims(ours, added, idle, titles), ...notRun.remarks],
    wrong: [...wrong, ...notRun.wrong],
    data: {
      asked: { rounds, seconds, rate, flows, bytes, workers, idleSeconds, pinning },
      contestants: contestants.map(({ name, title, side }) => ({ name, title, side })),
      skipped,
      summaries,
      percentiles,
      crossings,
    },
  }
}

function latencyTable(
  summaries: readonly LatencySummary[],
  titles: ReadonlyMap<string, string>,
): Table {
  const us = (value: number) => value.toFixed(1)
  return {
    title: 'Time under way, µs',
    head: ['', 'frames', 'lost %', 'p50', 'p99', 'p99.9', 'max', 'added p99'],
    rows: summaries.map(({ contestant, lost, times, addedP99 }) => [
      contestant === 'generator' ? 'the wire alone' : (titles.get(contestant) ?? contestant),
      String(times.frames),
      (100 * lost).toFixed(3),
      ...[times.p50, times.p99, times.p999, times.max].map(us),
      contestant === 'generator' ? '' : us(addedP99),
    ]),
  }
}

/** Nines to the right, powers of ten upwards. */
function latencyPlot(
  percentiles: readonly { contestant: string; microseconds: number[][] }[],
  titles: ReadonlyMap<string, string>,
) {
  const most = Math.max(
    10,
    ...percentiles.flatMap(({ microseconds }) => microseconds.map(([, us]) => us)),
  )
  const x = {
    title: 'percentile',
    ticks: [0, 90, 99, 99.9, 99.99].map((at) => ({ at: nines(at), label: String(at) })),
  }
  const decades = Math.ceil(Math.log10(most))
  const y = {
    title: 'µs under way',
    ticks: Array.from({ length: decades + 1 }, (_, i) => ({ at: i, label: String(10 ** i) })),
  }
  const curves: Curve[] = percentiles.map(({ contestant, microseconds }) => ({
    label: titles.get(contestant) ?? contestant,
    points: microseconds
      .filter(([percentile]) => percentile < 100)
      .map(([percentile, us]) => [nines(percentile), Math.log10(Math.max(1, us))] as const),
    dots: [],
  }))
  return curvePlot('latency', 'Time under way by percentile', x, y, curves)
}

/** 90 is 1, 99 is 2, 99.9 is 3. */
function nines(percentile: number): number {
  return -Math.log10(1 - percentile / 100)
}
