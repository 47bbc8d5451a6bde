/** The connection listing, `-L -c`. */
import type { ServiceProtocol } from '../../balance/rule.js'
import type { ConnectionListing } from '../../control/listing.js'
import { endpointText, type Naming } from './endpoint-text.js'

/** What a persistence engine knows of a connection, if the director tells. */
export interface EngineData {
  readonly pe?: { readonly name: string; readonly data: string }
}

const TITLE = 'pro expire state       source             virtual            destination'

/** @param engines with the columns of the persistence engine. */
export function connectionsTitle(engines: boolean): string {
  return `IPVS connection entries\n${TITLE}${engines ? '        pe name          pe_data' : ''}\n`
}

export function connectionLine(
  connection: ConnectionListing & EngineData,
  engines: boolean,
  names: Naming,
): string {
  const { protocol, expires, state, pe } = connection
  const ports = protocol === 'ip' ? null : (protocol as ServiceProtocol)
  const text = (address: string, port: number) => endpointText(address, port, ports, names)
  const destination = text(connection.destination, connection.destinationPort)
  const line = [
    protocol.toUpperCase().padEnd(3),
    `${twoDigits(expires / 60)}:${twoDigits(expires % 60)}`.padEnd(6),
    state.padEnd(11),
    text(connection.client, connection.clientPort).padEnd(18),
    text(connection.vip, connection.vport).padEnd(18),
    engines && pe !== undefined
      ? `${destination.padEnd(16)} ${pe.name.padEnd(18)} ${pe.data}`
      : destination,
  ]
  return `${line.join(' ')}\n`
}

function twoDigits(value: number): string {
  return String(Math.floor(value)).padStart(2, '0')
}
