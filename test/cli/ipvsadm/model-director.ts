/**
 * A director that only keeps its table: small, obvious, and slow. It refuses what Linux refuses in
 * the recordings, in the same order, on the interface that they were made with.
 */
import {
  type DestinationKey,
  type DestinationSettings,
  type Rule,
  RuleError,
  type ServiceKey,
  type SyncDaemon,
} from '../../../src/balance/rule.js'
import { readIpv4, readIpv6 } from '../../../src/cli/ipvsadm/address.js'
import type { DirectorClient } from '../../../src/cli/ipvsadm/director-client.js'
import type { EngineData } from '../../../src/cli/ipvsadm/format-connections.js'
import { RulesRefused, Unreachable } from '../../../src/control/client.js'
import type {
  ConnectionListing,
  DestinationListing,
  ServiceListing,
  TableListing,
} from '../../../src/control/listing.js'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
export type ModelDestination = Mutable<DestinationListing>
export type ModelService = Mutable<Omit<ServiceListing, 'destinations'>> & {
  destinations: ModelDestination[]
}

const SCHEDULERS = 'none rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh'.split(' ')
const ENGINES = ['', 'sip']
/** Last addresses of d0's subnets: 192.168.1.1/24, 192.168.7.1/24, 10.20.0.1/16, 172.16.5.1/24. */
const BROADCAST = ['192.168.1.255', '192.168.7.255', '10.20.255.255', '172.16.5.255']

export const NO_STATISTICS = {
  connections: 0,
  inPackets: 0,
  outPackets: 0,
  inBytes: 0,
  outBytes: 0,
}

export const NO_RATES = {
  connectionsPerSecond: 0,
  inPacketsPerSecond: 0,
  outPacketsPerSecond: 0,
  inBytesPerSecond: 0,
  outBytesPerSecond: 0,
}

export class ModelDirector implements DirectorClient {
  services: ModelService[] = []
  connections: (ConnectionListing & EngineData)[] = []
  timeouts = { tcp: 900, tcpfin: 120, udp: 300 }
  daemons: SyncDaemon[] = []
  /** Set: every call fails as it does for somebody without the right. */
  isForbidden = false
  /** How many rules each request had. */
  readonly requests: number[] = []

  async reach(): Promise<void> {
    if (this.isForbidden) throw new Unreachable('/run/uipvs/control.sock', 'EACCES')
  }

  async rules(rules: readonly Rule[], { atomic }: { readonly atomic: boolean }): Promise<void> {
    await this.reach()
    this.requests.push(rules.length)
    const { services, timeouts, daemons } = atomic ? structuredClone({ ...this }) : this
    for (const [index, rule] of rules.entries()) {
      try {
        this.apply(rule)
      } catch (error) {
        if (!(error instanceof RuleError)) throw error
        const { code, subject, message } = error
        if (atomic) Object.assign(this, { services, timeouts, daemons })
        throw new RulesRefused({ code, subject, message, index, applied: atomic ? 0 : index })
      }
    }
  }

  async table(): Promise<TableListing> {
    await this.reach()
    const { services, timeouts, daemons } = this
    return structuredClone({ version: '1.2.1', size: 4096, services, timeouts, daemons })
  }

  async *connectionBatches(): AsyncGenerator<ConnectionListing[]> {
    await this.reach()
    for (const connection of this.connections) yield [connection]
  }

