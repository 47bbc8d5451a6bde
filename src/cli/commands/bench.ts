/** `uipvs bench`: measurements that anybody can repeat. Each subcommand has a file of its own. */
import type { Command } from 'commander'
import { addAllCommand } from '../bench-all.js'
import { addDirectorOptions, direct } from '../bench-director.js'
import { addHostCommands } from '../bench-hosts.js'
import { addLatencyCommand } from '../bench-latency.js'
import { addMicroCommands } from '../bench-micro.js'
import { addWireCommand } from '../bench-wire.js'

const EXAMPLES = `
Examples:
  uipvs bench all --report /tmp/r                       everything, with plots
  uipvs bench wire                                      on this machine, beside others
  uipvs bench latency                                   how long frames are under way
  uipvs bench micro                                     our own code alone, beside C
  uipvs bench --director uipvs -i eth0 --rules r.ipvs   on the director of two machines
  uipvs bench receive -i eth2                           first, on the generator host
  uipvs bench send -i eth1 --to 192.168.1.110:9         then, through the director between

What is measured and what it means: docs/benchmarking.md.
`

export function register(program: Command): void {
  const bench = program
    .command('bench')
    .description('measure what a director forwards, loses and costs')
    .addHelpText('after', EXAMPLES)
    // Options behind a subcommand are the subcommand's.
    .enablePositionalOptions()
    .allowExcessArguments()
    .action(direct)
  addDirectorOptions(bench)
  addWireCommand(bench)
  addLatencyCommand(bench)
  addMicroCommands(bench)
  addAllCommand(bench)
  addHostCommands(bench)
}
