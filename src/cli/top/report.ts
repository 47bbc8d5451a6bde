/**
 * What `uipvs top` shows, as values: two looks at a director, and what went on between them, per
 * second. `--json` prints it as it is.
 */
import type { DestinationKey, ServiceKey } from '../../balance/rule.js'
import type { ControlClient } from '../../control/client.js'
import type {
  Counters,
  DestinationListing,
  Rates,
  ServiceListing,
  Statistics,
  Status,
  TableListing,
} from '../../control/listing.js'
import { ENDINGS } from '../../engine/verdict.js'
import { serverText, serviceText } from '../ipvsadm/endpoint-text.js'
import { sortDestinations, sortServices } from '../ipvsadm/order.js'

/** One look at a director. */
export interface Look {
  /** Milliseconds of a clock that only runs forward. */
  readonly at: number
  readonly table: TableListing
  readonly counters: Counters
  readonly status: Status
}

/** A service or a realserver: how it stands, and what it got per second. */
export interface Line {
  readonly name: string
  /** The scheduler of a service, the forwarding method of a realserver. */
  readonly how: string
  /** Of a realserver. */
  readonly weight: number | null
  readonly active: number
  readonly inactive: number
  readonly connectionsPerSecond: number
  readonly packetsPerSecond: number
  readonly bytesPerSecond: number
  /** False for -m and -i: stored and listed, but not served. */
  readonly isServed: boolean
}

export interface ServiceLine extends Line {
  readonly service: ServiceKey
  readonly destinations: readonly (Line & DestinationKey)[]
}

export interface Report {
  /** Seconds between the two looks; null at the first, whose rates are Linux's averages. */
  readonly seconds: number | null
  readonly engine: string
  readonly interfaces: readonly string[]
  readonly mode: string
  readonly uptimeSeconds: number
  readonly frames: number
  readonly framesPerSecond: number
  readonly actionsPerSecond: Readonly<Record<string, number>>
  /** Only verdicts that frames came to. */
  readonly verdictsPerSecond: Readonly<Record<string, number>>
  /** Share of the time in which the worker had frames, 0 to 1. */
  readonly busy: number
  readonly ringOccupancy: number | null
  readonly ringDrops: number
  readonly ringDropsPerSecond: number
  readonly sendErrors: number
  readonly sendErrorsPerSecond: number
  readonly heldFrames: number
  readonly longestGapMs: number
  readonly connections: number
  readonly connectionsMax: number
  readonly templates: number
  readonly templatesMax: number
  readonly services: readonly ServiceLine[]
  readonly notServed: { readonly destinations: number; readonly daemons: readonly string[] }
}

export async function look(client: ControlClient): Promise<Look> {
  const [table, counters, status] = await Promise.all([
    client.table(),
    client.counters(),
    client.status(),
  ])
  return { at: performance.now(), table, counters, status }
}

