/** What the running director balances, and whether its realservers do their part. */
import { ControlClient, Unreachable } from '../control/client.js'
import type { DestinationListing, ServiceListing, TableListing } from '../control/listing.js'
import { loadRawSocket, probeEcho } from '../lab/raw-probe.js'
import { HTTP_PORT, SSH_PORT } from '../lab/realserver-program.js'
import { REALSERVERS, VIP } from '../lab/topology.js'
import { type KernelAddress, readAddresses, readInterface } from '../native/interfaces.js'
import { type Finding, note, ok, problem, skipped } from './finding.js'
import { flagOf, nameOf } from './rules.js'
import { probeService, probeSize, whoHas } from './segment.js'

const ECHO_PATIENCE_MS = 1000
const ECHO_BYTES_SMALL = 84
/** Of PPPoE, GRE, VXLAN, many tunnels, and the least that IPv6 asks for; largest first. */
const USUAL_MTUS = [9000, 1500, 1492, 1476, 1450, 1400, 1280]

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
  const segment: Segment = { interfaceName, from, macs: new Map() }
  const addresses = new Set(
    table.services.flatMap((service) => service.destinations.map(({ address }) => address)),
  )
  // All at once: most of it is waiting for answers.
  const four = [...addresses].filter((address) => !address.includes(':'))
  const alive = await Promise.all(four.map((address) => meet(address, segment)))
  for (const [i, address] of four.entries()) {
    findings.push(...(alive[i] ?? [await judgeDead(address, table, segment)]))
  }
  const asked = table.services.flatMap((listing) =>
    listing.destinations
      .filter(({ address }) => segment.macs.has(address))
      .map((destination) => ask(listing, destination, segment)),
  )
  findings.push(...(await Promise.all(asked)).flat())
  return findings
}

/** Where realservers are asked, and the MAC addresses of those that are there. */
interface Segment {
  readonly interfaceName: string
  readonly from: string
  readonly macs: Map<string, string>
}

/** What it takes, and its MAC address among those of the segment; null if it is not there. */
async function meet(address: string, segment: Segment): Promise<Finding[] | null> {
  const answered = await whoHas(segment.interfaceName, address, segment.from)
  const [mac] = answered
  if (mac === undefined) return null
  segment.macs.set(address, mac)
  const others = await Promise.all([echo(address), size(address, mac, segment)])
  return [judgeAlive(address, answered), ...others.flat()]
}

function judgeAlive(address: string, macs: readonly string[]): Finding {
  const why = 'the director finds a realserver by ARP for its own address'
  if (macs.length === 1) return ok('realserver', `${address} is at ${macs[0]}`, why)
  return problem(
    'realserver',
    `${address} is at ${macs.join(' and ')}`,
    'two machines have the same address',
    `ip addr del ${address}/… dev …   # on one of them`,
  )
}

/** Down, or never there: a wrong address in a rule. Then who was meant may be known. */
async function judgeDead(address: string, table: TableListing, segment: Segment): Promise<Finding> {
  const why = 'the director finds a realserver by ARP for its own address'
  const found = `nobody answers ARP for ${address}`
  for (const listing of table.services) {
    const port = listing.destinations.find((other) => other.address === address)?.port
    const meant = port === undefined ? null : await meantBy(listing, table, segment)
    if (meant === null) continue
    const rule = `${flagOf(listing)} ${nameOf(listing)} -r`
    return problem(
      'realserver',
      `${found}; ${meant} would serve ${nameOf(listing)}, and has no rule`,
      why,
      `uipvsadm -d ${rule} ${address}:${port}; uipvsadm -a ${rule} ${meant}:${port} -g`,
    )
  }
  return problem('realserver', found, why, `arping ${address}`)
}

/** The one realserver of the VIP's other services that serves this one and is not in its rules. */
async function meantBy(
  listing: ServiceListing,
  table: TableListing,
  segment: Segment,
): Promise<string | null> {
  const { service } = listing
  if (!('address' in service) || service.protocol !== 'tcp' || service.port === 0) return null
  const vip = service.address
  const here = listing.destinations.map(({ address }) => address)
  const others = table.services.flatMap((other) =>
    'address' in other.service && other.service.address === vip ? other.destinations : [],
  )
  const able: string[] = []
  for (const address of new Set(others.map((other) => other.address))) {
    const mac = segment.macs.get(address)
    if (mac === undefined || here.includes(address)) continue
    const answer = await probeService({ ...segment, mac, vip, port: service.port })
    if (answer === 'open') able.push(address)
  }
  return able.length === 1 ? able[0]! : null
}

/** What fits the director's arm, the director sends: it must fit a realserver's too. */
async function size(address: string, mac: string, segment: Segment): Promise<Finding[]> {
  const why = 'what is longer is dropped there without a word: requests hang, small ones work'
  const { mtu } = readInterface(segment.interfaceName)
  const passes = (bytes: number) => probeSize({ ...segment, mac, address, bytes })
  const whole = `${address} takes packets of ${mtu} bytes`
  if (await passes(mtu)) return [ok('path-mtu', whole, why)]
  if (!(await passes(ECHO_BYTES_SMALL))) return [skipped('path-mtu', `${address}: no echo`, why)]
  let largest = ECHO_BYTES_SMALL
  for (const bytes of USUAL_MTUS) {
    if (bytes < mtu && bytes > largest && (await passes(bytes))) largest = bytes
  }
  return [
    problem(
      'path-mtu',
      `${address} takes no packet of ${mtu} bytes; one of ${largest} it takes`,
      why,
      `ip link set eth0 mtu ${mtu}   # on ${address}, by the name of its interface, or on a switch`,
    ),
  ]
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
  segment: Segment,
): Promise<Finding[]> {
  const { service } = listing
  if (!('address' in service) || service.protocol !== 'tcp') return []
  if (service.address.includes(':') || service.port === 0) return []
  const vip = service.address
  const mac = segment.macs.get(address)!
  const answer = await probeService({ ...segment, mac, vip, port: service.port })
  const name = nameOf(listing)
  if (answer === 'open') return [ok('serves-vip', `${address} serves ${name}`, 'as it should')]
  if (answer === 'closed') {
    const why = 'it has the VIP, but nobody listens there: clients are refused'
    const fix = serveLine(address, vip, service.port)
    return [problem('serves-vip', `${address} refuses ${name}`, why, fix)]
  }
  const why = 'it does not have the VIP on lo, or a packet filter drops it: clients hang'
  const fix = `uipvs realserver up --vip ${vip}   # on ${address}`
  return [problem('serves-vip', `${address} is silent about ${name}`, why, fix)]
}

/** Who starts a server we cannot know, except in our own lab (its shells have UIPVS_LAB). */
function serveLine(address: string, vip: string, port: number): string {
  const host = REALSERVERS.find(({ rip }) => rip === address)
  const ours = process.env.UIPVS_LAB
  const isOurs = ours !== undefined && host !== undefined && vip === VIP
  if (isOurs && [HTTP_PORT, SSH_PORT].includes(port)) {
    return `uipvs lab serve ${host.name} --name ${ours}`
  }
  return `ss -ltn   # on ${address}: the server must listen on ${vip} or 0.0.0.0, port ${port}`
}
