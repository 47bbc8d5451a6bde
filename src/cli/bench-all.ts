/** `uipvs bench all`: one report of everything. See docs/benchmarking.md. */
import type { Command } from 'commander'
import { type LatencyOptions, latency } from '../bench/latency.js'
import { connections, micro } from '../bench/micro/index.js'
import { FLOWS_MOST, FRAME_BYTES_MIN } from '../bench/stamped-sender.js'
import { type RaceOptions, race } from '../bench/wire/race.js'
import { addReportOptions, runBenches } from './bench.js'
import { IDLE_SECONDS } from './bench-latency.js'
import { microOptions } from './bench-micro.js'
import { addWireOptions, type WireFlags, wireOptions } from './bench-wire.js'

const EXAMPLES = `
Examples:
  uipvs bench all --report /tmp/r                everything; it says how long it will take
  uipvs bench all --rounds 1 --duration 1        a first look

The options are those of 'uipvs bench wire'. Without a UDP service latency is left out.
Needs root.
What the figures mean: docs/benchmarking.md.`

export function addAllCommand(bench: Command): void {
  const command = bench
    .command('all')
    .description('wire, latency, micro and connections, in one report')
  addReportOptions(addWireOptions(command))
    .addHelpText('after', EXAMPLES)
    .action((flags: WireFlags) => {
      const options = microOptions({ rounds: flags.rounds, repeats: Math.min(3, flags.rounds) })
      const wire = wireOptions(flags)
      const hasUdp = wire.rules.targets.some(({ protocol }) => protocol === 'udp')
      return runBenches(flags, [
        race(wire),
        ...(hasUdp ? [latency(latencyOptions(wire))] : []),
        micro(options),
        connections(options),
      ])
    })
}

function latencyOptions(wire: RaceOptions): LatencyOptions {
  const flows = Math.min(wire.flows, FLOWS_MOST)
  return { ...wire, flows, bytes: Math.max(wire.bytes, FRAME_BYTES_MIN), idleSeconds: IDLE_SECONDS }
}
