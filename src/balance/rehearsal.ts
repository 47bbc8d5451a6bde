/**
 * Would a list of rules be accepted? Judged against the real book without changing it, so that a
 * list can be refused as a whole, or be written down before it is carried out, and so that the
 * judgement is exact: what counts is what the book holds, its trash and its free room included.
 *
 *   book (is only read)  <--  overlay: what the rules so far would have made different
 *
 * The overlay grows with the list and not with the book: one rule on a book of 100,000 costs what
 * it costs on an empty one. That it says what `RuleBook.apply` would say is held by a property of
 * rehearsal.test.ts.
 */
import type { RuleBook } from './apply.js'
import {
  daemonRuns,
  destinationExists,
  destinationText,
  judgeAddress,
  judgeDaemon,
  judgeService,
  judgeThresholds,
  noDestination,
  noRoom,
  noService,
  noSuchDaemon,
  parseServiceKey,
  serviceExists,
  serviceText,
} from './judge.js'
import type { MarkBook } from './mark-rules.js'
import { type DestinationKey, type Rule, RuleError, type ServiceKey } from './rule.js'
import { judgeSysctl, judgeTimeouts } from './settings.js'

export interface RehearsedRefusal {
  readonly error: RuleError
  /** Of the rule that is refused; those before it would be accepted. */
  readonly index: number
}

/** Where a destination stands: `trash` keeps its record, and gets it back without new room. */
export type Standing = 'live' | 'trash' | 'none'

interface ServiceOverlay {
  exists: boolean
  family: 4 | 6
  /** What the book has live was deleted meanwhile. */
  isEmptied: boolean
  readonly destinations: Map<string, Standing>
}

/** The first rule that would be refused, or null if all of them would be accepted. */
export function rehearse(book: RuleBook, rules: readonly Rule[]): RehearsedRefusal | null {
  const rehearsal = new Rehearsal(book)
  for (let index = 0; index < rules.length; index++) {
    try {
      rehearsal.judge(rules[index])
    } catch (error) {
      if (error instanceof RuleError) return { error, index }
      throw error
    }
  }
  return null
}

class Rehearsal {
  readonly #book: RuleBook
  readonly #services = new Map<string, ServiceOverlay>()
  #isFlushed = false
  #freeServices: number
  #freeDestinations: number
  #marks: MarkBook | null = null
  #roles: Set<string>

  constructor(book: RuleBook) {
    this.#book = book
    this.#freeServices = book.balancer.services.room
    this.#freeDestinations = book.balancer.destinations.room
    this.#roles = new Set(book.daemons.map((daemon) => daemon.role))
  }

  judge(rule: Rule): void {
    switch (rule.op) {
      case 'add-service':
        this.#addService(rule.service, rule.settings)
        break
      case 'edit-service':
        judgeService(rule.settings, this.#service(rule.service).family, this.#book.factories)
        return
      case 'delete-service':
        this.#deleteService(this.#service(rule.service))
        break
      case 'flush':
        this.#flush()
        break
      case 'add-destination':
        this.#addDestination(rule)
        break
      case 'edit-destination':
      case 'delete-destination': {
        const service = this.#service(rule.service, 'destination-service')
        if (rule.op === 'edit-destination') this.#judgeDestination(rule, service.family)
        const text = destinationText(rule.destination)
        if (this.#standing(rule.service, service, text) !== 'live') throw noDestination(text)
        if (rule.op === 'delete-destination') service.destinations.set(text, 'trash')
        return
      }
      case 'zero':
        if (rule.service !== undefined) this.#service(rule.service)
        return
      case 'set-timeouts':
        judgeTimeouts(rule.tcp, rule.tcpfin, rule.udp)
        break
      case 'set-sysctl':
        judgeSysctl(rule.name, rule.value)
        return
      case 'start-daemon':
        if (this.#roles.has(rule.daemon.role)) throw daemonRuns(rule.daemon.role)
        judgeDaemon(rule.daemon, this.#book.surroundings)
        this.#roles.add(rule.daemon.role)
        return
      case 'stop-daemon':
        if (!this.#roles.delete(rule.role)) throw noSuchDaemon(rule.role)
        return
      case 'reap':
        return
      default:
        this.#marks ??= this.#book.marks.copy()
        this.#marks.apply(rule)
    }
  }

  #addService(key: ServiceKey, settings: Extract<Rule, { op: 'add-service' }>['settings']): void {
    const text = serviceText(key)
    const overlay = this.#overlay(key, text)
    if (overlay.exists) throw serviceExists(text)
    const { family } = parseServiceKey(key)
    judgeService(settings, family, this.#book.factories)
    if (this.#freeServices === 0) throw noRoom('service', this.#book.balancer.services.capacity)
    this.#freeServices--
    overlay.exists = true
    overlay.family = family
  }

  #deleteService(overlay: ServiceOverlay): void {
    this.#freeServices++
    empty(overlay)
  }

  #flush(): void {
    this.#isFlushed = true
    this.#freeServices = this.#book.balancer.services.capacity
    for (const overlay of this.#services.values()) empty(overlay)
  }

  #addDestination(rule: Extract<Rule, { op: 'add-destination' | 'edit-destination' }>): void {
    const service = this.#service(rule.service, 'destination-service')
    this.#judgeDestination(rule, service.family)
    const text = destinationText(rule.destination)
    const standing = this.#standing(rule.service, service, text)
    if (standing === 'live') throw destinationExists(text)
    if (standing === 'none') {
      if (this.#freeDestinations === 0) {
        throw noRoom('destination', this.#book.balancer.destinations.capacity)
      }
      this.#freeDestinations--
    }
    service.destinations.set(text, 'live')
  }

  #judgeDestination(
    {
      destination,
      settings,
    }: { destination: DestinationKey } & Pick<
      Extract<Rule, { op: 'add-destination' | 'edit-destination' }>,
      'settings'
    >,
    family: number,
  ): void {
    judgeThresholds(settings)
    judgeAddress(destination, family, settings, this.#book.surroundings)
  }

  #standing(key: ServiceKey, overlay: ServiceOverlay, text: string): Standing {
    const known = overlay.destinations.get(text)
    if (known !== undefined) return known
    const before = this.#book.standing(key, text)
    return before === 'live' && overlay.isEmptied ? 'trash' : before
  }

  /** A service that exists at this point of the list. */
  #service(key: ServiceKey, subject = 'service'): ServiceOverlay {
    const text = serviceText(key)
    const overlay = this.#overlay(key, text)
    if (!overlay.exists) throw noService(text, subject)
    return overlay
  }

  #overlay(key: ServiceKey, text: string): ServiceOverlay {
    const known = this.#services.get(text)
    if (known !== undefined) return known
    const slot = this.#book.findService(key)
    const overlay: ServiceOverlay = {
      exists: slot !== undefined && !this.#isFlushed,
      family: slot !== undefined && this.#book.balancer.services.family(slot) === 6 ? 6 : 4,
      isEmptied: this.#isFlushed,
      destinations: new Map(),
    }
    this.#services.set(text, overlay)
    return overlay
  }
}

/** The service is gone, and all it had is in the trash. */
function empty(overlay: ServiceOverlay): void {
  overlay.exists = false
  overlay.isEmptied = true
  for (const [text, standing] of overlay.destinations) {
    if (standing === 'live') overlay.destinations.set(text, 'trash')
  }
}
