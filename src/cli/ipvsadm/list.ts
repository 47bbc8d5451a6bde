/** Carries out `-L` and `-S`: asks the director, sorts, prints. */
import type { ServiceKey } from '../../balance/rule.js'
import type { ConnectionListing, ServiceListing, TableListing } from '../../control/listing.js'
import type { DirectorClient, Io } from './director-client.js'
import { daemonLines, serviceLines, serviceTitle, tableTitle, timeoutsLine } from './format.js'
import { DONE, NO_SUCH_SERVICE, NOT_LISTED } from './messages.js'
import type { Names } from './names.js'
import { sortDestinations, sortServices } from './order.js'
import type { ListRequest } from './parse.js'

/** @returns the exit status. */
export async function list(
  request: ListRequest,
  director: DirectorClient,
  names: Names,
  io: Io,
): Promise<number> {
  if (request.of === 'connections') return listConnections(request, director, names, io)
  const { view, json } = request
  const table = await director.table(!json && view !== 'stats' && view !== 'rate')
  if (request.json) return listAsJson(request, table, io)
  if (request.of === 'timeouts') io.out(timeoutsLine(table.timeouts))
  else if (request.of === 'daemons') io.out(daemonLines(table.daemons))
  else return listServices(request, table, names, io)
  return DONE
}

export async function save(
  numeric: boolean,
  director: DirectorClient,
  names: Names,
  io: Io,
): Promise<number> {
  const { savedService } = await import('./save.js')
  const services = inOrder((await director.table(true)).services)
  if (!numeric) await names.askHosts(addressesOf(services))
  io.out(services.map((service) => savedService(service, numeric ? null : names)).join(''))
  return DONE
}

async function listServices(
  request: ListRequest,
  table: TableListing,
  names: Names,
  io: Io,
): Promise<number> {
  const chosen = chooseServices(request, table)
  if (chosen === null) {
    io.err(NO_SUCH_SERVICE)
    return NOT_LISTED
  }
  const services = request.sorted ? inOrder(chosen) : chosen
  if (!request.numeric) await names.askHosts(addressesOf(services))
  const { view, exact } = request
  const format = { view, exact, names: request.numeric ? null : names }
  const title = request.service === null ? tableTitle(table, view) : serviceTitle(view)
  io.out(title + services.map((service) => serviceLines(service, format)).join(''))
  return DONE
}

/** All services, or the one asked for; null if that is not there. */
function chooseServices(
  { service }: ListRequest,
  { services }: TableListing,
): readonly ServiceListing[] | null {
  if (service === null) return services
  const found = services.find((each) => isSameService(each.service, service))
  return found === undefined ? null : [found]
}

function isSameService(a: ServiceKey, b: ServiceKey): boolean {
  if ('fwmark' in a) return 'fwmark' in b && a.fwmark === b.fwmark && a.family === b.family
  if ('fwmark' in b) return false
  return a.protocol === b.protocol && a.address === b.address && a.port === b.port
}

function inOrder(services: readonly ServiceListing[]): ServiceListing[] {
  return sortServices(services).map((service) => ({
    ...service,
    destinations: sortDestinations(service.destinations),
  }))
}

function* addressesOf(services: readonly ServiceListing[]): Generator<string> {
  for (const { service, destinations } of services) {
    if ('address' in service) yield service.address
    for (const { address } of destinations) yield address
  }
}

/**
 * In batches as they come, since there can be a million; nothing is printed before the first has
 * come, or nobody has answered at all.
 */
async function listConnections(
  request: ListRequest,
  director: DirectorClient,
  names: Names,
  io: Io,
): Promise<number> {
  const { connectionLine, connectionsTitle } = await import('./format-connections.js')
  const naming = request.numeric ? null : names
  let before = request.json ? '{"connections": [' : connectionsTitle(request.engines)
  let separator = '\n'
  for await (const batch of director.connectionBatches()) {
    if (batch.length === 0) continue
    let text = before
    before = ''
    if (request.json) {
      text += separator + batch.map((each) => JSON.stringify(each)).join(',\n')
      separator = ',\n'
    } else {
      await naming?.askHosts(batch.flatMap(connectionAddresses))
      text += batch.map((each) => connectionLine(each, request.engines, naming)).join('')
    }
    io.out(text)
  }
  io.out(request.json ? `${before}\n]}\n` : before)
  return DONE
}

function connectionAddresses({ client, vip, destination }: ConnectionListing): string[] {
  return [client, vip, destination]
}

/** The same selection as the director tells it, in the same order as in columns. */
function listAsJson(request: ListRequest, table: TableListing, io: Io): number {
  if (request.of === 'timeouts') return printJson({ timeouts: table.timeouts }, io)
  if (request.of === 'daemons') return printJson({ daemons: table.daemons }, io)
  const chosen = chooseServices(request, table)
  if (chosen === null) {
    io.err(NO_SUCH_SERVICE)
    return NOT_LISTED
  }
  const services = request.sorted ? inOrder(chosen) : chosen
  return printJson(request.service === null ? { ...table, services } : { services }, io)
}

function printJson(value: unknown, io: Io): number {
  io.out(`${JSON.stringify(value, null, 2)}\n`)
  return DONE
}
