/**
 * The one function that carries out rules. The main thread applies each rule to its own copy of the
 * state first: what is refused there is told to the operator and has changed nothing. What was
 * accepted goes to the workers, which apply the same function between two breaths, to the same
 * outcome: slots are given out and freed by rules alone, never by traffic or time, so all copies
 * agree on which slot is what.
 *
 * The order in which things are objected to is Linux's (`ip_vs_ctl.c`), as ipvsadm users see it.
 */
import { Balancer } from './balancer.js'
import { NONE } from './connection.js'
import { METHOD_MASQ, METHOD_ROUTE, METHOD_TUNNEL } from './destination.js'
import {
  daemonRuns,
  destinationExists,
  destinationText,
  judgeAddress,
  judgeDaemon,
  judgeService,
  judgeThresholds,
  netmask,
  noDestination,
  noRoom,
  noService,
  noSuchDaemon,
  parseServiceKey,
  type Surroundings,
  serviceExists,
  serviceText,
  UNKNOWN_SURROUNDINGS,
} from './judge.js'
import type { Limits } from './limits.js'
import { MarkBook } from './mark-rules.js'
import type { Region } from './region.js'
import type {
  DestinationKey,
  DestinationSettings,
  Rule,
  ServiceKey,
  ServiceSettings,
  SyncDaemon,
} from './rule.js'
import type { SchedulerFactory } from './scheduler.js'
import { SERVICE_ONE_PACKET, SERVICE_PERSISTENT } from './service.js'
import { setSysctl, setTimeouts } from './settings.js'
import type { FollowedKernel } from './thresholds.js'

const METHODS = { route: METHOD_ROUTE, tunnel: METHOD_TUNNEL, masq: METHOD_MASQ } as const

/** The parts of a destination that only listings need. */
export interface DestinationNames {
  readonly address: string
  readonly tunnel: DestinationSettings['tunnel']
}

/** A balancer with the names that rules know things by. */
export class RuleBook {
  readonly balancer: Balancer
  /** What makes the director's choices of numbers unpredictable to others. */
  readonly seed: number
  readonly factories: ReadonlyMap<string, SchedulerFactory>
  readonly surroundings: Surroundings
  /** By slot of the service. */
  readonly serviceKeys: (ServiceKey | undefined)[] = []
  readonly serviceSettings: (ServiceSettings | undefined)[] = []
  /** A number that changes whenever the statistics of a slot begin anew at zero. */
  readonly destinationEpochs: number[] = []
  /**
   * The destination that the last rule brought back from the trash into another service than it was
   * deleted from, or NONE: as after `-Z`, its statistics are counted from here on.
   */
  moved = NONE
  /** By slot of the destination. */
  readonly destinationNames: (DestinationNames | undefined)[] = []
  daemons: readonly SyncDaemon[] = []
  readonly marks: MarkBook
  readonly #services = new Map<string, number>()
  /** Live destinations by service slot and own key. */
  readonly #live = new Map<string, number>()
  /** Deleted ones, with the serial number of the service they were part of. */
  readonly #trash = new Map<string, { slot: number; serial: number }>()
  readonly #trashKeys = new Map<number, string>()
  readonly #serials: number[] = []
  #serial = 0

  constructor(
    region: Region,
    limits: Limits,
    seed: number,
    factories: ReadonlyMap<string, SchedulerFactory>,
    options: { kernel?: FollowedKernel; surroundings?: Surroundings } = {},
  ) {
    this.seed = seed
    this.balancer = new Balancer(region, limits, seed, options.kernel)
    this.marks = new MarkBook(this.balancer.marks)
    this.factories = factories
    this.surroundings = options.surroundings ?? UNKNOWN_SURROUNDINGS
  }

