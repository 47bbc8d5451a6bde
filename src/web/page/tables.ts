/** The director's tables at one moment, as values that the page can keep. */
import type { RuleBook } from '../../balance/apply.js'
import { STAT_CONNECTIONS, STAT_IN_BYTES, STAT_IN_PACKETS } from '../../balance/destination.js'
import { serviceText } from '../../balance/judge.js'
import { candidatesOf, realserverText } from '../../control/choice.js'
import type { ConnectionListing } from '../../control/listing.js'
import { listConnections } from '../../control/readers.js'
import type { OfflineDirector } from '../../offline/offline-director.js'

/** Connections that are shown; how many there are is told beside. */
export const CONNECTIONS_SHOWN = 200

export interface RealserverRow {
  readonly realserver: string
  readonly weight: number
  readonly active: number
  readonly inactive: number
  readonly connections: number
  readonly packets: number
  readonly bytes: number
  /** What the scheduler would compare now; null if it compares nothing. */
  readonly score: number | null
  readonly isEligible: boolean
}

export interface ServiceRow {
  readonly service: string
  readonly scheduler: string
  /** Seconds, 0: none. */
  readonly persistent: number
  readonly realservers: readonly RealserverRow[]
}

export interface Tables {
  readonly services: readonly ServiceRow[]
  readonly connections: readonly ConnectionListing[]
  /** All of them, shown or not. */
  readonly connectionCount: number
}

export function tablesOf({ book, director }: OfflineDirector): Tables {
  const { balancer } = director
  const connections: ConnectionListing[] = []
  for (const connection of listConnections(book, [{ tables: balancer, tick: balancer.tick }])) {
    if (connections.length === CONNECTIONS_SHOWN) break
    connections.push(connection)
  }
  const { connections4, connections6, templates } = balancer
  return {
    services: [...book.services()].flatMap((slot) => serviceRow(book, slot)),
    connections,
    connectionCount: connections4.count + connections6.count + templates.count,
  }
}

function serviceRow(book: RuleBook, slot: number): ServiceRow[] {
  const key = book.serviceKeys[slot]
  const settings = book.serviceSettings[slot]
  if (key === undefined || settings === undefined) return []
  const { destinations, services } = book.balancer
  const standings = new Map(candidatesOf(book, slot).map((each) => [each.slot, each]))
  const realservers: RealserverRow[] = []
  for (let d = services.head(slot); d >= 0; d = destinations.next(d)) {
    const standing = standings.get(d)
    realservers.push({
      realserver: realserverText(book, d),
      weight: destinations.weight(d),
      active: destinations.active(d),
      inactive: destinations.inactive(d),
      connections: destinations.statistic(d, STAT_CONNECTIONS),
      packets: destinations.statistic(d, STAT_IN_PACKETS),
      bytes: destinations.statistic(d, STAT_IN_BYTES),
      score: standing?.score ?? null,
      isEligible: standing?.eligible ?? false,
    })
  }
  const { scheduler, persistent } = settings
  return [{ service: serviceText(key), scheduler, persistent, realservers }]
}
