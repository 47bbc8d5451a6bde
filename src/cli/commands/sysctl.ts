/** `uipvs sysctl`: what Linux has under `net.ipv4.vs`, as settings of the running director. */
import type { Command } from 'commander'
import type { Rule } from '../../balance/rule.js'
import type { SysctlValues } from '../../control/listing.js'
import { CliFailure, EXIT_FAILED, EXIT_USAGE } from '../failure.js'
import { withDirector } from '../running-director.js'

interface Flags {
  readonly control?: string
  readonly json?: true
}

const PREFIX = /^net[./]ipv4[./]vs[./]/

const EXAMPLES = `
Examples:
  uipvs sysctl                               all of them
  uipvs sysctl conn_reuse_mode
  uipvs sysctl expire_nodest_conn=1 sloppy_tcp=1
  uipvs sysctl net.ipv4.vs.sloppy_tcp=0      the name as sysctl(8) writes it
  uipvs sysctl --json

They are those of the running director, not of the kernel, and last as long as it does. Those of
Linux's that mean nothing here (of masquerading, tunnels, synchronisation) are listed too, and can
only be what they are. drop_entry, drop_packet and secure_tcp at 1 are on while memory is low, and
then read 2: docs/defence.md.
`

export function register(program: Command): void {
  program
    .command('sysctl')
    .description("show or set the director's settings, which have Linux's names and defaults")
    .argument('[name[=value]...]', 'a setting, or what it shall be')
    .option('--control <path>', "the director's control socket")
    .option('--json', 'print them as JSON')
    .addHelpText('after', EXAMPLES)
    .action((words: string[], flags: Flags) => sysctl(words, flags))
}

/** Sets what has a value, all or nothing; then shows what was named, or everything. */
async function sysctl(words: readonly string[], flags: Flags): Promise<void> {
  const wanted = words.map(wordOf)
  const changes = wanted.flatMap(({ name, value }): Rule[] =>
    value === undefined ? [] : [{ op: 'set-sysctl', name, value }],
  )
  const all = await withDirector(flags.control, async (client) => {
    const before = await client.sysctls()
    // A name that is not there is told before anything is set.
    for (const { name, value } of wanted) if (value === undefined) settingOf(before, name)
    if (changes.length === 0) return before
    await client.rules(changes, { atomic: true })
    return client.sysctls()
  })
  const names = words.length === 0 ? Object.keys(all) : wanted.map(({ name }) => name)
  const pairs = names.map((name) => [name, settingOf(all, name)] as const)
  process.stdout.write(
    flags.json === true
      ? `${JSON.stringify(Object.fromEntries(pairs), null, 2)}\n`
      : pairs.map(([name, value]) => `${name} = ${value}\n`).join(''),
  )
}

function settingOf(all: SysctlValues, name: string): number | string {
  const value = Object.hasOwn(all, name) ? all[name] : undefined
  if (value !== undefined) return value
  const what = `there is no setting called ${name}`
  throw new CliFailure(what, EXIT_FAILED, 'uipvs sysctl lists them')
}

function wordOf(word: string): { name: string; value: string | undefined } {
  const [name = '', value, ...more] = word.replace(PREFIX, '').split('=')
  if (!/^[a-z_]+$/.test(name) || more.length > 0) {
    throw new CliFailure(`"${word}" is no setting`, EXIT_USAGE, 'give NAME or NAME=VALUE')
  }
  return { name, value }
}
