/**
 * ipvsadm's grammar as tables: which options there are, which command takes which, and in which
 * order objections are raised. `scan.ts` and `judge.ts` read them.
 *
 * This grammar is written by hand, and the program imports neither commander nor zod: byte identity
 * with ipvsadm 1.31 is the contract, down to which of two mistakes is reported, and every import
 * costs a start that has 150 ms in all.
 */

/** Commands, by the names that messages use. */
export type CommandName =
  | 'add-service'
  | 'edit-service'
  | 'delete-service'
  | 'flush'
  | 'add-server'
  | 'edit-server'
  | 'delete-server'
  | 'list'
  | 'zero'
  | 'restore'
  | 'save'
  | 'set'
  | 'start-daemon'
  | 'stop-daemon'
  | 'help'
  | 'version'

/**
 * What can be given once, by the names that messages use, in the order in which the table below is
 * gone through: of several objections the first by this order is the one reported.
 */
export const TRAITS = [
  'numeric',
  'connection',
  'service-address',
  'scheduler',
  'persistent',
  'netmask',
  'real-server',
  'forwarding-method',
  'weight',
  'u-threshold',
  'l-threshold',
  'mcast-interface',
  'timeout',
  'daemon',
  'stats',
  'rate',
  'thresholds',
  'persistent-conn',
  'nosort',
  'syncid',
  'exact',
  'ops',
  'pe',
  'sched-flags',
  'mcast-group',
  'mcast-port',
  'mcast-ttl',
  'sync-maxlen',
  'tun-info',
  'tun-type',
  'tun-port',
  'tun-nocsum',
  'tun-csum',
  'tun-remcsum',
  'json', // not ipvsadm's: a listing as JSON
] as const

export type Trait = (typeof TRAITS)[number]

export interface Option {
  readonly long: string
  /** Letters that mean the same. */
  readonly short: string
  readonly value: 'none' | 'needed' | 'optional'
  /** Set for a command. */
  readonly command?: CommandName
  /** What it sets; options without one may be repeated. */
  readonly trait?: Trait
}

function command(
  short: string,
  long: string,
  name: CommandName,
  value: Option['value'] = 'none',
): Option {
  return { long, short, value, command: name }
}

function option(short: string, long: string, value: Option['value'], trait?: Trait): Option {
  return trait === undefined ? { long, short, value } : { long, short, value, trait }
}

const OPTIONS: readonly Option[] = [
  command('A', 'add-service', 'add-service'),
  command('E', 'edit-service', 'edit-service'),
  command('D', 'delete-service', 'delete-service'),
  command('C', 'clear', 'flush'),
  command('a', 'add-server', 'add-server'),
  command('e', 'edit-server', 'edit-server'),
  command('d', 'delete-server', 'delete-server'),
  command('Ll', 'list', 'list'),
  command('Z', 'zero', 'zero'),
  command('R', 'restore', 'restore'),
  command('S', 'save', 'save'),
  command('', 'set', 'set'),
  command('', 'start-daemon', 'start-daemon', 'needed'),
  command('', 'stop-daemon', 'stop-daemon', 'needed'),
  command('h', 'help', 'help'),
  command('v', 'version', 'version'),

  option('t', 'tcp-service', 'needed', 'service-address'),
  option('u', 'udp-service', 'needed', 'service-address'),
  option('', 'sctp-service', 'needed', 'service-address'),
  option('f', 'fwmark-service', 'needed', 'service-address'),
  option('6', 'ipv6', 'none'),
  option('s', 'scheduler', 'needed', 'scheduler'),
  option('p', 'persistent', 'optional', 'persistent'),
  option('M', 'netmask', 'needed', 'netmask'),
  option('', 'pe', 'needed', 'pe'),
  option('b', 'sched-flags', 'needed', 'sched-flags'),
  option('o', 'ops', 'none', 'ops'),
  option('r', 'real-server', 'needed', 'real-server'),
  option('g', 'gatewaying', 'none', 'forwarding-method'),
  option('i', 'ipip', 'none', 'forwarding-method'),
  option('m', 'masquerading', 'none', 'forwarding-method'),
  option('', 'tun-type', 'needed', 'tun-type'),
  option('', 'tun-port', 'needed', 'tun-port'),
  option('', 'tun-nocsum', 'none', 'tun-nocsum'),
  option('', 'tun-csum', 'none', 'tun-csum'),
  option('', 'tun-remcsum', 'none', 'tun-remcsum'),
  option('w', 'weight', 'needed', 'weight'),
  option('x', 'u-threshold', 'needed', 'u-threshold'),
  option('y', 'l-threshold', 'needed', 'l-threshold'),
  option('n', 'numeric', 'none', 'numeric'),
  option('c', 'connection', 'none', 'connection'),
  option('', 'timeout', 'none', 'timeout'),
  option('', 'daemon', 'none', 'daemon'),
  option('', 'stats', 'none', 'stats'),
  option('', 'rate', 'none', 'rate'),
  option('', 'thresholds', 'none', 'thresholds'),
  option('', 'persistent-conn', 'none', 'persistent-conn'),
  option('', 'tun-info', 'none', 'tun-info'),
  option('X', 'exact', 'none', 'exact'),
  option('', 'nosort', 'none', 'nosort'),
  option('', 'sort', 'none'),
  option('', 'syncid', 'needed', 'syncid'),
  option('', 'sync-maxlen', 'needed', 'sync-maxlen'),
  option('', 'mcast-interface', 'needed', 'mcast-interface'),
  option('', 'mcast-group', 'needed', 'mcast-group'),
  option('', 'mcast-port', 'needed', 'mcast-port'),
  option('', 'mcast-ttl', 'needed', 'mcast-ttl'),
  option('', 'json', 'none', 'json'),
]

