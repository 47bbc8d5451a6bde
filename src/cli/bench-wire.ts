/** `uipvs bench wire`. See docs/benchmarking.md. */
import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { namesOf } from '../bench/contestants/index.js'
import { type RaceOptions, race } from '../bench/wire/race.js'
import { DEFAULT_RULES, UnfitRules, type WireRules, wireRules } from '../bench/wire/rules.js'
import {
  addReportOptions,
  choice,
  needRoot,
  numberOption,
  type ReportFlags,
  runBenches,
} from './bench.js'
import { CliFailure, EXIT_FAILED } from './failure.js'
import { readRules } from './rules-file.js'

const SIZE_MIN = 60
const SIZE_MAX = 1514
const FLOWS_MAX = 65_536
/**
 * Twice as long as a stretch, but no longer than this: V8 has compiled a director's path for good
 * after two million frames or so, and the thread that does it shares the director's processor.
 */
const WARM_UP_SECONDS_MOST = 4
const OPPONENTS = namesOf('opponent')
const ENGINES = namesOf('uipvs')

export interface WireFlags extends ReportFlags {
  readonly opponent: readonly string[]
  readonly engine: readonly string[]
  readonly duration: number
  readonly rounds: number
  readonly rate: number
  readonly size: number
  readonly flows: number
  readonly rules?: string
  readonly workers: number
  readonly generator?: 'live' | 'socket'
  readonly steady?: boolean
  readonly search?: boolean
  readonly nodeFlag?: readonly string[]
}

const EXAMPLES = `
Examples:
  uipvs bench wire                                       everybody, about a quarter of an hour
  uipvs bench wire --rounds 1 --duration 1 --no-search   a first look, in less than a minute
  uipvs bench wire --engine af_xdp --opponent ip_forward,c_af_xdp --report /tmp/r
  uipvs bench wire --rules rules.ipvs --flows 4096       your own rules, as ipvsadm-save writes them
  uipvs bench wire --engine af_xdp --opponent none --rate 600000 --steady --duration 60
                                                         is anything lost in a minute?

Needs root: it works in network namespaces of its own, and nothing of it remains.
What the figures mean: docs/benchmarking.md.`

/** Who takes part, and under which rules. */
export function addContestantOptions(command: Command): Command {
  const names = (option: string, what: string, known: readonly string[]) =>
    new Option(`${option} <names>`, what)
      .default(known, known.join(','))
      .argParser((text: string) => choice(option, text, known))
  return command
    .addOption(names('--opponent', 'who else, with commas between; none for nobody', OPPONENTS))
    .addOption(names('--engine', 'engines of uipvs run, with commas; none for none', ENGINES))
    .option('--rules <file>', 'for everybody, in the format of ipvsadm-save; - reads stdin')
    .option('--workers <n>', 'of uipvs run', numberOption('--workers', 1, 64, true), 1)
}

/** Options that `bench all` has too. */
export function addWireOptions(command: Command): Command {
  return addContestantOptions(command)
    .option('--duration <seconds>', 'of a stretch', numberOption('--duration', 0.5, 600), 3)
    .option('--rounds <n>', 'everybody once in each', numberOption('--rounds', 1, 1000, true), 5)
    .option(
      '--rate <pps>',
      'frames a second of the second stretch',
      numberOption('--rate', 1000, 10_000_000, true),
      200_000,
    )
    .option(
      '--size <bytes>',
      'of a frame, without the checksum behind it',
      numberOption('--size', SIZE_MIN, SIZE_MAX, true),
      SIZE_MIN,
    )
    .option(
      '--flows <n>',
      'connections, by source address and port',
      numberOption('--flows', 1, FLOWS_MAX, true),
      256,
    )
}

export function addWireCommand(bench: Command): void {
  const command = bench
    .command('wire')
    .description('frames a second, loss and CPU time between namespaces, beside others')
  addReportOptions(addWireOptions(command))
    .addOption(
      new Option('--generator <kind>', 'the kernel makes frames where it can, or a packet socket')
        .choices(['live', 'socket'])
        .default('live'),
    )
    .option(
      '--steady',
      'the kernel makes those at --rate too, more of them; then only own CPU time holds',
    )
    .option('--no-search', 'do not look for the highest rate without loss')
    .option(
      '--node-flag <flag>',
      "for the director's Node, to profile it; may be repeated",
      (flag: string, all: string[] = []) => [...all, flag],
    )
    .addHelpText('after', EXAMPLES)
    .action((flags: WireFlags) => runBenches(flags, [race(wireOptions(flags))]))
}

/** Who takes part; `wanted`: those of them that were asked for by name. */
export function whoTakesPart(flags: Pick<WireFlags, 'opponent' | 'engine'>) {
  const { opponent, engine } = flags
  return {
    names: [...opponent, ...engine],
    wanted: [...(opponent === OPPONENTS ? [] : opponent), ...(engine === ENGINES ? [] : engine)],
  }
}

/** Options that a command leaves out are as they are by default. */
export function wireOptions(flags: WireFlags): RaceOptions {
  needRoot()
  return {
    ...whoTakesPart(flags),
    rules: readWireRules(flags.rules),
    rounds: flags.rounds,
    seconds: flags.duration,
    warmUpSeconds: Math.min(WARM_UP_SECONDS_MOST, 2 * flags.duration),
    flows: flags.flows,
    bytes: flags.size,
    rate: flags.rate,
    isLive: flags.generator !== 'socket',
    isSteady: flags.steady === true,
    isSearched: flags.search !== false,
    workers: flags.workers,
    nodeFlags: flags.nodeFlag ?? [],
  }
}

export function readWireRules(file: string | undefined): WireRules {
  const text = file === undefined ? DEFAULT_RULES : readFileSync(file === '-' ? 0 : file, 'utf8')
  return fitting(file, () => wireRules(text, readRules(text, placeOf(file))))
}

function placeOf(file: string | undefined): string {
  if (file === undefined) return 'the default'
  return file === '-' ? 'stdin' : file
}

/** What `make` makes of rules that fit; says of others why not. */
export function fitting<T>(file: string | undefined, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof UnfitRules)) throw error
    throw new CliFailure(
      `${error.message}, which can't be measured (${placeOf(file)})`,
      EXIT_FAILED,
      'UDP and TCP services over IPv4 with -g can',
    )
  }
}
