/**
 * What the director knows besides the rules: its arms, the VIPs, the neighbours, and the way to
 * each destination. And what happens between frames: the clock, what is due, changes from outside.
 */

import type { RuleBook } from '../balance/apply.js'
import type { Balancer } from '../balance/balancer.js'
import { NONE } from '../balance/connection.js'
import type { Rule } from '../balance/rule.js'
import { NeighbourTable } from '../link/neighbour.js'
import { type Route, RouteTable } from '../link/routes.js'
import { type Vip, VipTable } from '../link/vips.js'
import * as ethernet from '../wire/ethernet.js'
import { FOUND_WORDS } from '../wire/ipv6.js'
import { Answers } from './answers.js'
import { BYPASS_WAYS, Bypass } from './bypass.js'
import { FragmentTable } from './fragments.js'
import type { OwnAddresses } from './link-frames.js'
import type { Arm, Outbox } from './port.js'
import { RateLimit } from './rate-limit.js'
import { Resolver } from './resolver.js'

/** Entries of `hops` that are no neighbour. */
export const HOP_NONE = -1
export const HOP_LOCAL = -2

/** Distinct next hops; destinations beyond that are unroutable, and `doctor` says so. */
export const NEIGHBOURS_MAX = 4096

export type Mode = 'textbook' | 'kernel'

export interface DirectorOptions {
  readonly rules: RuleBook
  readonly arms: readonly Arm[]
  readonly outbox: Outbox
  readonly mode: Mode
  /** Send no answers to clients at all. */
  readonly quiet?: boolean
  /** Answers a second at most, and at once; infinite: no limit. */
  readonly answersPerSecond?: number
  readonly own?: readonly OwnAddresses[]
}

export const ANSWERS_PER_SECOND = 1000
/** Destinations looked up in the routes in one go: about a millisecond. */
export const RESOLVED_AT_ONCE = 1024
/** How often a VIP is announced (RFC 5227 section 2.3). */
const ANNOUNCE_ROUNDS = 2

export class DirectorState {
  readonly rules: RuleBook
  readonly balancer: Balancer
  readonly arms: readonly Arm[]
  readonly isKernelMode: boolean
  readonly neighbours = new NeighbourTable(NEIGHBOURS_MAX)
  readonly routes = new RouteTable()
  readonly vips = new VipTable()
  readonly resolver: Resolver
  readonly answers: Answers
  readonly fragments = new FragmentTable()
  readonly outbox: Outbox
  /** Ways to addresses that are no destinations. */
  readonly bypass: Bypass
  /**
   * For each destination: the neighbour that leads to it, or HOP_NONE, HOP_LOCAL. Behind them those
   * of `bypass`.
   */
  readonly hops: Int32Array
  /** For each destination: the MTU of the way to it, in bytes. */
  readonly mtus: Int32Array
  readonly macHigh: Int32Array
  readonly macLow: Int32Array
  /** What `walkExtensions` finds in a packet that is being answered. */
  readonly found = new Int32Array(FOUND_WORDS)
  /** Destination of the last packet that reached step 5: where its later fragments go. */
  lastDestination = NONE
  /** Destinations from here to there have yet to be looked up in the routes. */
  #unresolved = 0
  #unresolvedEnd = 0
  /** The clock of this breath in ms. */
  now = 0

  constructor(options: DirectorOptions) {
    const { rules, arms, outbox } = options
    const perSecond = options.answersPerSecond ?? ANSWERS_PER_SECOND
    this.rules = rules
    this.balancer = rules.balancer
    this.arms = arms
    this.outbox = outbox
    this.isKernelMode = options.mode === 'kernel'
    const { capacity } = rules.balancer.destinations
    this.hops = new Int32Array(capacity + BYPASS_WAYS).fill(HOP_NONE)
    this.mtus = new Int32Array(capacity + BYPASS_WAYS)
    this.bypass = new Bypass(this, capacity)
    this.macHigh = Int32Array.from(arms, (arm) => arm.macHigh)
    this.macLow = Int32Array.from(arms, (arm) => arm.macLow)
    const own = options.own ?? arms.map(() => ({ ipv4: null, ipv6: null }))
    this.resolver = new Resolver(arms, outbox, this.neighbours, this.vips, own)
    this.answers = new Answers(
      arms,
      outbox,
      this.vips,
      new RateLimit(perSecond, perSecond),
      options.quiet ?? false,
    )
  }

  /** The first moment, in ms: before any frame. */
  start(now: number): void {
    this.now = now
    this.balancer.start(now)
  }