export const OPTION_BY_NAME: ReadonlyMap<string, Option> = new Map(
  OPTIONS.map((each) => [each.long, each]),
)

export const OPTION_BY_LETTER: ReadonlyMap<string, Option> = new Map(
  OPTIONS.flatMap((each) => [...each.short].map((letter) => [letter, each] as const)),
)

/** What a command must have, what it may have, and which of these exclude each other. */
interface Terms {
  readonly must: readonly Trait[]
  readonly may: readonly Trait[]
  readonly oneOf: readonly Trait[]
}

function terms(must: Trait[], may: Trait[] = [], oneOf: Trait[] = []): Terms {
  return { must, may, oneOf }
}

const SERVICE: Trait[] = ['scheduler', 'persistent', 'netmask', 'ops', 'pe', 'sched-flags']
const TUNNEL: Trait[] = ['tun-type', 'tun-port', 'tun-nocsum', 'tun-csum', 'tun-remcsum']
const SERVER: Trait[] = ['forwarding-method', 'weight', 'u-threshold', 'l-threshold', ...TUNNEL]
const VIEWS: Trait[] = ['stats', 'rate', 'thresholds', 'persistent-conn', 'tun-info']
const MCAST: Trait[] = ['mcast-interface', 'mcast-group', 'mcast-port', 'mcast-ttl']

export const TERMS: Readonly<Record<Exclude<CommandName, 'help' | 'version'>, Terms>> = {
  'add-service': terms(['service-address'], SERVICE),
  'edit-service': terms(['service-address'], SERVICE),
  'delete-service': terms(['service-address']),
  flush: terms([]),
  'add-server': terms(['service-address', 'real-server'], SERVER),
  'edit-server': terms(['service-address', 'real-server'], SERVER),
  'delete-server': terms(['service-address', 'real-server']),
  list: terms(
    [],
    ['numeric', ...VIEWS, 'nosort', 'exact', 'syncid', 'json'],
    ['connection', 'service-address', 'timeout', 'daemon'],
  ),
  zero: terms([], ['service-address']),
  restore: terms([]),
  save: terms([], ['numeric']),
  set: terms([]),
  'start-daemon': terms([], ['syncid', 'sync-maxlen', ...MCAST]),
  'stop-daemon': terms([], ['syncid']),
}

/** The same for tunnel types, which are judged on their own (see ipvsadm(8), "tun-type"). */
export const TUNNEL_TERMS: Readonly<Record<'ipip' | 'gue' | 'gre', Terms>> = {
  ipip: terms([]),
  gue: terms(['tun-port'], [], ['tun-nocsum', 'tun-csum', 'tun-remcsum']),
  gre: terms([], [], ['tun-nocsum', 'tun-csum']),
}

/** The traits of a tunnel in the order in which they are judged, all but its type. */
export const TUNNEL_TRAITS: readonly Trait[] = TUNNEL.slice(1)
export const ALL_TUNNEL_TRAITS: readonly Trait[] = TUNNEL