  /** Carries out one rule, or throws a RuleError and has changed nothing. */
  apply(rule: Rule): void {
    this.moved = NONE
    switch (rule.op) {
      case 'add-service':
        this.#addService(rule.service, rule.settings)
        break
      case 'edit-service':
        this.#editService(rule.service, rule.settings)
        break
      case 'delete-service':
        this.#deleteService(this.#service(rule.service))
        break
      case 'flush':
        for (const slot of [...this.#services.values()]) this.#deleteService(slot)
        break
      case 'add-destination':
        this.#addDestination(rule.service, rule.destination, rule.settings)
        break
      case 'edit-destination':
        this.#editDestination(rule.service, rule.destination, rule.settings)
        break
      case 'delete-destination': {
        const service = this.#service(rule.service, 'destination-service')
        this.#deleteDestination(service, this.#destination(service, rule.destination))
        break
      }
      case 'zero':
        // Counters never go back: whoever shows them remembers from where to count (estimator.ts).
        if (rule.service !== undefined) this.#service(rule.service)
        break
      case 'set-timeouts':
        setTimeouts(this.balancer, rule.tcp, rule.tcpfin, rule.udp)
        break
      case 'set-sysctl':
        setSysctl(this.balancer, rule.name, rule.value)
        break
      case 'start-daemon':
        this.#startDaemon(rule.daemon)
        break
      case 'stop-daemon':
        if (!this.daemons.some((daemon) => daemon.role === rule.role)) {
          throw noSuchDaemon(rule.role)
        }
        this.daemons = this.daemons.filter((daemon) => daemon.role !== rule.role)
        break
      case 'reap':
        for (const slot of rule.slots) this.#reap(slot)
        break
      default:
        this.marks.apply(rule)
    }
  }

  /** Slots of all services, in no promised order. */
  services(): Iterable<number> {
    return this.#services.values()
  }

  /** The slot of a service, or undefined. */
  findService(key: ServiceKey): number | undefined {
    return this.#services.get(serviceText(key))
  }

  /** Whether a service has, or had, the destination with this text. */
  standing(service: ServiceKey, destination: string): 'live' | 'trash' | 'none' {
    const slot = this.findService(service)
    if (slot !== undefined && this.#live.has(`${slot} ${destination}`)) return 'live'
    return this.#trash.has(`${serviceText(service)} ${destination}`) ? 'trash' : 'none'
  }

  /** As `destinationEpochs`, for services. */
  serviceEpoch(slot: number): number {
    return this.#serials[slot]
  }

  /** Slots of deleted destinations that are still remembered. */
  trash(): Iterable<number> {
    return this.#trashKeys.keys()
  }

  #addService(key: ServiceKey, settings: ServiceSettings): void {
    const text = serviceText(key)
    if (this.#services.has(text)) throw serviceExists(text)
    const parsed = parseServiceKey(key)
    const factory = judgeService(settings, parsed.family, this.factories)
    const { services } = this.balancer
    const slot = services.create(
      parsed.family,
      parsed.protocol,
      parsed.words,
      parsed.port,
      parsed.fwmark,
    )
    if (slot === NONE) throw noRoom('service', services.capacity)
    this.#services.set(text, slot)
    this.#serials[slot] = ++this.#serial
    this.serviceKeys[slot] = key
    this.#configure(slot, settings, parsed.family)
    this.balancer.schedulers[slot] = factory === null ? null : factory(this.#pool(slot))
  }

  #editService(key: ServiceKey, settings: ServiceSettings): void {
    const slot = this.#service(key)
    const family = this.balancer.services.family(slot) as 4 | 6
    const factory = judgeService(settings, family, this.factories)
    const sameScheduler = this.serviceSettings[slot]?.scheduler === settings.scheduler
    this.#configure(slot, settings, family)
    if (!sameScheduler) {
      this.balancer.schedulers[slot] = factory === null ? null : factory(this.#pool(slot))
    }
  }

  #configure(slot: number, settings: ServiceSettings, family: 4 | 6): void {
    const flags =
      (settings.persistent > 0 ? SERVICE_PERSISTENT : 0) | (settings.ops ? SERVICE_ONE_PACKET : 0)
    const mask = netmask(settings.netmask, family)
    this.balancer.services.configure(
      slot,
      flags,
      settings.persistent,
      mask,
      settings.schedulerFlags,
    )
    this.serviceSettings[slot] = settings
  }

  #deleteService(slot: number): void {
    const { services, schedulers } = this.balancer
    while (services.head(slot) !== NONE) this.#deleteDestination(slot, services.head(slot))
    services.release(slot)
    schedulers[slot] = null
    this.#services.delete(serviceText(this.serviceKeys[slot] as ServiceKey))
    this.serviceKeys[slot] = undefined
    this.serviceSettings[slot] = undefined
  }

  #addDestination(
    key: ServiceKey,
    destination: DestinationKey,
    settings: DestinationSettings,
  ): void {
    const service = this.#service(key, 'destination-service')
    const { balancer } = this
    const { destinations, services } = balancer
    judgeThresholds(settings)
    const parsed = judgeAddress(destination, services.family(service), settings, this.surroundings)
    const liveKey = `${service} ${destinationText(destination)}`
    if (this.#live.has(liveKey)) throw destinationExists(destinationText(destination))
    const trashKey = `${serviceText(key)} ${destinationText(destination)}`
    const old = this.#trash.get(trashKey)
    let slot = old?.slot ?? NONE
    if (old !== undefined) {
      this.#trash.delete(trashKey)
      this.#trashKeys.delete(slot)
      if (old.serial !== this.#serials[service]) this.moved = slot
    } else {
      slot = destinations.create(
        parsed.family,
        services.protocol(service),
        parsed.words,
        destination.port,
      )
      if (slot === NONE) throw noRoom('destination', destinations.capacity)
      this.destinationEpochs[slot] = ++this.#serial
    }
    this.#live.set(liveKey, slot)
    this.destinationNames[slot] = { address: destination.address, tunnel: settings.tunnel }
    destinations.link(slot, service, services.head(service))
    services.setHead(service, slot, 1)
    this.#set(slot, settings, true)
    balancer.schedulers[service]?.added(slot)
  }

  #editDestination(
    key: ServiceKey,
    destination: DestinationKey,
    settings: DestinationSettings,
  ): void {
    const service = this.#service(key, 'destination-service')
    judgeThresholds(settings)
    judgeAddress(destination, this.balancer.services.family(service), settings, this.surroundings)
    const slot = this.#destination(service, destination)
    this.destinationNames[slot] = { address: destination.address, tunnel: settings.tunnel }
    this.#set(slot, settings, false)
    this.balancer.schedulers[service]?.edited(slot)
  }

  #set(slot: number, settings: DestinationSettings, isNew: boolean): void {
    const { destinations } = this.balancer
    const upper = destinations.upper(slot)
    const lower = destinations.lower(slot)
    destinations.setWeight(slot, settings.weight, isNew)
    destinations.setMethod(slot, METHODS[settings.method])
    destinations.setThresholds(slot, settings.upperThreshold, settings.lowerThreshold)
    this.balancer.thresholds.changed(slot, upper, lower)
  }

  #deleteDestination(service: number, slot: number): void {
    const { destinations, services, schedulers } = this.balancer
    const scheduler = schedulers[service]
    const name = {
      address: this.destinationNames[slot]?.address ?? '',
      port: destinations.port(slot),
    }
    scheduler?.removing(slot)
    services.setHead(service, destinations.unlink(slot, services.head(service)), -1)
    scheduler?.removed()
    this.#live.delete(`${service} ${destinationText(name)}`)
    const trashKey = `${serviceText(this.serviceKeys[service] as ServiceKey)} ${destinationText(name)}`
    this.#trash.set(trashKey, { slot, serial: this.#serials[service] })
    this.#trashKeys.set(slot, trashKey)
    this.balancer.orphans.begin()
  }

