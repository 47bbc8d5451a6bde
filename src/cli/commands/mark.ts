/** `uipvs mark`: the director's own mark rules, for services by firewall mark. */
import type { Command } from 'commander'
import { markText } from '../../balance/mark-rules.js'
import type { MarkProtocol, MarkRule } from '../../balance/rule.js'
import { CliFailure, EXIT_USAGE } from '../failure.js'
import { withDirector } from '../running-director.js'

interface Flags {
  readonly proto?: string
  readonly src?: string
  readonly dst?: string
  readonly dport?: string
  readonly all?: true
  readonly control?: string
  readonly json?: true
}

const PROTOCOLS: readonly MarkProtocol[] = ['tcp', 'udp', 'sctp', 'icmp', 'icmpv6']
const MARK_MAX = 0xffff_ffff

const EXAMPLES = `
Examples:
  uipvs mark add 1 --proto tcp --dst 192.168.1.110 --dport 80
  uipvs mark add 1 --proto tcp --dst 192.168.1.110 --dport 443      both are one service now:
  uipvsadm -A -f 1 -s rr -p 300                                     persistent over both ports
  uipvs mark add 2 --proto udp --dst 192.168.1.110 --dport 5060:5069
  uipvs mark add 3 --src 10.0.0.0/8 --dst 192.168.1.110             by where clients come from
  uipvs mark list
  uipvs mark del 1 --proto tcp --dst 192.168.1.110 --dport 80       with the words of mark add
  uipvs mark del --all

Of the rules that apply to a packet the last one that was added decides; mark 0 takes a mark away.
Frames reach the director before netfilter, so marks of iptables and nft mean nothing to it.
An address that a rule names with --dst is a virtual IP as soon as its mark has a service.
`

export function register(program: Command): void {
  const mark = program
    .command('mark')
    .description('give packets a firewall mark, for services by mark (uipvsadm -A -f MARK)')
    .addHelpText('after', EXAMPLES)
  const add = (name: string, description: string) =>
    mark
      .command(name)
      .description(description)
      .option('--control <path>', "the director's control socket")
      .option('--json', 'print the rules that there are then as JSON')
      .addHelpText('after', EXAMPLES)
  const rule = (command: Command) =>
    command
      .option('--proto <protocol>', 'tcp, udp, sctp, icmp or icmpv6; any if left out')
      .option('--src <prefix>', 'where it comes from: an address, or a prefix such as 10.0.0.0/8')
      .option('--dst <prefix>', 'where it goes to')
      .option('--dport <ports>', 'destination port, or a range such as 80:89')
  rule(
    add('add', 'a rule more, behind those that there are').argument('<mark>', 'the mark'),
  ).action((mark: string, flags: Flags) => change('add-mark', mark, flags))
  rule(add('del', 'take a rule away').argument('[mark]', 'the mark'))
    .option('--all', 'take all rules away')
    .action((mark: string | undefined, flags: Flags) => remove(mark, flags))
  add('list', 'the rules, in order').action((flags: Flags) =>
    withDirector(flags.control, async (client) => print(await client.marks(), flags)),
  )
}

async function change(op: 'add-mark' | 'delete-mark', mark: string, flags: Flags): Promise<void> {
  const rule = ruleOf(mark, flags)
  await withDirector(flags.control, async (client) => {
    await client.rules([{ op, rule }], { atomic: true })
    if (flags.json === true) print(await client.marks(), flags)
  })
}

async function remove(mark: string | undefined, flags: Flags): Promise<void> {
  const { proto, src, dst, dport } = flags
  if (flags.all !== true) {
    if (mark === undefined) throw usage('which rule?', 'say it as mark add did, or --all')
    return change('delete-mark', mark, flags)
  }
  if ([mark, proto, src, dst, dport].some((word) => word !== undefined)) {
    throw usage('--all takes every rule away', 'say which rule, or --all alone')
  }
  await withDirector(flags.control, async (client) => {
    await client.rules([{ op: 'flush-marks' }], { atomic: true })
    if (flags.json === true) print(await client.marks(), flags)
  })
}

function print(rules: readonly MarkRule[], flags: Flags): void {
  const text =
    flags.json === true
      ? `${JSON.stringify({ marks: rules }, null, 2)}\n`
      : rules.map((rule) => `${markText(rule)}\n`).join('')
  process.stdout.write(text)
}

function ruleOf(mark: string, { proto, src, dst, dport }: Flags): MarkRule {
  const protocol = PROTOCOLS.find((each) => each === proto)
  if (proto !== undefined && protocol === undefined) {
    throw usage(`"${proto}" is no protocol (--proto)`, `give one of ${PROTOCOLS.join(', ')}`)
  }
  return {
    mark: numberOf(mark),
    ...(protocol !== undefined && { protocol }),
    ...(src !== undefined && { source: src }),
    ...(dst !== undefined && { destination: dst }),
    ...(dport !== undefined && { ports: portsOf(dport) }),
  }
}

/** Decimal or, as with iptables, hexadecimal. */
function numberOf(text: string): number {
  const value = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : -1
  if (value < 0 || value > MARK_MAX) {
    throw usage(`"${text}" is no firewall mark`, `give a number from 0 to ${MARK_MAX}`)
  }
  return value
}

function portsOf(text: string): readonly [number, number] {
  const found = /^(\d{1,5})(?:[:-](\d{1,5}))?$/.exec(text)
  const low = Number(found?.[1] ?? -1)
  const high = Number(found?.[2] ?? low)
  if (low < 0 || high > 65_535 || low > high) {
    throw usage(`"${text}" are no ports (--dport)`, 'give a port, or a range such as 80:89')
  }
  return [low, high]
}

function usage(what: string, hint: string): CliFailure {
  return new CliFailure(what, EXIT_USAGE, hint)
}
