/**
 * The tables of a running director, brought into an offline one that has its rules: connections as
 * they are listed, how many each realserver has, and where schedulers stand. What a listing does
 * not say (packets of a connection, fragments that wait) is as if it had just begun.
 */
import { parseAddress } from '../balance/address.js'
import { NONE } from '../balance/connection.js'
import { PROTOCOL_NUMBER, type ServiceProtocol, TCP } from '../balance/rule.js'
import type { Clue } from '../balance/scheduler.js'
import { SCTP_STATES } from '../balance/sctp-state.js'
import { TCP_STATES } from '../balance/tcp-state.js'
import { TemplateKey } from '../balance/template.js'
import { TICKS_PER_S } from '../balance/timer-wheel.js'
import { type ExplainedChoice, realserverText } from '../control/choice.js'
import type { ConnectionListing, TableListing } from '../control/listing.js'
import type { OfflineDirector } from './offline-director.js'

export interface Seen {
  readonly table: TableListing
  readonly connections: readonly ConnectionListing[]
  /** By service of the table: what its scheduler would choose next, and by what. */
  readonly next: readonly (ExplainedChoice | null)[]
}

/** Once, before the first frame. */
export function seed(offline: OfflineDirector, { table, connections, next }: Seen): void {
  // The list begins with the youngest; of two with one key the younger is found.
  for (const connection of connections.toReversed()) {
    if (connection.template) addTemplate(offline, connection)
    else addConnection(offline, connection)
  }
  for (const [i, { service, destinations }] of table.services.entries()) {
    const slot = offline.book.findService(service)
    if (slot === undefined) continue
    const { destinations: own, services, schedulers, flow, thresholds } = offline.book.balancer
    const slots: number[] = []
    for (let d = services.head(slot); d !== NONE; d = own.next(d)) slots.push(d)
    for (const [place, { active, inactive }] of destinations.entries()) {
      const d = slots[place]
      if (d === undefined) continue
      own.addActive(d, active - own.active(d))
      own.addInactive(d, inactive - own.inactive(d))
      thresholds.bound(d)
    }
    const vip = 'address' in service ? parseAddress(service.address) : null
    if (vip !== null) flow.vip.set(vip.words)
    const clues = next[i]?.clues.map(({ realservers, ...clue }): Clue => {
      if (realservers === undefined) return clue
      const named = (text: string) => slots.filter((d) => realserverText(offline.book, d) === text)
      return { ...clue, destinations: realservers.flatMap(named) }
    })
    if (clues !== undefined) schedulers[slot]?.resume(flow, clues)
  }
}

/** The slot of the destination that a connection goes to, and of its service. */
function placeOf(
  { book }: OfflineDirector,
  { protocol, vip, vport, destination, destinationPort }: ConnectionListing,
): { service: number; slot: number } | null {
  const { services, destinations } = book.balancer
  const rank = (service: number): number => {
    const key = book.serviceKeys[service]
    if (key === undefined) return 0
    if ('fwmark' in key) return 1
    if (key.protocol !== protocol || key.address !== vip) return 0
    return key.port === vport ? 3 : 2
  }
  const found = [...book.services()]
    .filter((service) => rank(service) > 0)
    .sort((a, b) => rank(b) - rank(a))
  for (const service of found) {
    for (let slot = services.head(service); slot !== NONE; slot = destinations.next(slot)) {
      const port = destinations.port(slot)
      const isPort = port === destinationPort || port === 0
      if (isPort && book.destinationNames[slot]?.address === destination) return { service, slot }
    }
  }
  return null
}

function addConnection(offline: OfflineDirector, listed: ConnectionListing): void {
  const { balancer } = offline.director
  const protocol = PROTOCOL_NUMBER[listed.protocol as ServiceProtocol]
  const place = placeOf(offline, listed)
  const client = parseAddress(listed.client)
  const vip = parseAddress(listed.vip)
  if (protocol === undefined || place === null || client === null || vip === null) return
  const { service, slot: destination } = place
  const ports = (listed.clientPort << 16) | listed.vport
  const flags = balancer.connectionFlags(service, protocol)
  const due = (balancer.tick + listed.expires * TICKS_PER_S) | 0
  const table = client.family === 4 ? balancer.connections4 : balancer.connections6
  const slot =
    client.family === 4
      ? table.insert4(protocol, client.words[0], vip.words[0], ports, destination, flags, due)
      : table.insert6(
          protocol,
          viewOf(client.words, vip.words),
          0,
          16,
          ports,
          destination,
          flags,
          due,
        )
  if (slot === NONE) return
  balancer.chosenTemplate = NONE
  balancer.opened(table, slot, service)
  if (protocol === TCP) {
    const state = (TCP_STATES as readonly string[]).indexOf(listed.state)
    if (state > 0) balancer.enterTcp(table, slot, destination, state)
  } else {
    const state = (SCTP_STATES as readonly string[]).indexOf(listed.state)
    if (state > 0) table.setState(slot, state)
  }
  table.countPacket(slot)
}

/** Those of firewall marks are listed without the mark. */
function addTemplate(offline: OfflineDirector, listed: ConnectionListing): void {
  const { templates, tick, destinations } = offline.director.balancer
  const protocol = PROTOCOL_NUMBER[listed.protocol as ServiceProtocol]
  const place = placeOf(offline, listed)
  const client = parseAddress(listed.client)
  const vip = parseAddress(listed.vip)
  if (protocol === undefined || place === null || client === null || vip === null) return
  const key = new TemplateKey()
  key.family = client.family
  key.protocol = protocol
  key.vport = listed.vport
  key.words.set(client.words)
  key.words.set(vip.words, 4)
  const ticks = listed.expires * TICKS_PER_S
  const template = templates.insert(key, place.slot, ticks, (tick + ticks) | 0)
  if (template !== NONE) destinations.addPersistent(place.slot, 1)
}

/** Both addresses as the table reads them from a frame. */
function viewOf(client: Int32Array, vip: Int32Array): DataView {
  const view = new DataView(new ArrayBuffer(32))
  for (let word = 0; word < 4; word++) {
    view.setInt32(4 * word, client[word])
    view.setInt32(16 + 4 * word, vip[word])
  }
  return view
}
