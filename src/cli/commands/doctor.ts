/** `uipvs doctor`: what breaks Direct Routing here, and the line that mends it. */
import { type Command, Option } from 'commander'
import { controlPath } from '../../control/client.js'
import { examineDirector } from '../../doctor/doctor.js'
import { printFindings } from '../../doctor/print.js'
import { examineRealserver } from '../../doctor/realserver.js'
import { paintFor } from '../../lab/paint.js'
import { CliFailure, EXIT_USAGE } from '../failure.js'
import { addressOf } from './realserver.js'

interface Flags {
  readonly interface: string[]
  readonly vip: string[]
  readonly realserver?: true
  readonly engine: string
  readonly control?: string
  readonly json?: true
}

const EXAMPLES = `
Examples:
  uipvs doctor -i eth0                            on a director, with its realservers
  uipvs doctor -i eth0 --vip 192.168.1.110        before there are rules, or from another host
  uipvs doctor --realserver --vip 192.168.1.110   on a realserver
  uipvs doctor -i eth0 --json                     for a program

Exit status: 0 if nothing is wrong, 1 if there is a problem, 2 for a wrong command line.
`

export function register(program: Command): void {
  const collect = (value: string, before: string[]) => [...before, value]
  program
    .command('doctor')
    .description('find what breaks Direct Routing, and print the line that mends it')
    .option('-i, --interface <name>', 'an interface on the segment; may be repeated', collect, [])
    .option(
      '--vip <address>',
      'a virtual IP; may be repeated; by default those of the running director',
      (value: string, before: string[]) => [...before, addressOf(value)],
      [],
    )
    .option('--realserver', 'this machine is a realserver')
    .addOption(
      new Option('--engine <engine>', 'the engine that the director uses or shall use')
        .choices(['auto', 'af_xdp', 'af_packet', 'libpcap'])
        .default('auto'),
    )
    .option('--control <path>', "the director's control socket")
    .option('--json', 'print the findings as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: Flags) => {
      const findings = await examine(flags)
      process.exitCode = printFindings(findings, flags.json === true, paintFor(process.stdout))
    })
}

function examine(flags: Flags) {
  if (flags.realserver === true) {
    if (flags.vip.length === 0) {
      throw new CliFailure('no VIP was named', EXIT_USAGE, 'add --vip 192.168.1.110')
    }
    return examineRealserver(flags.vip, flags.interface[0])
  }
  return examineDirector({
    interfaces: flags.interface,
    vips: flags.vip,
    engine: flags.engine,
    controlPath: flags.control ?? controlPath(process.env),
  })
}
