/**
 * What `uipvsadm` takes, for completion. Its grammar is ipvsadm's and not commander's, so its own
 * table of options is the source; what a shell shows beside them, and which words may stand as
 * values, is added here.
 */
import { SCHEDULERS } from '../../balance/schedulers/index.js'
import { OPTION_BY_NAME, type Option } from '../ipvsadm/options.js'
import { type CommandModel, NO_VALUE, type OptionModel, type ValueModel } from './model.js'

const SUMMARIES: Readonly<Record<string, string>> = {
  'add-service': 'add a virtual service',
  'edit-service': 'edit a virtual service',
  'delete-service': 'delete a virtual service',
  clear: 'delete all virtual services',
  restore: 'restore rules from standard input',
  save: 'print the rules so that they can be restored',
  'add-server': 'add a realserver to a service',
  'edit-server': 'edit a realserver of a service',
  'delete-server': 'remove a realserver from a service',
  list: 'list the table',
  zero: 'set counters to zero',
  set: 'set the timeouts of tcp, tcpfin and udp',
  'start-daemon': 'start a synchronisation daemon',
  'stop-daemon': 'stop a synchronisation daemon',
  help: 'print help',
  version: 'print the version',
  'tcp-service': 'TCP service, as address:port',
  'udp-service': 'UDP service, as address:port',
  'sctp-service': 'SCTP service, as address:port',
  'fwmark-service': 'service of a firewall mark',
  ipv6: 'the firewall mark is for IPv6',
  scheduler: 'scheduler',
  persistent: 'persistence in seconds',
  netmask: 'persistence granularity',
  pe: 'persistence engine',
  'sched-flags': 'flags of the scheduler',
  ops: 'one-packet scheduling',
  'real-server': 'realserver, as address:port',
  gatewaying: 'Direct Routing (default)',
  ipip: 'tunnelling',
  masquerading: 'masquerading (NAT)',
  'tun-type': 'kind of tunnel',
  'tun-port': "the tunnel's destination port",
  'tun-nocsum': 'tunnel without checksum',
  'tun-csum': 'tunnel with checksum',
  'tun-remcsum': 'tunnel with remote checksum offload',
  weight: 'weight of the realserver',
  'u-threshold': 'upper connection threshold',
  'l-threshold': 'lower connection threshold',
  connection: 'list connections',
  timeout: 'list timeouts',
  daemon: 'list synchronisation daemons',
  stats: 'list counters',
  rate: 'list rates',
  exact: 'print exact numbers',
  thresholds: 'list thresholds',
  'persistent-conn': 'list persistent connections',
  'tun-info': 'list tunnel information',
  nosort: 'do not sort the listing',
  sort: 'sort the listing (as it does anyway)',
  numeric: 'print addresses and ports as numbers',
  syncid: 'identifier of synchronisation',
  'sync-maxlen': 'longest synchronisation message, in bytes',
  'mcast-interface': 'interface of synchronisation',
  'mcast-group': 'multicast group of synchronisation',
  'mcast-port': 'port of synchronisation',
  'mcast-ttl': 'TTL of synchronisation',
  json: 'list as JSON',
}

/** Values that a shell can offer; of the others it knows only that there is one. */
const VALUES: Readonly<Record<string, ValueModel>> = {
  scheduler: words(...SCHEDULERS.keys()),
  pe: words('sip'),
  'tun-type': words('ipip', 'gue', 'gre'),
  'start-daemon': words('master', 'backup'),
  'stop-daemon': words('master', 'backup'),
  'mcast-interface': { kind: 'interface', choices: [] },
  'tcp-service': { kind: 'service', choices: ['-t'] },
  'udp-service': { kind: 'service', choices: ['-u'] },
  'sctp-service': { kind: 'service', choices: ['--sctp-service'] },
  'fwmark-service': { kind: 'service', choices: ['-f'] },
  'real-server': { kind: 'realserver', choices: [] },
}

/** Ours, not ipvsadm's, and only as the first option; it is read before the grammar's own. */
const CONTROL: OptionModel = {
  names: ['--control'],
  summary: 'the control socket of the director',
  value: { kind: 'file', choices: [] },
  valueOptional: false,
}

function words(...choices: string[]): ValueModel {
  return { kind: 'words', choices }
}

function optionModel(option: Option): OptionModel {
  const { long, short, value } = option
  return {
    names: [...[...short].map((letter) => `-${letter}`), `--${long}`],
    summary: SUMMARIES[long] ?? '',
    value: value === 'none' ? NO_VALUE : (VALUES[long] ?? { kind: 'any', choices: [] }),
    valueOptional: value === 'optional',
  }
}

export const UIPVSADM: CommandModel = {
  name: 'uipvsadm',
  summary: 'administer the virtual services of the director',
  options: [CONTROL, ...[...OPTION_BY_NAME.values()].map(optionModel)],
  operands: [],
  repeats: false,
  commands: [],
}