  apply(rule: Rule): void {
    switch (rule.op) {
      case 'add-service':
        refuseIf(this.#find(rule.service) !== undefined, 'EEXIST', 'service')
        judgeSettings(rule.settings)
        this.services.push({
          service: rule.service,
          settings: rule.settings,
          statistics: NO_STATISTICS,
          rates: NO_RATES,
          destinations: [],
        })
        return
      case 'edit-service': {
        const service = this.#service(rule.service)
        judgeSettings(rule.settings)
        service.settings = rule.settings
        return
      }
      case 'delete-service': {
        const service = this.#service(rule.service)
        this.services = this.services.filter((each) => each !== service)
        return
      }
      case 'flush':
        this.services = []
        return
      case 'add-destination':
        addDestination(this.#service(rule.service), rule.destination, rule.settings)
        return
      case 'edit-destination': {
        const { destinations } = this.#service(rule.service)
        judgeThresholds(rule.settings)
        Object.assign(destinationIn(destinations, rule.destination), rule.settings)
        return
      }
      case 'delete-destination': {
        const service = this.#service(rule.service)
        const gone = destinationIn(service.destinations, rule.destination)
        service.destinations = service.destinations.filter((each) => each !== gone)
        return
      }
      case 'zero':
        for (const each of rule.service ? [this.#service(rule.service)] : this.services) zero(each)
        return
      case 'set-timeouts':
        for (const key of ['tcp', 'tcpfin', 'udp'] as const) {
          if (rule[key] !== 0) this.timeouts[key] = rule[key]
        }
        return
      case 'start-daemon':
        refuseIf(rule.daemon.interface !== 'd0', 'ENODEV', 'daemon')
        refuseIf(this.#daemon(rule.daemon.role) !== undefined, 'EALREADY', 'daemon')
        this.daemons.push(rule.daemon)
        return
      case 'stop-daemon': {
        const daemon = this.#daemon(rule.role)
        refuseIf(daemon === undefined, 'ESRCH', 'daemon')
        this.daemons = this.daemons.filter((each) => each !== daemon)
        return
      }
      default:
        throw new Error(`the model does not know ${rule.op}`)
    }
  }

  #find(key: ServiceKey): ModelService | undefined {
    return this.services.find((each) => nameOf(each.service) === nameOf(key))
  }

  #service(key: ServiceKey): ModelService {
    const service = this.#find(key)
    if (service === undefined) throw new RuleError('ESRCH', 'service', 'no such service')
    return service
  }

  #daemon(role: SyncDaemon['role']): SyncDaemon | undefined {
    return this.daemons.find((each) => each.role === role)
  }
}

function nameOf(key: ServiceKey): string {
  return 'fwmark' in key
    ? `${key.family} ${key.fwmark}`
    : `${key.protocol} ${key.address} ${key.port}`
}

function refuseIf(condition: boolean, code: RuleError['code'], subject: string): void {
  if (condition) throw new RuleError(code, subject, `${subject}: ${code}`)
}

function judgeSettings({ scheduler, pe }: ServiceListing['settings']): void {
  refuseIf(!SCHEDULERS.includes(scheduler), 'ENOENT', 'scheduler')
  refuseIf(!ENGINES.includes(pe), 'ENOENT', 'persistence engine')
}

function judgeThresholds({ lowerThreshold, upperThreshold }: DestinationSettings): void {
  refuseIf(lowerThreshold > upperThreshold, 'ERANGE', 'destination')
}

/** The kernel puts a new destination before those that are there. */
function addDestination(
  { destinations }: ModelService,
  key: DestinationKey,
  settings: DestinationSettings,
): void {
  judgeThresholds(settings)
  refuseIf(
    destinations.some((each) => isSame(each, key)),
    'EEXIST',
    'destination',
  )
  refuseIf(!isUnicast(key.address), 'EINVAL', 'destination')
  destinations.unshift({
    ...settings,
    ...key,
    active: 0,
    inactive: 0,
    persistent: 0,
    statistics: NO_STATISTICS,
    rates: NO_RATES,
    mac: null,
  })
}

function destinationIn(destinations: ModelDestination[], key: DestinationKey): ModelDestination {
  const found = destinations.find((each) => isSame(each, key))
  if (found === undefined) throw new RuleError('ENOENT', 'destination', 'no such destination')
  return found
}

function isSame(a: DestinationKey, b: DestinationKey): boolean {
  return a.address === b.address && a.port === b.port
}

function isUnicast(address: string): boolean {
  const groups = readIpv6(address)
  if (groups !== null) return groups[0]! >> 8 !== 0xff && groups[0]! >> 6 !== 0xfe80 >> 6
  const ipv4 = readIpv4(address)!
  return ipv4 !== 0 && ipv4 >>> 28 < 0xe && !BROADCAST.includes(address)
}

function zero(service: ModelService): void {
  for (const each of [service, ...service.destinations]) {
    each.statistics = NO_STATISTICS
    each.rates = NO_RATES
  }
}
