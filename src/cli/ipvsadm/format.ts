/** Listings of services, time-outs and daemons in ipvsadm's columns. */
import type { ServiceSettings, SyncDaemon } from '../../balance/rule.js'
import type {
  DestinationListing,
  Rates,
  ServiceListing,
  Statistics,
  TableListing,
  Timeouts,
} from '../../control/listing.js'
import { isIpv6 } from './address.js'
import type { View } from './draft.js'
import { type Naming, serverText, serviceText } from './endpoint-text.js'
import { schedulerFlagNames } from './values.js'

/** How one view looks. Texts end where ipvsadm's do, blanks at the end included. */
interface Layout {
  readonly title: string
  readonly service: (listing: ServiceListing, name: string, exact: boolean) => string
  readonly server: (destination: DestinationListing, name: string, exact: boolean) => string
}

const SERVERS_TITLE = '  -> RemoteAddress:Port'

const LAYOUTS: Readonly<Record<View, Layout>> = {
  plain: {
    title:
      'Prot LocalAddress:Port Scheduler Flags\n' +
      `${SERVERS_TITLE}           Forward Weight ActiveConn InActConn`,
    service: describedService,
    server: (d, name) =>
      columns(name, [FORWARD[d.method], 7], [d.weight, 6], [d.active, 10], [d.inactive, 10]),
  },
  stats: {
    title:
      'Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n' +
      SERVERS_TITLE,
    service: ({ statistics }, name, exact) =>
      name.padEnd(33) +
      statisticsNumbers(statistics)
        .map((n) => amount(n, exact))
        .join(''),
    server: ({ statistics }, name, exact) =>
      columns(name) +
      statisticsNumbers(statistics)
        .map((n) => amount(n, exact))
        .join(''),
  },
  rate: {
    title:
      'Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n' +
      SERVERS_TITLE,
    service: ({ rates }, name, exact) =>
      name.padEnd(33) +
      rateNumbers(rates)
        .map((n) => amount(n, exact))
        .join(''),
    // ipvsadm never shortens the first three numbers of a server.
    server: ({ rates }, name, exact) =>
      columns(name) +
      rateNumbers(rates)
        .map((n, i) => amount(n, exact || i < 3))
        .join(''),
  },
  thresholds: {
    title:
      'Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n' +
      SERVERS_TITLE,
    service: describedService,
    server: (d, name) =>
      columns(
        name,
        [d.upperThreshold, 10],
        [d.lowerThreshold, 10],
        [d.active, 10],
        [d.inactive, 10],
      ),
  },
  'persistent-conn': {
    title:
      'Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n' +
      SERVERS_TITLE,
    service: describedService,
    server: (d, name) =>
      columns(name, [d.weight, 9], [d.persistent, 11], [d.active, 10], [d.inactive, 10]),
  },
  'tun-info': {
    title:
      'Prot LocalAddress:Port Scheduler Flags\n' +
      `${SERVERS_TITLE}           Forward TunnelInfo    Weight ActiveConn InActConn`,
    service: describedService,
    server: (d, name) =>
      columns(
        name,
        [FORWARD[d.method], 7],
        [tunnelText(d), 13],
        [d.weight, 6],
        [d.active, 10],
        [d.inactive, 10],
      ),
  },
}

const FORWARD = { route: 'Route', tunnel: 'Tunnel', masq: 'Masq' } as const

export function tableTitle(table: TableListing, view: View): string {
  return `${versionLine(table)}${LAYOUTS[view].title}\n`
}

export function serviceTitle(view: View): string {
  return `${LAYOUTS[view].title}\n`
}

function versionLine({ version, size }: TableListing): string {
  return `IP Virtual Server version ${version} (size=${size})\n`
}

/** A service with its servers, in the order in which they are handed over. */
export function serviceLines(
  listing: ServiceListing,
  { view, exact, names }: { readonly view: View; readonly exact: boolean; readonly names: Naming },
): string {
  const layout = LAYOUTS[view]
  let text = `${layout.service(listing, serviceText(listing.service, names), exact)}\n`
  for (const destination of listing.destinations) {
    text += `${layout.server(destination, serverText(destination, listing.service, names), exact)}\n`
  }
  return text
}

export function timeoutsLine({ tcp, tcpfin, udp }: Timeouts): string {
  return `Timeout (tcp tcpfin udp): ${tcp} ${tcpfin} ${udp}\n`
}

export function daemonLines(daemons: readonly SyncDaemon[]): string {
  const roles = ['master', 'backup'] as const
  return roles
    .flatMap((role) => daemons.filter((daemon) => daemon.role === role))
    .map(
      (daemon) =>
        `${daemon.role} sync daemon (mcast=${daemon.interface}, syncid=${daemon.syncid}, ` +
        `maxlen=${daemon.maxlen}, group=${daemon.group}, port=${daemon.port}, ttl=${daemon.ttl})\n`,
    )
    .join('')
}

function describedService({ service, settings }: ServiceListing, name: string): string {
  const family = 'fwmark' in service ? service.family : isIpv6(service.address) ? 'inet6' : 'inet'
  const flags = settings.schedulerFlags
  let text = `${name} ${settings.scheduler}`
  if (flags !== 0) text += ` (${schedulerFlagNames(flags, settings.scheduler)})`
  if (settings.persistent !== 0) {
    text += ` persistent ${settings.persistent}`
    if (!isDefaultMask(settings, family)) text += ` mask ${settings.netmask}`
    if (settings.pe !== '') text += ` pe ${settings.pe}`
  }
  return settings.ops ? `${text} ops` : text
}

export function isDefaultMask({ netmask }: ServiceSettings, family: 'inet' | 'inet6'): boolean {
  return netmask === (family === 'inet6' ? '128' : '255.255.255.255')
}

/** A server's name and what follows it: each padded to its width, a blank between. */
function columns(name: string, ...rest: readonly (readonly [string | number, number])[]): string {
  let line = `  -> ${name.padEnd(28)}`
  for (const [value, width] of rest) line += ` ${String(value).padEnd(width)}`
  return line
}

function tunnelText({ method, tunnel }: DestinationListing): string {
  if (method !== 'tunnel') return 'n/a'
  const checksum = { nocsum: '-c', csum: '+c', remcsum: 'r+c' }[tunnel?.checksum ?? 'nocsum']
  if (tunnel?.type === 'gue') return `gue:${tunnel.port}:${checksum}`
  return tunnel?.type === 'gre' ? `gre:${checksum}` : 'ipip'
}

function statisticsNumbers(each: Statistics): number[] {
  return [each.connections, each.inPackets, each.outPackets, each.inBytes, each.outBytes]
}

function rateNumbers(each: Rates): number[] {
  return [
    each.connectionsPerSecond,
    each.inPacketsPerSecond,
    each.outPacketsPerSecond,
    each.inBytesPerSecond,
    each.outBytesPerSecond,
  ]
}

/** Number below which a value is shown with this unit, and what the unit stands for. */
const UNITS: readonly (readonly [number, number, string])[] = [
  [1e8, 1, ''],
  [1e9, 1e3, 'K'],
  [1e11, 1e6, 'M'],
  [1e14, 1e9, 'G'],
  [Number.POSITIVE_INFINITY, 1e12, 'T'],
]

/** In nine columns; cut to its unit, not rounded, unless it is wanted exactly. */
export function amount(value: number, exact: boolean): string {
  const [, unit, letter] = UNITS.find(([below]) => value < below)!
  if (!exact) return `${Math.floor(value / unit)}${letter}`.padStart(9)
  const digits = String(value)
  return digits.padStart(Math.max(9, digits.length + 1))
}
