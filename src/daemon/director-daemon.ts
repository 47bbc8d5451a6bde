/**
 * The running director as the main thread sees it: rules judged and sent on, the surroundings kept
 * in step, listings read. It never touches a frame.
 *
 *   control socket --> apply() --> rehearse --> journal (on disk) --> own RuleBook
 *                                      |                                  |
 *                                   refused           worker (carries out between breaths)
 *                                                                         |
 *             VIPs: port filter, ARP, guard against the own kernel
 */
import { RuleBook } from '../balance/apply.js'
import { Balancer } from '../balance/balancer.js'
import { DEFAULT_LIMITS, type Limits } from '../balance/limits.js'
import { Region } from '../balance/region.js'
import { type RehearsedRefusal, rehearse } from '../balance/rehearsal.js'
import { type MarkRule, type Rule, RuleError } from '../balance/rule.js'
import { SCHEDULERS } from '../balance/schedulers/index.js'
import { DEFAULT_KERNEL, type FollowedKernel } from '../balance/thresholds.js'
import { accountFor, estimateAll, sourceOf } from '../control/accounts.js'
import { type ExplainedChoice, type NextQuestion, nextChoice } from '../control/choice.js'
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
import { Live } from '../control/live.js'
import { listConnections, listServices, type Source } from '../control/readers.js'
import type { TraceListener, TraceRequest } from '../control/trace.js'
import type { Mode } from '../engine/director-state.js'
import { readInterface } from '../native/interfaces.js'
import { countersOf } from './counters.js'
import { EngineFailure } from './engine-handle.js'
import { Grain } from './grain.js'
import { Guard } from './guard.js'
import type { EngineName, NeighbourReport } from './messages.js'
import { Network } from './network.js'
import {
  describeEngine,
  MtuWatch,
  type OpenedEngine,
  offloadWarnings,
  openEngine,
} from './open-engine.js'
import { presentRules } from './present-rules.js'
import type { RuleJournal } from './rule-journal.js'
import { changesServed, servedBy } from './served.js'
import { inPieces, Surround } from './surround.js'
import { sysctlValues } from './sysctl-values.js'
import { openTrace, Tracing } from './tracing.js'
import { warningsOf } from './warnings.js'
import type { Workers } from './workers.js'

/** How often it is asked whether the kernel has changed interfaces, addresses or routes. */
const LOOK_MS = 1_000
/** How often these are read again at most, however often they change. */
const READ_AGAIN_MS = 5_000
/**
 * A deleted destination is forgotten when nothing has referred to it for so long (Linux's trash).
 */
