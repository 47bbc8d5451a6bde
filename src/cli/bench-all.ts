/** `uipvs bench all`: one report of everything. See docs/benchmarking.md. */
import type { Command } from 'commander'
import { connections, micro } from '../bench/micro/index.js'
import { race } from '../bench/wire/race.js'
import { addReportOptions, runBenches } from './bench.js'
import { microOptions } from './bench-micro.js'
import { addWireOptions, type WireFlags, wireOptions } from './bench-wire.js'

const EXAMPLES = `
Examples:
  uipvs bench all --report /tmp/r                everything, in about half an hour
  uipvs bench all --rounds 1 --duration 1        a first look

The options are those of 'uipvs bench wire'. Needs root.
What the figures mean: docs/benchmarking.md.`

export function addAllCommand(bench: Command): void {
  const command = bench.command('all').description('wire, micro and connections, in one report')
  addReportOptions(addWireOptions(command))
    .addHelpText('after', EXAMPLES)
    .action((flags: WireFlags) => {
      const options = microOptions({ rounds: flags.rounds, repeats: Math.min(3, flags.rounds) })
      return runBenches(flags, [race(wireOptions(flags)), micro(options), connections(options)])
    })
}
