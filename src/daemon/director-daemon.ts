/**
 * The running director as the main thread sees it: rules judged and sent on, the surroundings kept
 * in step, listings read. It never touches a frame.
 *
 *   control socket --> apply() --> own RuleBook (judges) --> worker (carries out between breaths)
 *                                      |
 *                                      +--> VIPs: port filter, ARP, guard against the own kernel
 */
import { RuleBook } from '../balance/apply.js'
import { Balancer } from '../balance/balancer.js'
import { DEFAULT_LIMITS, type Limits } from '../balance/limits.js'
import { Region } from '../balance/region.js'
import { type MarkRule, type Rule, RuleError } from '../balance/rule.js'
import { SCHEDULERS } from '../balance/schedulers/index.js'
import type { FollowedKernel } from '../balance/thresholds.js'
import { accountFor, estimateAll, sourceOf } from '../control/accounts.js'
import { ESTIMATION_MS } from '../control/estimator.js'
import {
  type ConnectionListing,
  type Counters,
  type Status,
  type SysctlValues,
  TABLE_SIZE,
  TABLE_VERSION,
  type TableListing,
} from '../control/listing.js'
import { listConnections, listServices, type Source } from '../control/readers.js'
import type { Mode } from '../engine/director-state.js'
import { ENDINGS } from '../engine/verdict.js'
import { EngineFailure, type EngineHandle } from './engine-handle.js'
import { Guard } from './guard.js'
import { LOOP_CELLS, loopTimes } from './loop-meter.js'
import { CELL_NAMES } from './memory.js'
import type { EngineName, NeighbourReport } from './messages.js'
import { Network } from './network.js'
import { describeEngine, type OpenedEngine, offloadWarnings, openEngine } from './open-engine.js'
import { servedBy, sharedWithKernel } from './served.js'
import { sysctlValues } from './sysctl-values.js'

/** How often the kernel's addresses and routes are looked at. */
const NETWORK_MS = 5_000
/**
 * A deleted destination is forgotten when nothing has referred to it for so long (Linux's trash).
 */
const TRASH_PERIOD_MS = 60_000
const TRASH_IDLE_MS = 120_000

export interface DaemonOptions {
  readonly interfaces: readonly string[]
  /** `none`: no frames, rules only. `auto`: the fastest that can be had here. */
  readonly engine: EngineName | 'auto' | 'none'
  /** See `WorkerStart`. */
  readonly busyPollMicroseconds?: number
  readonly mode: Mode
  /** False: somebody else answers ARP for the VIPs. */
  readonly arp: boolean
  readonly quiet: boolean
  /** False: the own kernel is not kept from answering (`--no-guard`). */
  readonly guard: boolean
  readonly limits?: Partial<Limits>
  readonly kernel?: FollowedKernel
  readonly log: (line: string) => void
}

/** A rule of a list was refused; those before it were carried out unless the list was atomic. */
export interface Refusal {
  readonly error: RuleError
  readonly index: number
  readonly applied: number
}

