/**
 * What Linux shows under /proc/net of IPVS, in its formats to the byte (`net/netfilter/ipvs`,
 * `ip_vs_info_seq_show`, `ip_vs_stats_show`, `ip_vs_stats_percpu_show` of `ip_vs_ctl.c`). Numbers
 * are hexadecimal in upper case there; IPv6 addresses (`%pI6`) are eight full groups in lower case.
 * The table of connections, which may be long, is in `proc-connections.ts`.
 */
import type { RuleBook } from '../balance/apply.js'
import type { Balancer } from '../balance/balancer.js'
import {
  STAT_CONNECTIONS,
  STAT_IN_BYTES,
  STAT_IN_PACKETS,
  STAT_OUT_BYTES,
  STAT_OUT_PACKETS,
} from '../balance/destination.js'
import type { ServiceSettings } from '../balance/rule.js'
import { SERVICE_ONE_PACKET, SERVICE_PERSISTENT } from '../balance/service.js'
import type { Totals } from './accounts.js'
import { TABLE_SIZE, TABLE_VERSION } from './listing.js'
import type { Live } from './live.js'
import type { Source } from './readers.js'

/** Linux shows a persistence timeout in its timer ticks; Debian's kernels have 250 a second. */
const JIFFIES_PER_S = 250

/** A piece of a long table: a few hundred microseconds' work. */
const PIECE_CHARACTERS = 32 * 1024

const METHOD_NAMES = ['Route', 'Tunnel', 'Masq'] as const
const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  0: 'IP',
  1: 'ICMP',
  6: 'TCP',
  17: 'UDP',
  58: 'ICMPv6',
  132: 'SCTP',
}

export function protocolText(protocol: number): string {
  return PROTOCOL_NAMES[protocol] ?? `IP_${protocol}`
}

export function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0')
}

/** `AAAAAAAA:PPPP` or `[aaaa:…:aaaa]:PPPP`. */
function endpoint(family: number, word: (i: number) => number, port: number): string {
  if (family === 4) return `${hex(word(0) >>> 0, 8)}:${hex(port, 4)}`
  const groups = [0, 1, 2, 3].flatMap((i) => [word(i) >>> 16, word(i) & 0xffff])
  const address = groups.map((group) => group.toString(16).padStart(4, '0')).join(':')
  return `[${address}]:${hex(port, 4)}`
}

/**
 * `net/ip_vs`, in pieces, services with an address first. Between two pieces rules may change: what
 * has become of a service by then counts.
 */
export function* servicesText(source: Source): Generator<string> {
  const { book, live } = source
  const { services, destinations } = book.balancer
  let text =
    `IP Virtual Server version ${TABLE_VERSION} (size=${TABLE_SIZE})\n` +
    'Prot LocalAddress:Port Scheduler Flags\n' +
    '  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n'
  const all = [...book.services()].map((slot) => ({ slot, epoch: book.serviceEpoch(slot) }))
  const isMarked = ({ slot }: { slot: number }) => services.fwmark(slot) !== 0
  for (const { slot, epoch } of [...all.filter((s) => !isMarked(s)), ...all.filter(isMarked)]) {
    if (!services.isUsed(slot) || book.serviceEpoch(slot) !== epoch) continue
    text += serviceText(book, slot)
    for (let d = services.head(slot); d >= 0; d = destinations.next(d)) {
      text += destinationText(book, live, d)
      if (text.length < PIECE_CHARACTERS) continue
      yield text
      text = ''
      // It was deleted meanwhile: nobody knows any more what came after it.
      if (destinations.service(d) !== slot) break
    }
  }
  yield text
}

function serviceText(book: RuleBook, slot: number): string {
  const { services } = book.balancer
  const { scheduler } = book.serviceSettings[slot] as ServiceSettings
  const ops = services.hasFlag(slot, SERVICE_ONE_PACKET) ? 'ops ' : ''
  const family = services.family(slot)
  const fwmark = services.fwmark(slot)
  const local = endpoint(family, (i) => services.address(slot, i), services.port(slot))
  const protocol = protocolText(services.protocol(slot))
  let text = `${protocol}  ${local} ${scheduler} ${family === 4 ? `${ops} ` : ''}`
  if (fwmark !== 0) text = `FWM  ${hex(fwmark >>> 0, 8)} ${scheduler} ${ops}`
  if (services.hasFlag(slot, SERVICE_PERSISTENT)) {
    const ticks = services.timeout(slot) * JIFFIES_PER_S
    text += `persistent ${ticks} ${netmaskText(family, services.netmask(slot))}`
  }
  return `${text}\n`
}

function destinationText(book: RuleBook, live: Live, d: number): string {
  const { destinations } = book.balancer
  const word = (i: number) => destinations.address(d, i)
  const remote = endpoint(destinations.family(d), word, destinations.port(d))
  const method = METHOD_NAMES[destinations.method(d)].padEnd(7)
  const weight = String(destinations.weight(d)).padEnd(6)
  const active = String(live.destinations.active(d)).padEnd(10)
  const inactive = String(live.destinations.inactive(d)).padEnd(10)
  return `  -> ${remote}      ${method} ${weight} ${active} ${inactive}\n`
}

/** The length of an IPv6 prefix stands in the wrong byte order there: 64 is 40000000. */
function netmaskText(family: number, netmask: number): string {
  return hex((family === 4 ? netmask : netmask << 24) >>> 0, 8)
}

type Five = readonly [number, number, number, number, number]

function row([a, b, c, d, e]: Five): string {
  const wide = (value: number, width: number) => hex(value, 0).padStart(width)
  return `${wide(a, 8)} ${wide(b, 8)} ${wide(c, 8)} ${wide(d, 16)} ${wide(e, 16)}`
}

function counted({ statistics: s }: Totals): Five {
  return [s.connections, s.inPackets, s.outPackets, s.inBytes, s.outBytes]
}

function rated({ rates: r }: Totals): Five {
  return [
    r.connectionsPerSecond,
    r.inPacketsPerSecond,
    r.outPacketsPerSecond,
    r.inBytesPerSecond,
    r.outBytesPerSecond,
  ]
}

/** `net/ip_vs_stats`. */
export function statisticsText(totals: Totals): string {
  return (
    '   Total Incoming Outgoing         Incoming         Outgoing\n' +
    '   Conns  Packets  Packets            Bytes            Bytes\n' +
    `${row(counted(totals))}\n\n` +
    ' Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n' +
    `${row(rated(totals))}\n`
  )
}

/**
 * `net/ip_vs_stats_percpu`: a row for each processor that counts, which is each worker here. Those
 * rows go on counting through `-Z` and without estimation, as in Linux.
 */
export function perCpuText(totals: Totals, workers: readonly Five[]): string {
  return (
    '       Total Incoming Outgoing         Incoming         Outgoing\n' +
    'CPU    Conns  Packets  Packets            Bytes            Bytes\n' +
    workers.map((worker, i) => `${hex(i, 0).padStart(3)} ${row(worker)}\n`).join('') +
    `  ~ ${row(counted(totals))}\n\n` +
    '     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n' +
    `    ${row(rated(totals))}\n`
  )
}

/** What a worker has counted since it began. */
export function rawCounts({ services }: Balancer): Five {
  const of = (index: number) => services.statistic(services.capacity, index)
  return [
    of(STAT_CONNECTIONS),
    of(STAT_IN_PACKETS),
    of(STAT_OUT_PACKETS),
    of(STAT_IN_BYTES),
    of(STAT_OUT_BYTES),
  ]
}
