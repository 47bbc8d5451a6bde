/**
 * A whole director without a network: rules, a port of memory or of a capture, and time as the
 * frames have it. Frames take the very path that they take in the running director (`Loop`,
 * `Director`).
 *
 *     const offline = new OfflineDirector(port, { rules, mode: 'textbook' })
 *     offline.advanceTo(timestampMs)        everything that was due until then happens
 *     offline.breathe()                     the frames that the port has
 */
import { RuleBook } from '../balance/apply.js'
import { Balancer } from '../balance/balancer.js'
import { DEFAULT_LIMITS, type Limits } from '../balance/limits.js'
import { Region } from '../balance/region.js'
import { type Rule, RuleError } from '../balance/rule.js'
import { SCHEDULERS } from '../balance/schedulers/index.js'
import { DEFAULT_KERNEL, type FollowedKernel } from '../balance/thresholds.js'
import { TICK_MS } from '../balance/timer-wheel.js'
import type { Mode } from '../engine/director-state.js'
import { Director } from '../engine/forward.js'
import { Loop, TICK_INTERVAL_MS } from '../engine/loop.js'
import type { Port } from '../engine/port.js'
import type { NeighbourTable } from '../link/neighbour.js'
import { VIPS_MAX } from '../link/vips.js'
import { addressKey, type Mac, madeUpMac, offlineRoutes, vipsOf } from './surroundings.js'

export interface OfflineOptions {
  readonly rules: readonly Rule[]
  readonly mode: Mode
  /** Send no answers to clients at all. */
  readonly quiet?: boolean
  /** MAC addresses of realservers by `addressKey()`; they stand whatever a capture says. */
  readonly macs?: ReadonlyMap<string, Mac>
  readonly limits?: Limits
  /** Whose decisions are followed, where Linux's kernels differ. */
  readonly linux?: FollowedKernel
}

/** A rule that the director refuses, and which one it was, from 0. */
export class RefusedRule extends Error {
  override readonly name = 'RefusedRule'
  readonly index: number

  constructor(message: string, index: number) {
    super(message)
    this.index = index
  }
}

/** Where the MAC address of a realserver comes from. */
export type MacOrigin = 'given' | 'seen' | 'made up'

/** Buckets of the hash tables depend on it: the same run has the same tables each time. */
const SEED = 0x5eed
/** Templates stay up to a minute longer than they are needed; fragments half a minute. */
const AFTERLIFE_MS = 120_000
/** These schedulers remember where an address went, and forget it when a day has passed. */
const SCHEDULERS_WITH_MEMORY: ReadonlySet<string> = new Set(['lblc', 'lblcr'])
const MEMORY_MS = 2 * 86_400_000

export class OfflineDirector {
  readonly book: RuleBook
  readonly director: Director
  readonly loop: Loop
  /** The director's clock in ms: begins at 0 and never goes back. */
  now = 0
  readonly #port: Port
  readonly #macs: ReadonlyMap<string, Mac>
  readonly #origins = new Map<number, MacOrigin>()
  #neighbourVersion = -1
  #lastMs = Number.NaN
  readonly #horizonMs: number

  /** @throws RefusedRule */
  constructor(port: Port, options: OfflineOptions) {
    const limits = options.limits ?? DEFAULT_LIMITS
    this.#port = port
    this.#macs = options.macs ?? new Map()
    this.book = new RuleBook(
      new Region(new ArrayBuffer(Balancer.bytes(limits))),
      limits,
      SEED,
      SCHEDULERS,
      { kernel: options.linux ?? DEFAULT_KERNEL },
    )
    const { mode, quiet = false } = options
    const { arms, outbox } = port
    this.director = new Director({ rules: this.book, arms, outbox, mode, quiet })
    this.director.setRoutes(offlineRoutes())
    this.#apply(options.rules)
    const vips = vipsOf(this.book)
    if (vips.length > VIPS_MAX) {
      throw new RefusedRule(`there can be ${VIPS_MAX} virtual IPs`, options.rules.length - 1)
    }
    // Twice, since VIPs that are new are announced: this director has stood for a while.
    this.director.setVips(vips.map((vip) => ({ ...vip, announced: false })))
    this.director.setVips(vips)
    this.#pinNeighbours()
    this.#horizonMs = this.#longestLife()
    this.loop = new Loop(port, this.director, () => this.now)
  }

