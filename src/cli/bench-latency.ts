/** `uipvs bench latency`. See docs/benchmarking.md. */
import type { Command } from 'commander'
import { latency } from '../bench/latency.js'
import { FRAME_BYTES_MIN } from '../bench/stamped-sender.js'
import { addReportOptions, numberOption, runBenches } from './bench.js'
import {
  addContestantOptions,
  fitting,
  readWireRules,
  type WireFlags,
  whoTakesPart,
} from './bench-wire.js'

export const IDLE_SECONDS = 10

const EXAMPLES = `
Examples:
  uipvs bench latency                                     everybody, some five minutes
  uipvs bench latency --rounds 1 --duration 2 --opponent ip_forward --engine af_xdp
  uipvs bench latency --rate 250000 --report /tmp/r       half of what 'bench wire' found, say

Needs root: it works in network namespaces of its own, and nothing of it remains.
What the figures mean: docs/benchmarking.md.`

type LatencyFlags = Pick<
  WireFlags,
  'opponent' | 'engine' | 'duration' | 'rounds' | 'rate' | 'size' | 'flows' | 'rules' | 'workers'
> &
  Pick<WireFlags, 'json' | 'report'> & { readonly idle: number }

export function addLatencyCommand(bench: Command): void {
  const command = bench
    .command('latency')
    .description('how long a frame is under way at a rate, beside others')
  addReportOptions(addContestantOptions(command))
    .option('--duration <seconds>', 'of a run', numberOption('--duration', 0.5, 600), 5)
    .option('--rounds <n>', 'everybody once in each', numberOption('--rounds', 1, 1000, true), 3)
    .option('--rate <pps>', 'frames a second', numberOption('--rate', 10, 10_000_000, true), 50_000)
    .option(
      '--size <bytes>',
      'of a frame, without the checksum behind it',
      numberOption('--size', FRAME_BYTES_MIN, 1514, true),
      FRAME_BYTES_MIN,
    )
    .option('--flows <n>', 'source ports in turn', numberOption('--flows', 1, 50_000, true), 256)
    .option(
      '--idle <seconds>',
      'look for so long what each costs while nothing comes; 0: not',
      numberOption('--idle', 0, 600),
      IDLE_SECONDS,
    )
    .addHelpText('after', EXAMPLES)
    .action((flags: LatencyFlags) => {
      const rules = readWireRules(flags.rules)
      const { rounds, duration: seconds, flows, size: bytes, rate, workers } = flags
      const options = {
        ...{ ...whoTakesPart(flags), rules, rounds, seconds, flows, bytes, rate, workers },
        idleSeconds: flags.idle,
      }
      return runBenches(flags, [fitting(flags.rules, () => latency(options))])
    })
}
