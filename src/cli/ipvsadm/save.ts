/** The table as commands, `-S`: thresholds, time-outs and daemons are not among them. */
import type { ServiceKey } from '../../balance/rule.js'
import type { DestinationListing, ServiceListing } from '../../control/listing.js'
import { isIpv6 } from './address.js'
import { endpointText, type Naming, portProtocol } from './endpoint-text.js'
import { isDefaultMask } from './format.js'
import { schedulerFlagNames } from './values.js'

export function savedService(
  { service, settings, destinations }: ServiceListing,
  names: Naming,
): string {
  const name = serviceOption(service, names)
  let text = `-A ${name} -s ${settings.scheduler}`
  if (settings.persistent !== 0) {
    text += ` -p ${settings.persistent}`
    const family = 'fwmark' in service ? service.family : isIpv6(service.address) ? 'inet6' : 'inet'
    if (!isDefaultMask(settings, family)) text += ` -M ${settings.netmask}`
  }
  if (settings.pe !== '') text += ` --pe ${settings.pe}`
  if (settings.ops) text += ' -o'
  const flags = settings.schedulerFlags
  if (flags !== 0) text += ` -b ${schedulerFlagNames(flags, settings.scheduler)}`
  text += '\n'
  for (const destination of destinations) {
    const server = endpointText(destination.address, destination.port, portProtocol(service), names)
    text += `-a ${name} -r ${server} ${methodOptions(destination)}\n`
  }
  return text
}

const SERVICE_OPTION = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const
const METHOD_OPTION = { route: '-g', tunnel: '-i', masq: '-m' } as const

function serviceOption(service: ServiceKey, names: Naming): string {
  if ('fwmark' in service) {
    return `-f ${service.fwmark | 0}${service.family === 'inet6' ? ' -6' : ''}`
  }
  const { protocol, address, port } = service
  return `${SERVICE_OPTION[protocol]} ${endpointText(address, port, protocol, names)}`
}

function methodOptions({ method, weight, tunnel }: DestinationListing): string {
  const text = `${METHOD_OPTION[method]} -w ${weight}`
  if (method !== 'tunnel') return text
  const type = tunnel?.type ?? 'ipip'
  const port = type === 'gue' ? ` --tun-port ${tunnel?.port}` : ''
  const checksum = type === 'ipip' ? '' : ` --tun-${tunnel?.checksum}`
  return `${text} --tun-type ${type}${port}${checksum}`
}