  #apply(rules: readonly Rule[]): void {
    for (const [index, rule] of rules.entries()) {
      try {
        this.director.apply(rule)
      } catch (error) {
        if (error instanceof RuleError) throw new RefusedRule(error.message, index)
        throw error
      }
    }
  }

  /**
   * Lets time pass until a frame of this timestamp (ms) arrives. Ticks come as often as in a
   * running director while anything lives that they could end. A pause that outlives everything the
   * tables can hold is cut short, since what comes after can't tell it from a longer one:
   * timestamps of a capture may leap by centuries. Time never goes back, even where timestamps do.
   */
  advanceTo(timestampMs: number): void {
    const elapsed = Number.isNaN(this.#lastMs) ? 0 : timestampMs - this.#lastMs
    if (!(timestampMs <= this.#lastMs)) this.#lastMs = timestampMs
    if (elapsed > 0) {
      const until = this.now + Math.min(elapsed, this.#horizonMs)
      while (until - this.now > TICK_INTERVAL_MS && this.#isAnythingAlive()) {
        this.#tickAt(this.now + TICK_INTERVAL_MS)
      }
      this.#tickAt(until)
    }
  }

  #tickAt(now: number): void {
    this.now = now
    this.director.begin(now)
    this.director.tick()
    // No frame waits here: all that is due ends at its tick, as in Linux.
    this.director.balancer.due.finish()
    this.#port.flush()
  }

  #isAnythingAlive(): boolean {
    const { balancer, fragments, resolver } = this.director
    const { connections4, connections6, templates } = balancer
    const records = connections4.count + connections6.count + templates.count
    return records + fragments.kept.count + resolver.held.count > 0
  }

  /** Decides the frames that the port has now; how many there were. */
  breathe(): number {
    const count = this.loop.breathe()
    if (this.director.neighbours.version !== this.#neighbourVersion) this.#pinNeighbours()
    return count
  }

  /** Where the MAC address of a neighbour (by slot) comes from. */
  macOrigin(neighbour: number): MacOrigin {
    return this.#origins.get(neighbour) ?? 'made up'
  }

  /**
   * Every neighbour is known for ever: nobody would answer the director's questions. What the
   * capture's own ARP says of a realserver is believed, unless its MAC address was given.
   */
  #pinNeighbours(): void {
    const { neighbours } = this.director
    for (let slot = 0; slot < neighbours.highWater; slot++) {
      const family = neighbours.family(slot)
      const words = Int32Array.from([0, 1, 2, 3], (word) => neighbours.address(slot, word))
      const given = this.#macs.get(addressKey(family, words))
      const madeUp = madeUpMac(family, words)
      const mac = given ?? (neighbours.isUsable(slot) ? macOf(neighbours, slot) : madeUp)
      const isMadeUp = mac.high === madeUp.high && mac.low === madeUp.low
      this.#origins.set(slot, given !== undefined ? 'given' : isMadeUp ? 'made up' : 'seen')
      neighbours.pin(slot, mac.high, mac.low)
    }
    this.#neighbourVersion = neighbours.version
  }

  /** The longest that anything the director remembers can matter without traffic, in ms. */
  #longestLife(): number {
    const { balancer } = this.director
    const ticks = Math.max(balancer.udpTimeout, ...balancer.tcpTimeouts, ...balancer.sctpTimeouts)
    let persistenceS = 0
    let memoryMs = 0
    for (const slot of this.book.services()) {
      const { scheduler = '' } = this.book.serviceSettings[slot] ?? {}
      if (SCHEDULERS_WITH_MEMORY.has(scheduler)) memoryMs = MEMORY_MS
      persistenceS = Math.max(persistenceS, balancer.services.timeout(slot))
    }
    return ticks * TICK_MS + persistenceS * 1000 + AFTERLIFE_MS + memoryMs
  }
}

function macOf(neighbours: NeighbourTable, slot: number): Mac {
  return { high: neighbours.macHigh[slot], low: neighbours.macLow[slot] }
}