  #reap(slot: number): void {
    const key = this.#trashKeys.get(slot)
    if (key === undefined) return
    this.#trash.delete(key)
    this.#trashKeys.delete(slot)
    this.destinationNames[slot] = undefined
    this.balancer.destinations.release(slot)
  }

  #startDaemon(daemon: SyncDaemon): void {
    if (this.daemons.some((running) => running.role === daemon.role)) {
      throw daemonRuns(daemon.role)
    }
    judgeDaemon(daemon, this.surroundings)
    this.daemons = [...this.daemons, daemon]
  }

  #service(key: ServiceKey, subject = 'service'): number {
    const slot = this.#services.get(serviceText(key))
    if (slot === undefined) throw noService(serviceText(key), subject)
    return slot
  }

  #destination(service: number, key: DestinationKey): number {
    const slot = this.#live.get(`${service} ${destinationText(key)}`)
    if (slot === undefined) throw noDestination(destinationText(key))
    return slot
  }

  #pool(service: number) {
    const { balancer } = this
    return {
      services: balancer.services,
      destinations: balancer.destinations,
      service,
      overhead: (destination: number) => balancer.overhead(destination),
      now: () => balancer.tick,
      sysctls: balancer.sysctls,
      random: balancer.random,
      turn: balancer.peers?.turn(service) ?? null,
    }
  }
}
