/** What the running director balances, and whether its realservers do their part. */
import { ControlClient, Unreachable } from '../control/client.js'
import type { DestinationListing, ServiceListing, TableListing } from '../control/listing.js'
import { loadRawSocket, probeEcho } from '../lab/raw-probe.js'
import { type KernelAddress, readAddresses } from '../native/interfaces.js'
import { type Finding, note, ok, problem, skipped } from './finding.js'
import { probeService, whoHas } from './segment.js'

const ECHO_PATIENCE_MS = 1000

/** The director's rules; null if none runs here. */
export async function readTable(controlPath: string): Promise<TableListing | null> {
  const client = new ControlClient(controlPath)
  try {
    return await client.table()
  } catch (error) {
    if (error instanceof Unreachable) return null
    throw error
  } finally {
    client.close()
  }
}

/** VIPs of a table, IPv4 first. */
export function vipsOf(table: TableListing): string[] {
  const vips = table.services.flatMap(({ service }) =>
    'address' in service ? service.address : [],
  )
  return [...new Set(vips)].sort((a, b) => Number(a.includes(':')) - Number(b.includes(':')))
}

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
    for (const { address, port, method } of destinations) {
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
    }
  }
  if (findings.length > 0) return findings
  const count = table.services.length
  return [
    ok('rules', `${count} services, all directly routed, ports equal`, 'DR translates nothing'),
  ]
}

/**
 * Neighbour discovery is asked from an IPv6 address of the arm: a solicitation without a source
 * means duplicate address detection (RFC 4861 section 4.3), which a realserver does not answer so.
 */
export function checkIpv6Sender(
  table: TableListing,
  interfaces: readonly string[],
  addresses: readonly Pick<KernelAddress, 'interface' | 'family' | 'address'>[],
): Finding[] {
  const realservers = table.services.flatMap(({ destinations }) => destinations)
  if (!realservers.some(({ address }) => address.includes(':'))) return []
  const vips = vipsOf(table)
  return interfaces.map((name) => {
    const why = 'IPv6 realservers are asked for their MAC address from an IPv6 address of the arm'
    const own = addresses.find(
      (a) => a.interface === name && a.family === 6 && !vips.includes(a.address),
    )
    if (own !== undefined) return ok('ipv6-sender', `${name} has ${own.address}`, why)
    const fix = `sysctl -w net.ipv6.conf.${name}.disable_ipv6=0`
    return problem('ipv6-sender', `${name} has no IPv6 address of its own`, why, fix)
  })
}

/** Asks each IPv4 realserver on the segment: alive? has it the VIP, and does it serve the port? */
export async function checkRealservers(
  table: TableListing,
  interfaceName: string,
): Promise<Finding[]> {
  const from = readAddresses().find(
    (own) => own.interface === interfaceName && own.family === 4 && own.prefixLength < 32,
  )?.address
  const findings: Finding[] = []
  if (from === undefined) {
    const why = 'realservers are asked from an address of the segment'
    return [skipped('realservers', `${interfaceName} has no IPv4 address of a network`, why)]
  }
  const addresses = new Set(
    table.services.flatMap((service) => service.destinations.map(({ address }) => address)),
  )
  const macs = new Map<string, string>()
  for (const address of addresses) {
    if (address.includes(':')) continue
    const answered = await whoHas(interfaceName, address, from)
    const [mac] = answered
    if (mac !== undefined) macs.set(address, mac)
    findings.push(judgeAlive(address, answered), ...(await echo(address)))
  }
  for (const listing of table.services) {
    for (const destination of listing.destinations) {
      const mac = macs.get(destination.address)
      if (mac !== undefined)
        findings.push(...(await ask(listing, destination, mac, interfaceName, from)))
    }
  }
  return findings
}

function judgeAlive(address: string, macs: readonly string[]): Finding {
  const why = 'the director finds a realserver by ARP for its own address'
  if (macs.length === 1) return ok('realserver', `${address} is at ${macs[0]}`, why)
  if (macs.length === 0) {
    return problem('realserver', `nobody answers ARP for ${address}`, why, `arping ${address}`)
  }
  return problem(
    'realserver',
    `${address} is at ${macs.join(' and ')}`,
    'two machines have the same address',
    `ip addr del ${address}/… dev …   # on one of them`,
  )
}

async function echo(address: string): Promise<Finding[]> {
  const raw = await loadRawSocket()
  if (raw === null) return []
  const answer = await probeEcho(raw, address, ECHO_PATIENCE_MS)
  const why = 'a realserver that answers no echo may be down, or may filter'
  return answer === null
    ? [note('echo', `${address} answers no echo request`, why, `ping ${address}`)]
    : [ok('echo', `${address} answers in ${answer.milliseconds} ms`, why)]
}

async function ask(
  listing: ServiceListing,
  { address }: DestinationListing,
  mac: string,
  interfaceName: string,
  from: string,
): Promise<Finding[]> {
  const { service } = listing
  if (!('address' in service) || service.protocol !== 'tcp') return []
  if (service.address.includes(':') || service.port === 0) return []
  const vip = service.address
  const answer = await probeService({ interfaceName, from, mac, vip, port: service.port })
  const name = nameOf(listing)
  if (answer === 'open') return [ok('serves-vip', `${address} serves ${name}`, 'as it should')]
  if (answer === 'closed') {
    const why = 'it has the VIP, but nobody listens there: clients are refused'
    const where = `${vip} or 0.0.0.0, port ${service.port}`
    const fix = `ss -ltn   # on ${address}: the server must listen on ${where}`
    return [problem('serves-vip', `${address} refuses ${name}`, why, fix)]
  }
  const why = 'it does not have the VIP on lo, or a packet filter drops it: clients hang'
  const fix = `uipvs realserver up --vip ${vip}   # on ${address}`
  return [problem('serves-vip', `${address} is silent about ${name}`, why, fix)]
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}

function nameOf({ service }: ServiceListing): string {
  return 'address' in service
    ? `${bracketed(service.address)}:${service.port}`
    : `fwmark ${service.fwmark}`
}

function flagOf({ service }: ServiceListing): string {
  if (!('address' in service)) return `-f ${service.fwmark}`
  return { tcp: '-t', udp: '-u', sctp: '--sctp-service' }[service.protocol]
}