const TRASH_PERIOD_MS = 60_000
const TRASH_IDLE_MS = 120_000
/** Rules in an order: some hundred microseconds of a worker, in which no frame is taken. */
const RULES_PER_ORDER = 64

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
  /** How many share the frames; 1 if it is left out. */
  readonly workers?: number
  readonly limits?: Partial<Limits>
  /** Whose decisions are followed, where Linux's kernels differ. */
  readonly linux?: FollowedKernel
  /** Where changes are written down before they are carried out. */
  readonly journal?: RuleJournal
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
  #engine: Workers | null = null
  #opened: OpenedEngine | null = null
  readonly #mtuWatch = new MtuWatch()
  #guard: Guard | null = null
  #source: Source
  #surround: Surround | null = null
  #tracing: Tracing | null = null
  #isRestoring = false
  readonly #grain = new Grain()
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
    this.#source = sourceOf(this.#book, new Live([this.#book.balancer]))
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
    if (engine === 'none') return this.#keepLooking() // rules are judged by addresses there, too
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
    const { mode, quiet, linux, busyPollMicroseconds = 0, workers = 1 } = this.options
    this.#opened = await openEngine(engine, workers, {
      interfaces,
      busyPollMicroseconds,
      mode,
      quiet,
      kernel: linux ?? DEFAULT_KERNEL,
      limits: this.#limits,
      seed: Math.floor(Math.random() * 0x1_0000_0000) | 0,
    })
    this.#engine = this.#opened.workers
    for (const line of offloadWarnings(this.#opened, interfaces)) this.options.log(line)
    this.#network.remember()
    this.#source = sourceOf(this.#book, this.#engine.live)
    const tell = this.#engine
    this.#tracing = new Tracing(tell, this.#book, interfaces)
    this.#surround = new Surround(this.#network, this.#guard, this.options.arp, (order) =>
      tell.order(order),
    )
    await this.#surround.update(this.#book, this.#grain.value)
    this.#timers.push(setInterval(() => this.read(estimateAll), ESTIMATION_MS))
    this.#keepLooking()
  }

  /** The engine that runs, and how it takes frames: for the ready line. */
  describeEngine(): string {
    return this.#opened === null ? 'none' : describeEngine(this.#opened)
  }

  #keepLooking(): void {
    this.#lookAround()
    this.#timers.push(setInterval(() => this.#lookAround(), LOOK_MS))
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
      this.#network.close()
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

  /**
   * Takes over what a state has kept. It was accepted once: that an interface is gone or a network
   * has changed since then is no reason to forget it.
   */
  restore(rules: readonly Rule[]): Promise<Refusal | null> {
    const change = this.#lastChange.then(async () => {
      this.#isRestoring = true
      try {
        const refusal = this.#judge(rules)
        if (refusal === null) await this.#carryOut(rules)
        return refusal === null ? null : { ...refusal, applied: 0 }
      } finally {
        this.#isRestoring = false
      }
    })
    this.#lastChange = change.catch(() => undefined)
    return change
  }

  async #apply(rules: readonly Rule[], atomic: boolean): Promise<Refusal | null> {
    const refusal = this.#judge(rules)
    const applied = refusal === null ? rules.length : atomic ? 0 : refusal.index
    const accepted = applied === rules.length ? rules : rules.slice(0, applied)
    const all = () => presentRules(this.#book)
    try {
      this.options.journal?.write(accepted, all)
    } catch (error) {
      if (error instanceof RuleError) return { error, index: 0, applied: 0 }
      throw error
    }
    await this.#carryOut(accepted)
    this.options.journal?.tidy(all)
    return refusal === null ? null : { ...refusal, applied }
  }

  /** What of these rules is refused first; several workers must not have to exchange clients. */
  #judge(rules: readonly Rule[]): RehearsedRefusal | null {
    const refusal = rehearse(this.#book, rules)
    if ((this.#engine?.count ?? 1) === 1) return refusal
    const { connections4, connections6, templates } = this.#source.live
    const judged = rules.slice(0, refusal?.index)
    return this.#grain.refuse(judged, connections4 + connections6 + templates) ?? refusal
  }

  /** Rules that will not be refused. */
  async #carryOut(rules: readonly Rule[]): Promise<void> {
    const grain = JSON.stringify(this.#grain.value)
    for (const rule of rules) {
      this.#book.apply(rule)
      this.#grain.include(rule)
      accountFor(this.#source, rule)
    }
    for (const line of warningsOf(rules)) this.options.log(line)
    const engine = this.#engine
    if (engine === null || rules.length === 0) return
    const pieces = inPieces(rules, RULES_PER_ORDER)
    await Promise.all(pieces.map((piece) => engine.order({ do: 'rules', rules: piece })))
    const isCoarser = JSON.stringify(this.#grain.value) !== grain
    if (isCoarser || rules.some(changesServed)) {
      await this.#surround?.update(this.#book, this.#grain.value)
    }
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
    return sysctlValues(this.#book.balancer.sysctls, this.#engine ?? undefined)
  }

  /**
   * Lets somebody read, at once, between two changes of the rules: while a worker carries one out,
   * what a deleted service had counted is for a moment neither here nor there.
   */
  read<T>(look: (source: Source) => T): Promise<T> {
    const reading = this.#lastChange.then(() => look(this.#source))
    this.#lastChange = reading.catch(() => undefined)
    return reading
  }

  connections(): Generator<ConnectionListing> {
    return listConnections(this.#book, this.#source.live.parts)
  }

  async neighbours(): Promise<NeighbourReport[]> {
    return (await this.#engine?.neighbours()) ?? []
  }

  /** Whom it would choose for a connection that has not come; null: it has no such service. */
  async next(question: NextQuestion): Promise<ExplainedChoice | null> {
    const asked = this.#engine?.next(question, this.#grain.value)
    return (await asked) ?? nextChoice(this.#book, question)
  }

  announce = async (): Promise<void> => this.#engine?.announce()

  trace(request: TraceRequest, listener: TraceListener): Promise<() => void> {
    return this.#lastChange.then(() => openTrace(this.#tracing, request, listener))
  }

  /** Frames by verdict, and the numbers of the engine. */
  counters(): Counters {
    return countersOf(this.#engine)
  }

  status(): Status {
    const { interfaces, mode, arp, quiet, linux = DEFAULT_KERNEL } = this.options
    const { connections4, connections6, templates } = this.#source.live
    return {
      pid: process.pid,
      engine: this.#opened?.name ?? 'none',
      interfaces,
      mode,
      linux,
      arp,
      quiet,
      guard: this.#guard?.table ?? null,
      uptimeSeconds: Math.floor((Date.now() - this.startedAt) / 1000),
      vips: servedBy(this.#book).vips,
      services: [...this.#book.services()].length,
      workers: this.#engine?.count ?? 0,
      connections: connections4 + connections6,
      templates,
      limits: this.#limits,
    }
  }

  #makeBook(): RuleBook {
    const network = this.#network
    const surroundings = {
      isBroadcast: (address: string) => !this.#isRestoring && network.isBroadcast(address),
      isLocal: (address: string) => this.#isRestoring || network.isLocal(address),
      hasInterface: (name: string) => this.#isRestoring || network.hasInterface(name),
    }
    // The copy that judges needs room for all rules, and none for connections.
    const limits = { ...this.#limits, connections4: 1, connections6: 1, templates: 1 }
    const region = new Region(new ArrayBuffer(Balancer.bytes(limits)))
    return new RuleBook(region, limits, 0, SCHEDULERS, { surroundings })
  }

  #lookAround(): void {
    if (!this.#network.hasNews()) return
    const change = this.#lastChange.then(async () => {
      const lost = this.#network.lost()
      if (lost !== undefined) {
        return this.#becomeDeaf(new EngineFailure(`the interface ${lost} is gone`))
      }
      const modes = this.#engine?.modes ?? []
      const mtuOf = (name: string) => readInterface(name).mtu
      for (const line of this.#mtuWatch.warnings(modes, mtuOf)) this.options.log(line)
      const isNew = this.#network.refreshAfter(READ_AGAIN_MS)
      if (isNew) await this.#surround?.update(this.#book, this.#grain.value)
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
