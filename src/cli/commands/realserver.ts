/** `uipvs realserver up|down|check`: run on a realserver. */
import { isIP } from 'node:net'
import type { Command } from 'commander'
import { printFindings } from '../../doctor/print.js'
import { paintFor } from '../../lab/paint.js'
import { carryOut, observe, recall } from '../../realserver/machine.js'
import { checkRealserver, lineOf, type Plan, planDown, planUp } from '../../realserver/plan.js'
import { CliFailure, EXIT_FAILED, EXIT_USAGE } from '../failure.js'

interface Flags {
  readonly vip: string
  readonly persist?: true
  readonly json?: true
  readonly dryRun?: true
}

const EXAMPLES = `
Examples:
  uipvs realserver up --vip 192.168.1.110             VIP on lo, and no ARP for it
  uipvs realserver up --vip 192.168.1.110 --persist   also after the next boot (the sysctls)
  uipvs realserver up --vip 192.168.1.110 --dry-run   only print the commands
  uipvs realserver up --vip 2001:db8:1::110           IPv6: the address is all it takes
  uipvs realserver check --vip 192.168.1.110          what is wrong, and the line that mends it
  uipvs realserver down --vip 192.168.1.110           undo; old values come back
`

export function register(program: Command): void {
  const realserver = program
    .command('realserver')
    .description('prepare this machine to serve a VIP in Direct Routing, undo it, or check it')
    .addHelpText('after', EXAMPLES)
  const add = (name: string, description: string) =>
    realserver
      .command(name)
      .description(description)
      .requiredOption('--vip <address>', 'the virtual IP, IPv4 or IPv6', addressOf)
      .option('--json', 'print what was done or found as JSON')
      .addHelpText('after', EXAMPLES)
  add('up', 'put the VIP on lo and keep it secret; does nothing twice')
    .option('--persist', 'write the sysctls to /etc/sysctl.d as well')
    .option('--dry-run', 'print the commands, run none')
    .action((flags: Flags) => {
      const plan = planUp(flags.vip, observe(), recall(), flags.persist === true)
      change(plan, flags)
      if (flags.persist === true && flags.json !== true) {
        process.stderr.write(
          'uipvs: the sysctls outlive a reboot now; the address needs your network configuration\n',
        )
      }
    })
  add('down', 'take the VIP off lo and put the old sysctl values back')
    .option('--dry-run', 'print the commands, run none')
    .action((flags: Flags) => change(planDown(flags.vip, observe(), recall()), flags))
  add('check', 'say what is wrong and how to mend it; exit status 1 if anything is').action(
    (flags: Flags) => {
      const findings = checkRealserver(flags.vip, observe())
      process.exitCode = printFindings(findings, flags.json === true, paintFor(process.stdout))
    },
  )
}

/** As the kernel writes it, so that it compares equal with what `ip` says. */
export function addressOf(text: string): string {
  const isAddress = isIP(text) !== 0 && !text.includes('%')
  const address = isIP(text) === 6 && isAddress ? canonical6(text) : text
  if (isAddress && !NO_VIP.test(address)) return address
  const what = isAddress ? 'can be no VIP' : 'is no IP address'
  throw new CliFailure(`"${text}" ${what} (--vip)`, EXIT_USAGE, 'give one like 192.168.1.110')
}

function canonical6(text: string): string {
  return new URL(`http://[${text}]/`).hostname.slice(1, -1)
}

/** This network, loopback, multicast and what lies behind it: addresses of no one host. */
const NO_VIP = /^(0|127|22[4-9]|2[3-5]\d)\.|^::1?$|^ff/

function change(plan: Plan, flags: Flags): void {
  const lines = plan.actions.map(lineOf)
  if (flags.dryRun !== true) {
    try {
      carryOut(plan)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      const denied = code === 'EACCES' || code === 'EPERM' || /not permitted/.test(message)
      const [what] = message.split('; ')
      throw new CliFailure(what!, EXIT_FAILED, denied ? 'run it as root' : undefined)
    }
  }
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify({ changed: flags.dryRun !== true, commands: lines })}\n`)
  } else {
    process.stdout.write(lines.length === 0 ? 'nothing to do\n' : `${lines.join('\n')}\n`)
  }
}