/** What happened between two looks; `before` null: there was none. */
export function report(before: Look | null, now: Look): Report {
  // Another director answers than before: nothing of it can be compared.
  const isSame =
    before?.status.pid === now.status.pid && before.status.uptimeSeconds <= now.status.uptimeSeconds
  const earlier = isSame ? before : null
  const seconds = earlier === null ? null : Math.max(0.001, (now.at - earlier.at) / 1000)
  const { engine } = now.counters
  const was = earlier?.counters
  const perSecond = (value: number, last: number | undefined) =>
    seconds === null ? 0 : Math.max(0, (value - (last ?? 0)) / seconds)
  const engineRate = (name: string) => perSecond(engine[name] ?? 0, was?.engine[name])
  const verdicts = ENDINGS.map(({ name, action }) => ({
    name,
    action,
    rate: perSecond(now.counters.verdicts[name] ?? 0, was?.verdicts[name]),
  }))
  const actions: Record<string, number> = { forward: 0, answer: 0, pass: 0, hold: 0, drop: 0 }
  for (const { action, rate } of verdicts) actions[action] += rate
  const services = serviceLines(earlier, now, seconds)
  const unserved = services.flatMap((s) => s.destinations.filter((d) => !d.isServed))
  const { limits } = now.status
  const occupancy = engine.ringOccupancy ?? -1
  return {
    seconds,
    engine: now.status.engine,
    interfaces: now.status.interfaces,
    mode: now.status.mode,
    uptimeSeconds: now.status.uptimeSeconds,
    frames: engine.frames ?? 0,
    framesPerSecond: engineRate('frames'),
    actionsPerSecond: actions,
    verdictsPerSecond: Object.fromEntries(
      verdicts.filter(({ rate }) => rate > 0).map(({ name, rate }) => [name, rate]),
    ),
    busy: busyShare(was, now.counters),
    ringOccupancy: occupancy < 0 || now.status.engine === 'none' ? null : occupancy,
    ringDrops: engine.ringDrops ?? 0,
    ringDropsPerSecond: engineRate('ringDrops'),
    sendErrors: engine.sendErrors ?? 0,
    sendErrorsPerSecond: engineRate('sendErrors'),
    heldFrames: engine.heldFrames ?? 0,
    longestGapMs: now.counters.loop.longestGapMs,
    connections: now.status.connections,
    connectionsMax: limits.connections4 + limits.connections6,
    templates: now.status.templates,
    templatesMax: limits.templates,
    services,
    notServed: {
      destinations: unserved.length,
      daemons: now.table.daemons.map(({ role }) => role),
    },
  }
}

function busyShare(before: Counters | undefined, now: Counters): number {
  const alive = (now.engine.aliveMs ?? 0) - (before?.engine.aliveMs ?? 0)
  const busy = now.loop.busyMs - (before?.loop.busyMs ?? 0)
  return alive > 0 ? Math.min(1, Math.max(0, busy / alive)) : 0
}

type Moved = Pick<Line, 'connectionsPerSecond' | 'packetsPerSecond' | 'bytesPerSecond'>

/** Counters that went back were set to zero, or belong to a newcomer: counted from zero. */
function moved(
  statistics: Statistics,
  rates: Rates,
  last: Statistics | undefined,
  seconds: number | null,
): Moved {
  if (seconds === null) {
    return {
      connectionsPerSecond: rates.connectionsPerSecond,
      packetsPerSecond: rates.inPacketsPerSecond,
      bytesPerSecond: rates.inBytesPerSecond,
    }
  }
  const since = (now: number, then: number | undefined) =>
    (now - (then !== undefined && then <= now ? then : 0)) / seconds
  return {
    connectionsPerSecond: since(statistics.connections, last?.connections),
    packetsPerSecond: since(statistics.inPackets, last?.inPackets),
    bytesPerSecond: since(statistics.inBytes, last?.inBytes),
  }
}

function serviceLines(before: Look | null, now: Look, seconds: number | null): ServiceLine[] {
  const earlier = new Map(
    before?.table.services.map((listing) => [serviceText(listing.service, null), listing]),
  )
  return sortServices(now.table.services).map((listing) => {
    const name = serviceText(listing.service, null)
    const last = earlier.get(name)
    const then = new Map(last?.destinations.map((d) => [destinationName(listing, d), d]))
    const destinations = sortDestinations(listing.destinations).map((d) => {
      const server = destinationName(listing, d)
      return {
        address: d.address,
        port: d.port,
        name: server,
        how: d.method,
        weight: d.weight,
        active: d.active,
        inactive: d.inactive,
        isServed: d.method === 'route',
        ...moved(d.statistics, d.rates, then.get(server)?.statistics, seconds),
      }
    })
    const sum = (of: 'active' | 'inactive') => destinations.reduce((all, d) => all + d[of], 0)
    return {
      service: listing.service,
      name,
      how: listing.settings.scheduler,
      weight: null,
      active: sum('active'),
      inactive: sum('inactive'),
      isServed: true,
      ...moved(listing.statistics, listing.rates, last?.statistics, seconds),
      destinations,
    }
  })
}

function destinationName({ service }: ServiceListing, destination: DestinationListing): string {
  return serverText(destination, service, null)
}
