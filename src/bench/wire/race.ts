/**
 * `uipvs bench wire`: contestants in turns on the same wire, under the same rules. What is measured
 * and what it means: docs/benchmarking.md.
 */
import { createHash } from 'node:crypto'
import type { Contestant, StartOptions } from '../contestants/contestant.js'
import { CONTESTANTS } from '../contestants/index.js'
import { type Skipped, type TellTurn, takeTurns, whoDidNotRun } from '../contestants/turns.js'
import type { Tell } from '../progress.js'
import type { Bench, Section } from '../section.js'
import { Field } from './field.js'
import { Generator } from './generator.js'
import { type Pinning, pinnings } from './pinning.js'
import { racePlots } from './plots.js'
import { LOSS_TOLERATED, measureTurn, RESOLUTION, type Timing, type Turn } from './round.js'
import type { WireRules } from './rules.js'
import {
  differingRules,
  disagreements,
  disturbance,
  summarize,
  summarizeNoLoss,
} from './summary.js'
import { loadTable, noLossTable } from './tables.js'

export interface RaceOptions {
  /** Names of contestants; the generator alone always runs. */
  readonly names: readonly string[]
  /** Those of them that were asked for by name. */
  readonly wanted: readonly string[]
  readonly rules: WireRules
  readonly rounds: number
  /** Length of a measured stretch. */
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly flows: number
  readonly bytes: number
  /** Frames a second of the fixed load. */
  readonly rate: number
  /** Whether the kernel makes the frames at full speed. */
  readonly isLive: boolean
  /** Whether it makes those of the fixed load, too. */
  readonly isSteady: boolean
  readonly isSearched: boolean
  readonly workers: number
  readonly nodeFlags: readonly string[]
}

/** A trial of the search is no longer than this. */
const TRIAL_MS_MOST = 1000

export function race(options: RaceOptions): Bench {
  return {
    seconds: estimate(options),
    run: async (tell, ended) => {
      const field = new Field(options.rules, options.isLive)
      try {
        return await Promise.race([run(options, field, tell), ended])
      } finally {
        field.close()
      }
    },
  }
}

/** Starting, warm-up, two stretches, and a search of about eight trials, with rests between. */
function estimate({ names, rounds, seconds, warmUpSeconds, isSearched }: RaceOptions): number {
  const search = isSearched ? 8 * (Math.min(TRIAL_MS_MOST / 1000, seconds) + 0.7) : 0
  return rounds * (names.length + 1) * (1.5 + warmUpSeconds + 2 * (seconds + 0.7) + search)
}

async function run(options: RaceOptions, field: Field, tell: Tell): Promise<Section> {
  const { rules, flows, bytes, isLive, rounds, workers, nodeFlags } = options
  const pinning = pinnings()
  const load = { flows, bytes, isLive }
  const generator = await Generator.start(field, rules, load, pinning.generator)
  const { directory } = field
  const start = { field, rules, directory, pinning: pinning.contestant, nodeFlags, workers }
  const { contestants, skipped, turns } = await takeTurns(
    options.names,
    rounds,
    start,
    tell,
    (contestant, round, tellTurn) =>
      measured(contestant, round, generator, options, start, tellTurn),
  )
  generator.stop()
  const { whyNotLive } = generator
  return sectionOf({ options, turns, contestants, skipped, pinning, whyNotLive })
}

