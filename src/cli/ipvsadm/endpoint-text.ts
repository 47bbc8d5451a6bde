/** Services, servers and clients as listings name them, by name or number. */
import type { ServiceKey, ServiceProtocol } from '../../balance/rule.js'
import { isIpv6 } from './address.js'
import type { Names } from './names.js'

/** ipvsadm's buffer holds 59 characters; what does not fit is lost, in saved rules too. */
const ENDPOINT_MAX = 59
/** Columns of an IPv4 service's whole name, and of an IPv4 server's, in listings. */
const SERVICE_MAX = 33
const SERVER_MAX = 28

/** Numbers only, if there are no names to be used. */
export type Naming = Names | null

/** @param protocol whose service names apply; null: ports stay numbers. */
export function endpointText(
  address: string,
  port: number,
  protocol: ServiceProtocol | null,
  names: Naming,
): string {
  const host = names?.host(address) ?? address
  const named = port === 0 || protocol === null ? null : names?.service(port, protocol)
  const bracketed = isIpv6(address) ? `[${host}]` : host
  return `${bracketed}:${named ?? port}`.slice(0, ENDPOINT_MAX)
}

/** `TCP  192.168.1.110:22`, `FWM  6 IPv6`. */
export function serviceText(service: ServiceKey, names: Naming): string {
  // ipvsadm prints marks through a signed format.
  if ('fwmark' in service) {
    return `FWM  ${service.fwmark | 0}${service.family === 'inet6' ? ' IPv6' : ''}`
  }
  const { protocol, address, port } = service
  const endpoint = endpointText(address, port, protocol, names)
  const text = `${protocol.toUpperCase().padEnd(4)} ${endpoint}`
  return isIpv6(address) ? text : text.slice(0, SERVICE_MAX)
}

export function serverText(
  server: { readonly address: string; readonly port: number },
  service: ServiceKey,
  names: Naming,
): string {
  const text = endpointText(server.address, server.port, portProtocol(service), names)
  return isIpv6(server.address) ? text : text.slice(0, SERVER_MAX)
}

/** Servers of a mark's service have numeric ports. */
export function portProtocol(service: ServiceKey): ServiceProtocol | null {
  return 'fwmark' in service ? null : service.protocol
}
