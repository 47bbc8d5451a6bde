/**
 * A command line as a value: `parse(['ipvsadm', '-A', …]) -> Command`, or why it is refused. Pure:
 * nothing is asked of the director. The steps stand in ipvsadm's own order, which decides what is
 * reported of a line with several mistakes; the first objection ends it.
 */
import type { Rule, ServiceKey, SyncDaemon } from '../../balance/rule.js'
import { addDestination, addService, destinationKey, serviceKey } from './build.js'
import { Draft, READ, readPersistent, type View } from './draft.js'
import { judgeList, judgeOptions, judgeServer, judgeService } from './judge.js'
import { badOption, badUsage, type CommandError, CommandFault, tryHelp } from './messages.js'
import type { Names } from './names.js'
import type { CommandName, Option } from './options.js'
import { Scanner } from './scan.js'
import { readSchedulerFlags, readTimeout } from './values.js'

export interface ListRequest {
  readonly kind: 'list'
  readonly of: 'services' | 'connections' | 'timeouts' | 'daemons'
  /** One service instead of all. */
  readonly service: ServiceKey | null
  readonly view: View
  readonly numeric: boolean
  readonly exact: boolean
  readonly sorted: boolean
  /** With the columns of the persistence engine; of connections. */
  readonly engines: boolean
  readonly json: boolean
}

export type Command =
  | { readonly kind: 'rule'; readonly rule: Rule }
  | ListRequest
  | { readonly kind: 'save'; readonly numeric: boolean }
  | { readonly kind: 'restore' }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }

/**
 * @param argv with the program's name, as it was called, as the first.
 * @throws HostWanted if the line has a host name that must be asked for; ask, then parse again.
 */
export function parse(argv: readonly string[], names: Names): Command | CommandError {
  try {
    return argv.length <= 1 ? listRequest(new Draft()) : parseArguments(argv, names)
  } catch (fault) {
    if (fault instanceof CommandFault) return fault.value
    throw fault
  }
}

function parseArguments(argv: readonly string[], names: Names): Command {
  const scanner = new Scanner(argv)
  const first = scanner.next()
  if (first === null || typeof first === 'string' || first.option.command === undefined) {
    throw tryHelp(argv[0]!)
  }
  const command = first.option.command
  if (command === 'help' || command === 'version') return { kind: command }
  const role = syncRole(command, first.value)

  const draft = readOptions(scanner, names)
  const times = command === 'set' ? readTimes(scanner.words.splice(0, 3)) : []
  if (scanner.words.length > 0) throw badUsage(`unexpected argument ${scanner.words[0]}`)
  const flags = readSchedulerFlags(draft.schedulerFlags, draft.scheduler || 'wlc')
  judgeOptions(draft, command)
  return build(command, draft, { role, times, flags })
}

/** A daemon's role is judged as soon as it is read, before anything that follows. */
function syncRole(command: CommandName, value: string | null): SyncDaemon['role'] | null {
  if (command !== 'start-daemon' && command !== 'stop-daemon') return null
  if (value === 'master' || value === 'backup') return value
  const isStart = command === 'start-daemon'
  throw badUsage(
    isStart ? 'illegal start-daemon parameter specified' : 'illegal start_daemon specified',
  )
}

function readOptions(scanner: Scanner, names: Names): Draft {
  const draft = new Draft()
  for (;;) {
    const given = scanner.next()
    if (given === null) return draft
    if (typeof given === 'string') throw badOption(scanner.lastArgument, given)
    const { option, value } = given
    if (option.command !== undefined) throw badUsage(`invalid option \`${scanner.lastArgument}'`)
    noteGiven(draft, option)
    if (option.long === 'persistent') readPersistent(draft, value)
    else READ[option.long]?.(draft, value ?? '', names)
  }
}

function noteGiven(draft: Draft, { trait }: Option): void {
  if (trait === undefined) return
  if (draft.has(trait)) throw badUsage(`multiple '${trait}' options specified`)
  draft.given.add(trait)
}

function readTimes(words: readonly string[]): number[] {
  if (words.length < 3) throw badUsage('--set option requires 3 timeout values')
  return words.map((word) => readTimeout(word, 0))
}

interface Extra {
  readonly role: SyncDaemon['role'] | null
  readonly times: readonly number[]
  readonly flags: number
}

function build(
  command: Exclude<CommandName, 'help' | 'version'>,
  draft: Draft,
  { role, times, flags }: Extra,
): Command {
  switch (command) {
    case 'add-service':
    case 'edit-service':
      judgeService(draft)
      return rule(addService(command, draft, flags))
    case 'delete-service':
      return rule({ op: 'delete-service', service: serviceKey(draft) })
    case 'flush':
      return rule({ op: 'flush' })
    case 'add-server':
    case 'edit-server':
      judgeServer(draft)
      return rule(addDestination(command, draft))
    case 'delete-server':
      return rule({
        op: 'delete-destination',
        service: serviceKey(draft),
        destination: destinationKey(draft),
      })
    case 'list':
      judgeList(draft)
      return listRequest(draft)
    case 'zero':
      return rule(zero(draft))
    case 'restore':
      return { kind: 'restore' }
    case 'save':
      return { kind: 'save', numeric: draft.has('numeric') }
    case 'set':
      return rule({ op: 'set-timeouts', tcp: times[0]!, tcpfin: times[1]!, udp: times[2]! })
    case 'start-daemon':
      return rule({ op: 'start-daemon', daemon: syncDaemon(draft, role!) })
    case 'stop-daemon':
      return rule({ op: 'stop-daemon', role: role! })
  }
}

function rule(each: Rule): Command {
  return { kind: 'rule', rule: each }
}

/** No service, and the address that means none to the kernel: the counters of all. */
function zero(draft: Draft): Rule {
  const isNone =
    draft.fwmark === 0 &&
    draft.port === 0 &&
    (draft.address === '' || draft.address === '0.0.0.0' || draft.address === '::')
  return isNone ? { op: 'zero' } : { op: 'zero', service: serviceKey(draft) }
}

function syncDaemon(draft: Draft, role: SyncDaemon['role']): SyncDaemon {
  return {
    role,
    interface: draft.mcastInterface,
    syncid: draft.syncid,
    // What Linux takes by itself: a datagram in an Ethernet frame, or the longest there is.
    maxlen: draft.maxlen ?? (role === 'master' ? 1472 : 65507),
    group: draft.mcastGroup,
    port: draft.mcastPort,
    ttl: draft.mcastTtl,
  }
}

const VIEWS = ['stats', 'rate', 'thresholds', 'persistent-conn', 'tun-info'] as const

function listRequest(draft: Draft): ListRequest {
  const of = draft.has('connection')
    ? 'connections'
    : draft.has('timeout')
      ? 'timeouts'
      : draft.has('daemon')
        ? 'daemons'
        : 'services'
  return {
    kind: 'list',
    of,
    service: draft.has('service-address') ? serviceKey(draft) : null,
    view: VIEWS.find((view) => draft.has(view)) ?? 'plain',
    numeric: draft.has('numeric'),
    exact: draft.has('exact'),
    sorted: !draft.has('nosort'),
    engines: draft.has('persistent-conn'),
    json: draft.has('json'),
  }
}