export class DirectorDaemon {
  readonly options: DaemonOptions
  readonly #network: Network
  readonly #book: RuleBook
  readonly #limits: Limits
  readonly #timers: NodeJS.Timeout[] = []
  readonly #idleSince = new Map<number, number>()
  #engine: EngineHandle | null = null
  #opened: OpenedEngine | null = null
  #guard: Guard | null = null
  #source: Source
  #served = ''
  #lastChange: Promise<unknown> = Promise.resolve()
  #becomeDeaf: (reason: Error) => void = () => {}
  readonly #deaf = new Promise<Error>((resolve) => {
    this.#becomeDeaf = resolve
  })
  readonly startedAt = Date.now()

  constructor(options: DaemonOptions) {
    this.options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#network = new Network(options.interfaces)
    this.#book = this.#makeBook()
    this.#source = sourceOf(this.#book, this.#book.balancer)
  }

  /**
   * Opens the engine and the guard. Rejects, with everything undone, if one can't be had. Rules
   * that come meanwhile wait until it is done, or the engine would never hear of them.
   */
  start(): Promise<void> {
    const starting = this.#start()
    this.#lastChange = starting.catch(() => undefined)
    return starting
  }

  async #start(): Promise<void> {
    const { engine } = this.options
    if (engine === 'none') return this.#judgeOnly()
    this.#network.refresh()
    const { interfaces } = this.options
    if (this.options.guard) {
      // What directors that were killed have left behind goes first.
      for (const table of Guard.cleanStale())
        this.options.log(`removed ${table}, left by a director that is gone`)
      const guard = new Guard({ interfaces })
      guard.assertFree()
      this.#guard = guard
    }
    const { mode, quiet, kernel, busyPollMicroseconds = 0 } = this.options
    this.#opened = await openEngine(engine, {
      interfaces,
      busyPollMicroseconds,
      mode,
      quiet,
      kernel: kernel ?? '6.1.176',
      limits: this.#limits,
      seed: Math.floor(Math.random() * 0x1_0000_0000) | 0,
    })
    this.#engine = this.#opened.handle
    for (const line of offloadWarnings(this.#opened, interfaces)) this.options.log(line)
    this.#network.remember()
    this.#source = sourceOf(this.#book, this.#engine.tables)
    await this.#surround()
    this.#timers.push(setInterval(() => this.#lookAround(), NETWORK_MS))
    this.#timers.push(setInterval(() => this.read(estimateAll), ESTIMATION_MS))
    this.#timers.push(setInterval(() => this.#reap(), TRASH_PERIOD_MS))
  }

  /** The engine that runs, and how it takes frames: for the ready line. */
  describeEngine(): string {
    return this.#opened === null ? 'none' : describeEngine(this.#opened)
  }

  /** Without frames there are still addresses to judge rules by, and a trash to be emptied. */
  #judgeOnly(): void {
    this.#lookAround()
    this.#timers.push(setInterval(() => this.#lookAround(), NETWORK_MS))
    this.#timers.push(setInterval(() => this.#reap(), TRASH_PERIOD_MS))
  }

  /** Settles when the engine has ended by itself, or hears nothing any more. Never without one. */
  get gone(): Promise<Error | undefined> {
    if (this.#engine === null) return new Promise(() => {})
    return Promise.race([this.#engine.gone, this.#deaf])
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    try {
      await this.#engine?.stop()
    } finally {
      this.#guard?.remove()
    }
  }

  /**
   * Carries out rules in order. With `atomic` all of them or none; else up to the first that is
   * refused. Resolves when the frames that come next are decided by the new rules.
   */
  apply(rules: readonly Rule[], atomic: boolean): Promise<Refusal | null> {
    const change = this.#lastChange.then(() => this.#apply(rules, atomic))
    this.#lastChange = change.catch(() => undefined)
    return change
  }

  async #apply(rules: readonly Rule[], atomic: boolean): Promise<Refusal | null> {
    if (atomic) {
      const refusal = this.#rehearse(rules)
      if (refusal !== null) return refusal
    }
    let refusal: Refusal | null = null
    const accepted: Rule[] = []
    for (const rule of rules) {
      try {
        this.#book.apply(rule)
        accountFor(this.#source, rule)
        accepted.push(rule)
      } catch (error) {
        if (!(error instanceof RuleError)) throw error
        refusal = { error, index: accepted.length, applied: accepted.length }
        break
      }
    }
    if (this.#engine !== null && accepted.length > 0) {
      await this.#engine.order({ do: 'rules', rules: accepted })
      await this.#surround()
    }
    return refusal
  }

  /** Tries rules on a copy of what there is, so that a list can be refused as a whole. */
  #rehearse(rules: readonly Rule[]): Refusal | null {
    const copy = this.#makeBook()
    for (const rule of this.rules()) copy.apply(rule)
    for (const [index, rule] of rules.entries()) {
      try {
        copy.apply(rule)
      } catch (error) {
        if (error instanceof RuleError) return { error, index, applied: 0 }
        throw error
      }
    }
    return null
  }

  /** The rules that lead to the present services and destinations. */
  *rules(): Generator<Rule> {
    for (const rule of this.#book.marks.rules) yield { op: 'add-mark', rule }
    for (const listing of listServices(this.#source, new Map())) {
      const { service, settings } = listing
      yield { op: 'add-service', service, settings }
      for (const d of listing.destinations.toReversed()) {
        const { address, port, method, weight, upperThreshold, lowerThreshold, tunnel } = d
        yield {
          op: 'add-destination',
          service,
          destination: { address, port },
          settings: { method, weight, upperThreshold, lowerThreshold, tunnel },
        }
      }
    }
    for (const daemon of this.#book.daemons) yield { op: 'start-daemon', daemon }
  }

  async table(): Promise<TableListing> {
    const { tcpTimeouts, udpTimeout } = this.#book.balancer
    const macs = new Map<string, string>()
    for (const neighbour of await this.neighbours()) {
      if (neighbour.mac !== null) macs.set(neighbour.address, neighbour.mac)
    }
    return {
      version: TABLE_VERSION,
      size: TABLE_SIZE,
      services: listServices(this.#source, macs),
      timeouts: { tcp: tcpTimeouts[1] / 100, tcpfin: tcpTimeouts[4] / 100, udp: udpTimeout / 100 },
      daemons: this.#book.daemons,
    }
  }

  marks(): readonly MarkRule[] {
    return this.#book.marks.rules
  }

  sysctls(): SysctlValues {
    return sysctlValues(this.#book.balancer.sysctls, this.#engine?.memory)
  }

  /**
   * Lets somebody read, at once, between two changes of the rules: while a worker carries one out,
   * what a deleted service had counted is for a moment neither here nor there. `tick` is the
   * worker's clock.
   */
  read<T>(look: (source: Source, tick: number) => T): Promise<T> {
    const reading = this.#lastChange.then(() => look(this.#source, this.#tick))
    this.#lastChange = reading.catch(() => undefined)
    return reading
  }

  get #tick(): number {
    return this.#engine?.memory.get('tick') ?? 0
  }

  connections(): Generator<ConnectionListing> {
    return listConnections(this.#book, this.#source.live, this.#tick)
  }

  async neighbours(): Promise<NeighbourReport[]> {
    return (await this.#engine?.order({ do: 'neighbours' })) ?? []
  }

  async announce(): Promise<void> {
    await this.#engine?.order({ do: 'announce' })
  }

  /** Frames by verdict, and the numbers of the engine. */
  counters(): Counters {
    const memory = this.#engine?.memory
    const verdicts = ENDINGS.map((e, i) => [e.name, memory?.counts[i] ?? 0] as const)
    const engine = CELL_NAMES.map((name) => [name, memory?.get(name) ?? 0] as const)
    return {
      verdicts: Object.fromEntries(verdicts),
      engine: Object.fromEntries(engine),
      loop: loopTimes(memory?.loop ?? new Float64Array(LOOP_CELLS)),
    }
  }

  status(): Status {
    const { interfaces, mode, arp, quiet } = this.options
    const { connections4, connections6, templates } = this.#source.live
    return {
      pid: process.pid,
      engine: this.#opened?.name ?? 'none',
      interfaces,
      mode,
      arp,
      quiet,
      guard: this.#guard?.table ?? null,
      uptimeSeconds: Math.floor((Date.now() - this.startedAt) / 1000),
      vips: servedBy(this.#book).vips,
      services: [...this.#book.services()].length,
      connections: connections4.count + connections6.count,
      templates: templates.count,
      limits: this.#limits,
    }
  }

  #makeBook(): RuleBook {
    // The copy that judges needs room for all rules, and none for connections.
    const limits = { ...this.#limits, connections4: 1, connections6: 1, templates: 1 }
    const region = new Region(new ArrayBuffer(Balancer.bytes(limits)))
    return new RuleBook(region, limits, 0, SCHEDULERS, { surroundings: this.#network })
  }

  /** Brings port, neighbours and guard in step with the rules and the kernel's addresses. */
  async #surround(): Promise<void> {
    if (this.#engine === null) return
    const { vips: served, services } = servedBy(this.#book)
    const vips = this.#network.vips(served, this.options.arp)
    const guarded = this.#network.guarded(served, services, this.options.arp)
    // First the own kernel is silenced, then frames are taken: no frame is answered twice.
    this.#guard?.update(guarded)
    const surrounding = {
      vips,
      served,
      shared: sharedWithKernel(guarded),
      routes: this.#network.routes(),
      own: this.#network.own(served),
    }
    const text = JSON.stringify(surrounding)
    if (text === this.#served) return
    this.#served = text
    await this.#engine.order({ do: 'surrounding', surrounding })
  }

  #lookAround(): void {
    const change = this.#lastChange.then(async () => {
      const lost = this.#network.lost()
      if (lost !== undefined) {
        return this.#becomeDeaf(new EngineFailure(`the interface ${lost} is gone`))
      }
      if (this.#network.refresh()) await this.#surround()
    })
    this.#lastChange = change.catch((error) =>
      this.options.log(`the network could not be read again: ${error.message}`),
    )
  }

  /** Linux's trash: stamped when found idle, forgotten when it has been idle long enough. */
  #reap(): void {
    const now = performance.now()
    const slots: number[] = []
    for (const slot of this.#book.trash()) {
      if (!this.#source.live.isUnreferenced(slot)) this.#idleSince.delete(slot)
      else if (!this.#idleSince.has(slot)) this.#idleSince.set(slot, now)
      else if (now - (this.#idleSince.get(slot) as number) >= TRASH_IDLE_MS) slots.push(slot)
    }
    for (const slot of slots) this.#idleSince.delete(slot)
    if (slots.length > 0) this.apply([{ op: 'reap', slots }], false)
  }
}
