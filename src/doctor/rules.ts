/** What can be seen of the rules alone; and how they are called. */
import type { ServiceListing, TableListing } from '../control/listing.js'
import { type Finding, note, ok, problem } from './finding.js'

/** Sync daemons are kept and listed, as scripts expect, and send nothing. */
export function checkDaemons(table: TableListing): Finding[] {
  return table.daemons.map(({ role }) => {
    const why = 'nothing is synchronised: no other director learns connections from this one'
    return note(
      'sync-daemon',
      `a ${role} daemon does nothing`,
      why,
      `uipvsadm --stop-daemon ${role}`,
    )
  })
}

/** Direct Routing cannot translate ports, and does no other method. Seen in the rules alone. */
export function checkRules(table: TableListing): Finding[] {
  const findings: Finding[] = []
  for (const listing of table.services) {
    const { service, destinations } = listing
    if (!('address' in service)) continue
    const name = nameOf(listing)
    for (const { address, port, method, weight } of destinations) {
      const flags = `${flagOf(listing)} ${name} -r ${bracketed(address)}:${port}`
      if (method !== 'route') {
        const why = 'the director only routes directly; such a destination gets nothing'
        const fix = `uipvsadm -e ${flags} -g`
        findings.push(problem('method', `${address} at ${name} is reached by ${method}`, why, fix))
      } else if (service.port !== 0 && port !== service.port) {
        const why = 'the packet arrives with the port of the VIP: Direct Routing translates nothing'
        const right = `${flagOf(listing)} ${name} -r ${bracketed(address)}:${service.port} -g`
        const fix = `uipvsadm -d ${flags}; uipvsadm -a ${right}`
        findings.push(problem('port', `${address}:${port} serves ${name}`, why, fix))
      }
      if (weight === 0) {
        const why = 'it gets no new connections: as it should while it is drained, or forgotten'
        const fix = `uipvsadm -e ${flags} -g -w 1`
        findings.push(note('weight', `${address} has weight 0 at ${name}`, why, fix))
      }
    }
  }
  if (findings.length > 0) return findings
  const count = table.services.length
  return [
    ok('rules', `${count} services, all directly routed, ports equal`, 'DR translates nothing'),
  ]
}

export function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}

export function nameOf({ service }: ServiceListing): string {
  return 'address' in service
    ? `${bracketed(service.address)}:${service.port}`
    : `fwmark ${service.fwmark}`
}

export function flagOf({ service }: ServiceListing): string {
  if (!('address' in service)) return `-f ${service.fwmark}`
  return { tcp: '-t', udp: '-u', sctp: '--sctp-service' }[service.protocol]
}
