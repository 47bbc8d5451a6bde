/**
 * Listings, read from the tables that a worker writes while it goes on writing: no message, no
 * pause.
 *
 * What rules say comes from the main thread's own copy (`book`), what traffic says from the
 * workers' tables (`live`); all know a service and a destination by the same slot.
 */
import type { RuleBook } from '../balance/apply.js'
import type { Balancer } from '../balance/balancer.js'
import type { ConnectionTable } from '../balance/connection.js'
import { PROTOCOL_NUMBER, type ServiceKey, type ServiceSettings } from '../balance/rule.js'
import { SCTP_STATES } from '../balance/sctp-state.js'
import { TCP_STATES } from '../balance/tcp-state.js'
import { TICK_MS } from '../balance/timer-wheel.js'
import { formatIpv4, formatIpv6 } from '../wire/address.js'
import type { Estimator } from './estimator.js'
import type { ConnectionListing, DestinationListing, ServiceListing } from './listing.js'
import type { Live, Part } from './live.js'

const METHOD_NAMES = ['route', 'tunnel', 'masq'] as const
/** What Linux renames the port of a template to that is no longer valid. */
export const INVALID_PORT = 0xffff

export interface Source {
  readonly book: RuleBook
  readonly live: Live
  readonly serviceEstimator: Estimator
  readonly destinationEstimator: Estimator
}

/** All services; `macs` by address of the realserver, as far as they are known. */
export function listServices(source: Source, macs: ReadonlyMap<string, string>): ServiceListing[] {
  const list: ServiceListing[] = []
  for (const slot of source.book.services()) {
    const epoch = source.book.serviceEpoch(slot)
    list.push({
      service: source.book.serviceKeys[slot] as ServiceKey,
      settings: source.book.serviceSettings[slot] as ServiceSettings,
      statistics: source.serviceEstimator.statistics(slot, epoch),
      rates: source.serviceEstimator.rates(slot, epoch),
      destinations: listDestinations(source, slot, macs),
    })
  }
  return list
}

function listDestinations(
  source: Source,
  service: number,
  macs: ReadonlyMap<string, string>,
): DestinationListing[] {
  const { book, live, destinationEstimator } = source
  const { services, destinations } = book.balancer
  const list: DestinationListing[] = []
  for (let d = services.head(service); d >= 0; d = destinations.next(d)) {
    const epoch = book.destinationEpochs[d]
    const names = book.destinationNames[d]
    const address = names?.address ?? ''
    list.push({
      address,
      port: destinations.port(d),
      method: METHOD_NAMES[destinations.method(d)],
      weight: destinations.weight(d),
      upperThreshold: destinations.upper(d),
      lowerThreshold: destinations.lower(d),
      tunnel: names?.tunnel,
      active: live.destinations.active(d),
      inactive: live.destinations.inactive(d),
      persistent: live.destinations.persistent(d),
      statistics: destinationEstimator.statistics(d, epoch),
      rates: destinationEstimator.rates(d, epoch),
      mac: macs.get(address) ?? null,
    })
  }
  return list
}

/** All connections and templates; a record that changes hands meanwhile is left out. */
export function* listConnections(
  book: RuleBook,
  parts: readonly Part[],
): Generator<ConnectionListing> {
  for (const { tables, tick } of parts) {
    yield* listTable(book, tables.connections4, tick)
    yield* listTable(book, tables.connections6, tick)
    yield* listTemplates(book, tables, tick)
  }
}

function* listTable(
  book: RuleBook,
  table: ConnectionTable,
  tick: number,
): Generator<ConnectionListing> {
  for (let slot = 0; slot < table.highWater; slot++) {
    const use = table.use(slot)
    if (use === 0) continue
    const protocol = table.protocol(slot)
    const destination = table.destination(slot)
    const ports = table.ports(slot)
    const listing = {
      protocol: protocolName(protocol),
      expires: secondsUntil(table.due(slot), tick),
      state: stateName(protocol, table.state(slot)),
      client: addressText(table.family, (i) => table.client(slot, i)),
      clientPort: ports >>> 16,
      vip: addressText(table.family, (i) => table.vip(slot, i)),
      vport: ports & 0xffff,
      destination:
        book.destinationNames[destination]?.address ?? addressText(table.family, () => 0),
      destinationPort:
        destination < 0 ? 0 : book.balancer.destinations.port(destination) || ports & 0xffff,
      template: false,
    }
    if (table.use(slot) === use) yield listing
  }
}

function* listTemplates(
  book: RuleBook,
  { templates }: Balancer,
  tick: number,
): Generator<ConnectionListing> {
  for (let slot = 0; slot < templates.highWater; slot++) {
    if (!templates.isUsed(slot)) continue
    const destination = templates.destination(slot)
    const vport = templates.vport(slot)
    const family = templates.family(slot)
    const destinationPort = vport === 0 ? 0 : book.balancer.destinations.port(destination)
    yield {
      protocol: protocolName(templates.protocol(slot)),
      expires: secondsUntil(templates.due(slot), tick),
      state: templates.isAssured(slot) ? 'ASSURED' : 'NONE',
      client: addressText(family, (i) => templates.client(slot, i)),
      clientPort: 0,
      vip: addressText(family, (i) => templates.vip(slot, i)),
      vport,
      destination: book.destinationNames[destination]?.address ?? addressText(family, () => 0),
      destinationPort: vport === INVALID_PORT ? INVALID_PORT : destinationPort,
      template: true,
    }
  }
}

function protocolName(protocol: number): string {
  for (const [name, number] of Object.entries(PROTOCOL_NUMBER)) if (number === protocol) return name
  return 'ip'
}

/** As Linux names the state of a connection. */
export function stateName(protocol: number, state: number): string {
  if (protocol === PROTOCOL_NUMBER.tcp) return TCP_STATES[state] ?? 'ERR!'
  if (protocol === PROTOCOL_NUMBER.sctp) return SCTP_STATES[state] ?? 'ERR!'
  return 'UDP'
}

function secondsUntil(due: number, tick: number): number {
  return Math.max(0, Math.floor((((due - tick) | 0) * TICK_MS) / 1000))
}

function addressText(family: number, word: (i: number) => number): string {
  return family === 4 ? formatIpv4(word(0)) : formatIpv6(word(0), word(1), word(2), word(3))
}
