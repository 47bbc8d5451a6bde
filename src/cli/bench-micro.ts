/** `uipvs bench micro` and `uipvs bench connections`. See docs/benchmarking.md. */
import { type Command, Option } from 'commander'
import { CONNECTION_MEASUREMENTS, connections, micro, type Options } from '../bench/micro/index.js'
import { addReportOptions, choice, numberOption, type ReportFlags, runBenches } from './bench.js'
import { CliFailure, EXIT_USAGE } from './failure.js'

const FLOWS_MAX = 1_000_000
const CONNECTIONS_MAX = 33_554_432

export interface MicroFlags extends ReportFlags {
  readonly flows?: readonly number[]
  readonly frames?: number
  readonly rounds?: number
  readonly repeats?: number
  readonly connections?: number
  readonly held?: number
  readonly only?: readonly string[]
  readonly smallPages?: true
  readonly ipv6?: true
}

const DEFAULTS: Options = {
  frames: 4_000_000,
  rounds: 5,
  repeats: 3,
  flows: [256, 100_000, 1_000_000],
  connections: 1_000_000,
  held: 10_000_000,
  hugePages: true,
  ipv6: false,
}

const MICRO_EXAMPLES = `
Examples:
  uipvs bench micro                                   three sizes of table, beside the same in C
  uipvs bench micro --flows 256 --repeats 1           a first look
  uipvs bench micro --small-pages --report /tmp/r

No root needed; the C program needs a compiler, and is left out without one.
What the figures mean: docs/benchmarking.md.`

const CONNECTIONS_EXAMPLES = `
Examples:
  uipvs bench connections                             the tables need about a gigabyte of memory
  uipvs bench connections --held 1000000 --repeats 1  a first look
  uipvs bench connections --only listing --json > listing.json

No root needed. What the figures mean: docs/benchmarking.md.`

export function addMicroCommands(bench: Command): void {
  const microCommand = bench
    .command('micro')
    .description('CPU time of a decision through memory, beside the same path in C')
    .addOption(
      new Option('--flows <n,…>', 'connections, several numbers with commas')
        .argParser(flowsOption)
        .default(DEFAULTS.flows, DEFAULTS.flows.join(',')),
    )
    .option('--ipv6', 'IPv6 connections (without C, which has none)')
  common(microCommand)
    .addHelpText('after', MICRO_EXAMPLES)
    .action((flags: MicroFlags) => runBenches(flags, [micro(microOptions(flags))]))
  const connectionsCommand = bench
    .command('connections')
    .description('new connections a second, a million endings at once, listings, ten million held')
    .option(
      '--connections <n>',
      'that open, end and are listed',
      numberOption('--connections', 10_000, CONNECTIONS_MAX, true),
      DEFAULTS.connections,
    )
    .option(
      '--held <n>',
      'that are held at once',
      numberOption('--held', 200_000, CONNECTIONS_MAX, true),
      DEFAULTS.held,
    )
    .addOption(
      new Option('--only <names>', 'some of them, with commas')
        .argParser((text: string) => {
          const names = choice('--only', text, CONNECTION_MEASUREMENTS)
          if (names.length > 0) return names
          throw new CliFailure('nothing is left to measure (--only)', EXIT_USAGE, 'name one')
        })
        .default(CONNECTION_MEASUREMENTS, CONNECTION_MEASUREMENTS.join(',')),
    )
  common(connectionsCommand)
    .addHelpText('after', CONNECTIONS_EXAMPLES)
    .action((flags: MicroFlags) =>
      runBenches(flags, [connections(microOptions(flags), flags.only)]),
    )
}

function common(command: Command): Command {
  return addReportOptions(
    command
      .option(
        '--frames <n>',
        'of a round',
        numberOption('--frames', 100_000, 1e9, true),
        DEFAULTS.frames,
      )
      .option(
        '--rounds <n>',
        'in each process',
        numberOption('--rounds', 1, 1000, true),
        DEFAULTS.rounds,
      )
      .option(
        '--repeats <n>',
        'processes of each kind, in turns',
        numberOption('--repeats', 1, 1000, true),
        DEFAULTS.repeats,
      )
      .option('--small-pages', 'tables in pages of 4 KiB'),
  )
}

/** Options that a command leaves out are as they are by default. */
export function microOptions(flags: MicroFlags): Options {
  const { frames, rounds, repeats, flows, connections: made, held } = { ...DEFAULTS, ...flags }
  const hugePages = flags.smallPages !== true
  const ipv6 = flags.ipv6 === true
  return { frames, rounds, repeats, flows, connections: made, held, hugePages, ipv6 }
}

function flowsOption(text: string): number[] {
  return text.split(',').map(numberOption('--flows', 1, FLOWS_MAX, true))
}
