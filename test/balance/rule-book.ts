/** What the tests of the rules and tables share: small rule books, and rules with few words. */
import { RuleBook } from '../../src/balance/apply.js'
import { Balancer } from '../../src/balance/balancer.js'
import type { Surroundings } from '../../src/balance/judge.js'
import type { Limits } from '../../src/balance/limits.js'
import { Region } from '../../src/balance/region.js'
import type {
  DestinationSettings,
  Rule,
  RuleError,
  ServiceKey,
  ServiceProtocol,
  ServiceSettings,
} from '../../src/balance/rule.js'
import type { Flow } from '../../src/balance/scheduler.js'
import { SCHEDULERS } from '../../src/balance/schedulers/index.js'
import type { FollowedKernel } from '../../src/balance/thresholds.js'

/** One seed for all properties, so that a failure is the same for everybody. */
export const SEED = Number(process.env.UIPVS_TEST_SEED ?? 20261122)

export const LIMITS: Limits = {
  services: 8,
  destinations: 32,
  connections4: 256,
  connections6: 64,
  templates: 64,
}

export const VIP = '192.168.1.110'
export const VIP6 = '2001:db8::110'

export interface BookOptions {
  readonly limits?: Partial<Limits>
  readonly kernel?: FollowedKernel
  readonly surroundings?: Surroundings
  readonly schedulers?: typeof SCHEDULERS
}

export function makeBook(options: BookOptions = {}): RuleBook {
  const limits = { ...LIMITS, ...options.limits }
  const region = new Region(new ArrayBuffer(Balancer.bytes(limits)))
  const book = new RuleBook(region, limits, SEED, options.schedulers ?? SCHEDULERS, {
    ...(options.kernel && { kernel: options.kernel }),
    ...(options.surroundings && { surroundings: options.surroundings }),
  })
  book.balancer.start(0)
  return book
}

export function key(port = 80, protocol: ServiceProtocol = 'tcp', address = VIP): ServiceKey {
  return { protocol, address, port }
}

export function serviceSettings(
  changes: Partial<ServiceSettings> = {},
  isIpv6 = false,
): ServiceSettings {
  return {
    scheduler: 'rr',
    persistent: 0,
    netmask: isIpv6 ? '128' : '255.255.255.255',
    ops: false,
    pe: '',
    schedulerFlags: 0,
    ...changes,
  }
}

export function destinationSettings(
  changes: Partial<DestinationSettings> = {},
): DestinationSettings {
  return { method: 'route', weight: 1, upperThreshold: 0, lowerThreshold: 0, ...changes }
}

export function addService(service = key(), changes: Partial<ServiceSettings> = {}): Rule {
  const isIpv6 = 'address' in service ? service.address.includes(':') : service.family === 'inet6'
  return { op: 'add-service', service, settings: serviceSettings(changes, isIpv6) }
}

export function editService(service: ServiceKey, changes: Partial<ServiceSettings>): Rule {
  return { ...addService(service, changes), op: 'edit-service' } as Rule
}

export function addDestination(
  address: string,
  changes: Partial<DestinationSettings> = {},
  service = key(),
): Rule {
  const port = 'port' in service ? service.port : 0
  return {
    op: 'add-destination',
    service,
    destination: { address, port },
    settings: destinationSettings(changes),
  }
}

export function editDestination(
  address: string,
  changes: Partial<DestinationSettings> = {},
  service = key(),
): Rule {
  return { ...addDestination(address, changes, service), op: 'edit-destination' } as Rule
}

export function deleteDestination(address: string, service = key()): Rule {
  const port = 'port' in service ? service.port : 0
  return { op: 'delete-destination', service, destination: { address, port } }
}

/** Code and subject of the refusal, or null if the rule is accepted. */
export function refusalOf(book: RuleBook, rule: Rule): string | null {
  try {
    book.apply(rule)
    return null
  } catch (error) {
    const { name, code, subject } = error as RuleError
    if (name !== 'RuleError') throw error
    return `${code} ${subject}`
  }
}

/** Textual addresses of the destinations of a service, in list order. */
export function listOf(book: RuleBook, service = key()): string[] {
  const { services, destinations } = book.balancer
  const slot = book.findService(service)
  if (slot === undefined) throw new Error('no such service')
  const list: string[] = []
  for (let d = services.head(slot); d >= 0; d = destinations.next(d)) list.push(nameOf(book, d))
  return list
}

export function nameOf(book: RuleBook, destination: number): string {
  return destination < 0 ? 'none' : (book.destinationNames[destination]?.address ?? '?')
}

/** Slot of the destination of a service that has this address, in its list or not. */
export function slotOf(book: RuleBook, address: string): number {
  return book.destinationNames.findIndex((names) => names?.address === address)
}

/** The last parts of the addresses that a service's scheduler picks next, `3 2 1`. */
export function picks(book: RuleBook, count: number, service = key()): string {
  const slot = book.findService(service) as number
  const scheduler = book.balancer.schedulers[slot]
  const chosen = Array.from({ length: count }, () => {
    const d = scheduler?.choose(book.balancer.flow) ?? -1
    return d < 0 ? '-' : (nameOf(book, d).split(/[.:]/).at(-1) as string)
  })
  return chosen.join(' ')
}

/** Fills the flow that a choice is asked for: an IPv4 client of the VIP. */
export function fillFlow(
  flow: Flow,
  client: number,
  clientPort: number,
  vip: number,
  vipPort: number,
  protocol = 6,
): void {
  flow.family = 4
  flow.protocol = protocol
  flow.client.fill(0)
  flow.vip.fill(0)
  flow.client[0] = client
  flow.vip[0] = vip
  flow.clientPort = clientPort
  flow.vipPort = vipPort
}