function measured(
  contestant: Contestant,
  round: number,
  generator: Generator,
  options: RaceOptions,
  start: StartOptions,
  tell: TellTurn,
): Promise<Turn> {
  const measuredMs = options.seconds * 1000
  const kind = options.isLive ? 'live' : 'socket'
  const timing: Timing = {
    warmUpMs: options.warmUpSeconds * 1000,
    measuredMs,
    rate: options.rate,
    trialMs: options.isSearched ? Math.min(TRIAL_MS_MOST, measuredMs) : 0,
    kind,
    // At a fixed rate the generator shall sleep, or nobody's CPU time could be told from its own.
    fixedKind: options.isSteady ? kind : 'socket',
  }
  return measureTurn(contestant, round, generator, timing, start, tell)
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

interface Raced {
  readonly options: RaceOptions
  readonly turns: readonly Turn[]
  readonly contestants: readonly Contestant[]
  readonly skipped: readonly Skipped[]
  readonly pinning: Pinning
  readonly whyNotLive: string | null
}

function sectionOf({ options, turns, contestants, skipped, pinning, whyNotLive }: Raced): Section {
  const { rules, rounds, seconds, flows, bytes, rate, workers } = options
  const isLive = options.isLive && whyNotLive === null
  const titles = new Map(CONTESTANTS.map(({ name, title }) => [name, title]))
  const notRun = whoDidNotRun(skipped, options.wanted)
  const measurements = turns.flatMap((turn) => turn.measurements)
  const names = contestants.map(({ name }) => name)
  const summaries = summarize(measurements, names)
  const noLoss = summarizeNoLoss(turns, names)
  const disturbed = disturbance(measurements)
  const trialSeconds = Math.min(TRIAL_MS_MOST / 1000, seconds)
  const tables = [
    loadTable('As many frames as the generator can send', summaries, 'unlimited', titles),
    loadTable(`${rate} frames a second`, summaries, 'fixed', titles),
  ]
  if (noLoss.length > 0) tables.push(noLossTable('The highest rate without loss', noLoss, titles))
  const conditions = [
    `${bytes}-byte frames, ${counted(flows, 'flow')}, ${counted(rules.targets.length, 'service')}, ${counted(rules.realservers.length, 'realserver')};`,
    `${counted(rounds, 'round')}, stretches of ${seconds} s, ${options.warmUpSeconds} s of warm-up not counted.`,
    isLive
      ? 'The kernel makes the frames (BPF_PROG_TEST_RUN); those at a fixed rate come from a packet socket.'
      : 'Frames come from a packet socket (sendmmsg).',
    ...(pinning.generator.length > 0
      ? ['The generator has processor 0, contestants have the others.']
      : []),
    ...(workers > 1 ? [`Directors of ours have ${workers} workers.`] : []),
    'Median, and least..most of the rounds. CPU time in µs for each frame that arrived, less what',
    "the generator's part of it costs alone.",
    ...(noLoss.length > 0
      ? [
          `Without loss: trials of ${trialSeconds} s, of which at most one frame in`,
          `${Math.round(1 / LOSS_TOLERATED)} was lost; to ${RESOLUTION * 100} %. "≥": nothing was lost of all that the generator could send.`,
        ]
      : []),
  ]
  return {
    name: 'wire',
    title: 'A forwarded frame, between network namespaces',
    conditions,
    tables,
    plots: racePlots({
      summaries,
      noLoss,
      trials: turns.flatMap((turn) => turn.trials),
      titles,
      ours: new Set(contestants.filter(({ side }) => side === 'uipvs').map(({ name }) => name)),
      rate,
    }),
    remarks: [
      ...(whyNotLive === null
        ? []
        : [`the kernel makes no frames, so all came from a packet socket: ${whyNotLive}`]),
      ...notRun.remarks,
      ...(disturbed === '' ? [] : [disturbed]),
    ],
    wrong: [...disagreements(measurements), ...differingRules(turns), ...notRun.wrong],
    data: {
      asked: {
        ...{ rounds, seconds, warmUpSeconds: options.warmUpSeconds, flows, bytes, rate, isLive },
        ...{ workers, pinning, lossTolerated: LOSS_TOLERATED, resolution: RESOLUTION },
        trialSeconds: options.isSearched ? trialSeconds : 0,
      },
      rules: {
        text: rules.text,
        sha256: createHash('sha256').update(rules.text).digest('hex'),
      },
      contestants: contestants.map(({ name, title, side }) => ({ name, title, side })),
      skipped,
      summaries,
      noLoss,
      turns,
    },
  }
}