  /** Sets the clock for the frames of a breath. */
  begin(now: number): void {
    this.now = now
    this.answers.now = now
    this.balancer.begin(now)
  }

  /** What is due: timers, questions to neighbours, frames that waited. Writes to the outbox. */
  tick(): void {
    this.balancer.expire()
    if (this.#unresolved < this.#unresolvedEnd) this.#resolveMore()
    this.resolver.tick(this.now)
  }

  /** Is the frame addressed to the arm on which it came in? */
  isOurs(arm: number, view: DataView, frame: number): boolean {
    return (
      ethernet.destinationLow(view, frame) === this.macLow[arm] &&
      ethernet.destinationHigh(view, frame) === this.macHigh[arm]
    )
  }

  /** The VIPs from now on; those that are new are announced. */
  setVips(vips: readonly Vip[]): void {
    const added = vips.filter((vip) => {
      const words = vip.words
      if (!vip.announced) return false
      return this.vips.find(vip.family, words[0], words[1], words[2], words[3]) < 0
    })
    this.vips.replace(vips)
    if (added.length > 0) this.resolver.announce(added, ANNOUNCE_ROUNDS, this.now)
  }

  /** VIPs more, or with other flags; those that are new are announced. */
  addVips(vips: readonly Vip[]): void {
    const added: Vip[] = []
    for (const vip of vips) if (this.vips.add(vip) && vip.announced) added.push(vip)
    if (added.length > 0) this.resolver.announce(added, ANNOUNCE_ROUNDS, this.now)
  }

  removeVips(vips: readonly Vip[]): void {
    for (const vip of vips) this.vips.remove(vip)
  }

  /** Tells the segment again where the VIPs are. */
  announce(): void {
    this.resolver.announce(this.vips.list, ANNOUNCE_ROUNDS, this.now)
  }

  /**
   * New routes: the way to every destination is looked up again, that of the first ones now and of
   * more at each tick. Until its turn comes a destination has the way that it had.
   */
  setRoutes(routes: readonly Route[]): void {
    this.routes.replace(routes)
    this.bypass.clear()
    this.#unresolved = 0
    this.#unresolvedEnd = this.rules.destinationNames.length
    this.#resolveMore()
  }

  #resolveMore(): void {
    const names = this.rules.destinationNames
    const end = Math.min(this.#unresolvedEnd, this.#unresolved + RESOLVED_AT_ONCE)
    for (let slot = this.#unresolved; slot < end; slot++) {
      if (names[slot] !== undefined) this.#resolve(slot)
    }
    this.#unresolved = end
  }

  /** Carries out one rule, between two breaths, and sees to the way to what it added or freed. */
  apply(rule: Rule): void {
    this.rules.apply(rule)
    if (rule.op === 'add-destination') {
      const service = this.rules.findService(rule.service)
      if (service !== undefined) this.#resolve(this.balancer.services.head(service))
    } else if (rule.op === 'reap') {
      for (const slot of rule.slots) this.forget(slot)
    }
  }

  /** Looks up the way to a destination: a neighbour of its own, or the gateway to it. */
  #resolve(slot: number): void {
    const { destinations } = this.balancer
    const address = Int32Array.from([0, 1, 2, 3], (i) => destinations.address(slot, i))
    this.find(slot, destinations.family(slot), address)
  }

  /** Looks up the way to an address, and remembers it in row `slot` of `hops` and `mtus`. */
  find(slot: number, family: number, address: Int32Array): void {
    const old = this.hops[slot]
    const route = this.routes.lookup(family, address)
    this.hops[slot] = this.#hop(route, family, address)
    this.mtus[slot] = route === null || route.arm < 0 ? 0 : route.mtu || this.arms[route.arm].mtu
    if (old >= 0) this.#release(old)
  }

  #hop(route: Route | null, family: number, address: Int32Array): number {
    if (route === null || route.kind === 'unreachable') return HOP_NONE
    if (route.kind === 'local') return HOP_LOCAL
    if (route.arm < 0) return HOP_NONE
    const [w0, w1, w2, w3] = route.gateway ?? address
    const slot = this.neighbours.acquire(route.arm, family, w0, w1, w2, w3, this.now)
    return slot === NONE ? HOP_NONE : slot
  }

  /** Row `slot` of `hops` leads nowhere any more. */
  forget(slot: number): void {
    if (this.hops[slot] >= 0) this.#release(this.hops[slot])
    this.hops[slot] = HOP_NONE
  }

  /** Frames that wait for a neighbour nobody uses any more must not go to the next in its slot. */
  #release(neighbour: number): void {
    if (this.neighbours.release(neighbour)) this.resolver.dropHeld(neighbour)
  }
}
