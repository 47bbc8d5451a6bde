/**
 * A table without what only some listings show: counters, rates and MAC addresses. With a hundred
 * thousand realservers these are most of it, to write and to read.
 */
import type {
  DestinationListing,
  Rates,
  ServiceListing,
  Statistics,
  TableListing,
} from './listing.js'

type BriefDestination = Omit<DestinationListing, 'statistics' | 'rates' | 'mac'>
type BriefService = Omit<ServiceListing, 'statistics' | 'rates' | 'destinations'> & {
  readonly destinations: readonly BriefDestination[]
}
export type BriefTable = Omit<TableListing, 'services'> & {
  readonly services: readonly BriefService[]
}

export const NO_STATISTICS: Statistics = {
  connections: 0,
  inPackets: 0,
  outPackets: 0,
  inBytes: 0,
  outBytes: 0,
}
export const NO_RATES: Rates = {
  connectionsPerSecond: 0,
  inPacketsPerSecond: 0,
  outPacketsPerSecond: 0,
  inBytesPerSecond: 0,
  outBytesPerSecond: 0,
}

export function brief({ services, ...rest }: TableListing): BriefTable {
  return {
    ...rest,
    services: services.map(({ service, settings, destinations }) => ({
      service,
      settings,
      destinations: destinations.map((d) => ({
        address: d.address,
        port: d.port,
        method: d.method,
        weight: d.weight,
        upperThreshold: d.upperThreshold,
        lowerThreshold: d.lowerThreshold,
        tunnel: d.tunnel,
        active: d.active,
        inactive: d.inactive,
        persistent: d.persistent,
      })),
    })),
  }
}

/** The table again, with zeros for what was left out. Uses up `table`. */
export function whole(table: BriefTable): TableListing {
  for (const service of table.services) {
    Object.assign(service, { statistics: NO_STATISTICS, rates: NO_RATES })
    for (const destination of service.destinations) {
      Object.assign(destination, { statistics: NO_STATISTICS, rates: NO_RATES, mac: null })
    }
  }
  return table as TableListing
}
