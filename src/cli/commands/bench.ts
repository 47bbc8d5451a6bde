/** `uipvs bench`: measurements that anybody can repeat. */
import type { Command } from 'commander'
import { addHostCommands } from '../bench-hosts.js'

const EXAMPLES = `
Examples:
  uipvs bench receive -i eth2                           first, on the generator host
  uipvs bench send -i eth1 --to 192.168.1.110:9         then, through the director between
`

export function register(program: Command): void {
  const bench = program
    .command('bench')
    .description('measure what a director forwards, loses and costs')
    .addHelpText('after', EXAMPLES)
  addHostCommands(bench)
}
