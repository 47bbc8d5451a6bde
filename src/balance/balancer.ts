/**
 * The state of the director, and what a packet does to it: which service, which destination, which
 * state, which counter, which timer. Decision for decision what Linux IPVS does; the order of steps
 * is that of `ip_vs_in` (`net/netfilter/ipvs/ip_vs_core.c`).
 *
 * It knows nothing of frames: `engine/forward.ts` asks it. Rules change it through `apply.ts`.
 */
import {
  ConnectionTable,
  FLAG_INACTIVE,
  FLAG_NOOUTPUT,
  FLAG_ONE_PACKET,
  NONE,
} from './connection.js'
import { Defence } from './defence.js'
import { DestinationTable } from './destination.js'
import { EntryDropper } from './drop-entry.js'
import { DueEndings, OrphanSearch } from './endings.js'
import type { Limits } from './limits.js'
import { MarkTable } from './marks.js'
import type { Peers } from './peers.js'
import { Persistence } from './persistence.js'
import { Random } from './random.js'
import { type Region, regionBytes } from './region.js'
import { SCTP, TCP, UDP } from './rule.js'
import { Flow, type Scheduler } from './scheduler.js'
import { nextSctpState, SCTP_CLOSED, SCTP_ESTABLISHED, SCTP_TIMEOUTS_S } from './sctp-state.js'
import { FTP_PORT, SERVICE_ONE_PACKET, SERVICE_PERSISTENT, ServiceTable } from './service.js'
import { Sysctls } from './sysctl.js'
import { RST, SYN } from './tcp-flags.js'
import { CL, ES, FW, nextTcpState, TCP_ACTIVE, TCP_TIMEOUTS_S, TW } from './tcp-state.js'
import { TemplateTable } from './template.js'
import { DEFAULT_KERNEL, type FollowedKernel, Thresholds } from './thresholds.js'
import { TICK_MS, TICKS_PER_S } from './timer-wheel.js'

/** How long a connection lives until its first state (the kernel's `IP_VS_CONN` default: 3 s). */
const FIRST_TIMEOUT_TICKS = 3 * TICKS_PER_S
export const UDP_TIMEOUT_S = 300
const FTP_DATA_PORT = 20
const INIT = 1
const ABORT = 6

/** What `choose` answers when there is no connection to be made, next to a connection's slot. */
export const PASS_FTP_DATA = -2
export const NO_ROOM = -3

export class Balancer {
  readonly limits: Limits
  readonly kernel: FollowedKernel
  readonly services: ServiceTable
  readonly destinations: DestinationTable
  readonly connections4: ConnectionTable
  readonly connections6: ConnectionTable
  readonly templates: TemplateTable
  readonly persistence: Persistence
  readonly thresholds: Thresholds
  readonly sysctls = new Sysctls()
  readonly marks = new MarkTable()
  /** The scheduler of each service, by slot; null: `none`. */
  readonly schedulers: (Scheduler | null)[] = []
  /** Timeouts in ticks. */
  readonly tcpTimeouts = Int32Array.from(TCP_TIMEOUTS_S, (s) => s * TICKS_PER_S)
  readonly sctpTimeouts = Int32Array.from(SCTP_TIMEOUTS_S, (s) => s * TICKS_PER_S)
  udpTimeout = UDP_TIMEOUT_S * TICKS_PER_S
  /** Against more than there is memory for. */
  readonly defence: Defence
  readonly dropper: EntryDropper
  /** For schedulers that draw lots. */
  readonly random: Random
  /** The other workers, if there are any. */
  peers: Peers | null = null
  /** The tick of the current breath. */
  tick = 0
  /** Filled by the caller before `choose`. */
  readonly flow = new Flow()
  readonly orphans = new OrphanSearch(this)
  /** What is due, ended in pieces. */
  readonly due: DueEndings

  constructor(
    region: Region,
    limits: Limits,
    seed: number,
    kernel: FollowedKernel = DEFAULT_KERNEL,
  ) {
    this.limits = limits
    this.kernel = kernel
    this.services = new ServiceTable(region, limits.services)
    this.destinations = new DestinationTable(region, limits.destinations)
    this.connections4 = new ConnectionTable(region, 4, limits.connections4, seed)
    this.connections6 = new ConnectionTable(region, 6, limits.connections6, seed ^ 0x5bd1e995)
    this.templates = new TemplateTable(region, limits.templates, seed ^ 0x1b873593)
    const { services, destinations, templates, sysctls } = this
    this.persistence = new Persistence(services, destinations, templates, sysctls)
    this.thresholds = new Thresholds(this.destinations, kernel)
    this.defence = new Defence(this.sysctls, [this.connections4, this.connections6])
    this.dropper = new EntryDropper(this, seed)
    this.due = new DueEndings(this)
    this.random = new Random(seed, 0x41c64e6d)
  }

  /** Bytes of memory that a balancer of these limits needs. */
  static bytes(limits: Limits): number {
    return regionBytes(
      ...ServiceTable.pieces(limits.services),
      ...DestinationTable.pieces(limits.destinations),
      ...ConnectionTable.pieces(limits.connections4),
      ...ConnectionTable.pieces(limits.connections6),
      ...TemplateTable.pieces(limits.templates),
    )
  }

  /** Sets the clock for the frames to come; `now` in ms. The first call starts the wheels. */
  begin(now: number): void {
    this.tick = Math.floor(now / TICK_MS) | 0
    this.persistence.tick = this.tick
    this.peers?.begin()
  }

  start(now: number): void {
    this.begin(now)
    this.connections4.wheel.start(this.tick)
    this.connections6.wheel.start(this.tick)
    this.templates.wheel.start(this.tick)
    this.defence.start(this.tick)
    this.dropper.start(this.tick)
  }

  /** What a tick brings: timers, as far as `due` goes at once, and what the defence gives up. */
  expire(): void {
    this.due.advance()
    this.orphans.advance()
    this.defence.advance(this.tick)
    this.dropper.advance(this.tick)
  }

  /** May this packet open a connection? `event`: TCP flags, or the type of the first SCTP chunk. */
  opens(protocol: number, event: number): boolean {
    if (protocol === UDP) return true
    if (protocol === TCP) {
      if ((event & RST) !== 0) return false
      return (event & SYN) !== 0 || this.sysctls.sloppy_tcp !== 0
    }
    return event === INIT || (this.sysctls.sloppy_sctp !== 0 && event !== ABORT)
  }

  /**
   * Should this packet, which could open a connection, do so although one with its key exists
   * (`conn_reuse_mode`)? If so the old one is told to end at the next tick; its counts still stand
   * while the new one is scheduled, as in Linux.
   */
  reuses(table: ConnectionTable, slot: number, protocol: number, event: number): boolean {
    if (protocol === UDP || (protocol === TCP ? (event & SYN) === 0 : event !== INIT)) return false
    const destination = table.destination(slot)
    const drained =
      this.sysctls.expire_nodest_conn !== 0 &&
      destination !== NONE &&
      this.destinations.weight(destination) === 0
    if (!drained && !this.#isOver(table, slot, protocol)) return false
    table.wheel.reschedule(slot, this.tick)
    return true
  }

  #isOver(table: ConnectionTable, slot: number, protocol: number): boolean {
    const mode = this.sysctls.conn_reuse_mode
    if (mode === 0 || table.control(slot) !== NONE) return false
    const state = table.state(slot)
    if (protocol === SCTP) return state === SCTP_CLOSED
    if (state === TW || state === CL) return true
    return state === FW && (mode & 2) !== 0 && table.hasFlag(slot, FLAG_NOOUTPUT)
  }

  /**
   * Its destination is in its service's list. Bypass connections have none and need none, but what
   * looks at packets is gone with the last service.
   */
  isServable(table: ConnectionTable, slot: number): boolean {
    const destination = table.destination(slot)
    if (destination === NONE) return this.services.isServing(table.family)
    return this.destinations.isAvailable(destination)
  }

  /** For `expire_nodest_conn`: ends a connection whose destination is gone. */
  abandon(table: ConnectionTable, slot: number): void {
    table.wheel.reschedule(slot, this.tick)
  }

  /**
   * Chooses a destination for `flow` (persistence first, then the scheduler), and returns its slot;
   * NONE if there is none to be had, PASS_FTP_DATA for what Linux leaves alone, NO_ROOM if there is
   * no room for a template. The template, if any, is in `chosenTemplate`.
   */
  choose(service: number): number {
    const { flow, services } = this
    this.chosenTemplate = NONE
    if (flow.clientPort === FTP_DATA_PORT) return PASS_FTP_DATA
    if (services.hasFlag(service, SERVICE_PERSISTENT)) return this.#chooseAgain(service)
    const port = services.port(service)
    if (services.fwmark(service) === 0 && flow.vipPort !== port) {
      return port === FTP_PORT ? PASS_FTP_DATA : NONE
    }
    return this.#schedule(service)
  }

  /** As the client's template says, or by the scheduler and a new template. */
  #chooseAgain(service: number): number {
    let template = this.persistence.find(service, this.flow)
    if (template === NONE) {
      const destination = this.#schedule(service)
      if (destination === NONE) {
        const isFtpData = this.services.port(service) === FTP_PORT && this.flow.vipPort !== FTP_PORT
        return isFtpData ? PASS_FTP_DATA : NONE
      }
      template = this.persistence.remember(service, destination)
      if (template === NONE) return NO_ROOM
    }
    this.chosenTemplate = template
    return this.templates.destination(template)
  }

  /** May clients of this service go where they wanted to, if it has no destination for them? */
  bypasses(service: number): boolean {
    return this.sysctls.cache_bypass !== 0 && this.services.fwmark(service) !== 0
  }

  /** The template that the last `choose` found or made, or NONE. */
  chosenTemplate = NONE

  #schedule(service: number): number {
    this.peers?.look(service)
    return this.schedulers[service]?.choose(this.flow) ?? NONE
  }

  /**
   * Flags for the new connection to `destination`; after it has been inserted, `opened` counts it.
   */
  connectionFlags(service: number, protocol: number): number {
    const flags = FLAG_INACTIVE | FLAG_NOOUTPUT
    return protocol === UDP && this.services.hasFlag(service, SERVICE_ONE_PACKET)
      ? flags | FLAG_ONE_PACKET
      : flags
  }

  /** When a connection that has no state yet would expire, in ticks. */
  get firstDue(): number {
    return this.tick + FIRST_TIMEOUT_TICKS
  }

  /** Counts a connection that was just inserted, and ties it to the template of `choose`. */
  opened(table: ConnectionTable, slot: number, service: number): void {
    const destination = table.destination(slot)
    if (destination === NONE) return // a bypass connection counts for nobody
    const template = this.chosenTemplate
    this.destinations.addInactive(destination, 1)
    this.thresholds.bound(destination)
    this.destinations.countConnection(destination)
    this.services.countConnection(service)
    if (template !== NONE) {
      table.setControl(slot, template)
      this.persistence.control(template)
    }
  }

  /**
   * What a packet of a connection changes, in Linux's order: statistics, state, packet count,
   * timer. `event`: TCP flags, or the type of the SCTP chunk that decides, or -1 if the header is
   * too short to tell; `bytes`: length of the IP packet.
   */
  account(
    table: ConnectionTable,
    slot: number,
    protocol: number,
    event: number,
    bytes: number,
  ): void {
    const destination = table.destination(slot)
    if (destination !== NONE) {
      this.destinations.countInput(destination, bytes)
      this.services.countInput(this.destinations.service(destination), bytes)
    }
    let timeout = this.udpTimeout
    if (protocol === TCP) {
      let state = table.state(slot)
      if (event >= 0) {
        const next = nextTcpState(this.defence.tcpTable, state, event)
        if (next !== state) this.enterTcp(table, slot, destination, next)
        state = next
      }
      timeout = this.tcpTimeouts[state]
    } else if (protocol === SCTP) {
      let state = table.state(slot)
      if (event >= 0) {
        const next = nextSctpState(state, event)
        if (next !== state) this.#enterSctp(table, slot, destination, next)
        state = next
      }
      timeout = this.sctpTimeouts[state]
    }
    table.countPacket(slot)
    table.wheel.reschedule(slot, (this.tick + timeout) | 0)
  }

  /** Ends a connection of one packet (`-o`), which Linux counts on its template. */
  closeOnePacket(table: ConnectionTable, slot: number): void {
    const template = table.control(slot)
    if (template !== NONE) this.templates.countPacket(template)
    this.close(table, slot)
  }

  /** How long a connection in this state lives without a packet, in ticks. */
  timeout(protocol: number, state: number): number {
    if (protocol === TCP) return this.tcpTimeouts[state]
    return protocol === SCTP ? this.sctpTimeouts[state] : this.udpTimeout
  }

  /** Counts further bytes of a packet that was counted already: a later fragment. */
  accountMore(destination: number, bytes: number): void {
    if (destination === NONE || !this.destinations.isAvailable(destination)) return
    this.destinations.countBytes(destination, bytes)
    this.services.countBytes(this.destinations.service(destination), bytes)
  }

  /** Counts an ICMP error of `bytes` that the director sent about a connection of `destination`. */
  accountAnswer(destination: number, bytes: number): void {
    if (destination < 0 || destination >= this.destinations.capacity) return
    if (!this.destinations.isAvailable(destination)) return
    this.destinations.countOutput(destination, bytes)
    this.services.countOutput(this.destinations.service(destination), bytes)
  }

  /** Counts a packet that concerns a connection without being of it: an ICMP error. */
  accountRelated(table: ConnectionTable, slot: number, bytes: number): void {
    const destination = table.destination(slot)
    if (destination !== NONE && this.destinations.isAvailable(destination)) {
      this.destinations.countInput(destination, bytes)
      this.services.countInput(this.destinations.service(destination), bytes)
    }
    table.countPacket(slot)
  }

  enterTcp(table: ConnectionTable, slot: number, destination: number, next: number): void {
    table.setState(slot, next)
    this.#setActive(table, slot, destination, TCP_ACTIVE[next] === 1)
    if (next === ES) this.#assure(table, slot)
  }

  #enterSctp(table: ConnectionTable, slot: number, destination: number, next: number): void {
    table.setState(slot, next)
    this.#setActive(table, slot, destination, next === SCTP_ESTABLISHED)
    if (next === SCTP_ESTABLISHED) this.#assure(table, slot)
  }

  #assure(table: ConnectionTable, slot: number): void {
    const template = table.control(slot)
    if (template !== NONE) this.templates.assure(template)
  }

  #setActive(table: ConnectionTable, slot: number, destination: number, active: boolean): void {
    if (destination === NONE || table.hasFlag(slot, FLAG_INACTIVE) !== active) return
    if (active) table.clearFlag(slot, FLAG_INACTIVE)
    else table.setFlag(slot, FLAG_INACTIVE)
    this.destinations.addActive(destination, active ? 1 : -1)
    this.destinations.addInactive(destination, active ? -1 : 1)
  }

  /**
   * Ends a connection: out of the counts of its destination, off its template, out of the table.
   */
  close(table: ConnectionTable, slot: number): void {
    const destination = table.destination(slot)
    const template = table.control(slot)
    if (destination !== NONE) {
      if (table.hasFlag(slot, FLAG_INACTIVE)) this.destinations.addInactive(destination, -1)
      else this.destinations.addActive(destination, -1)
      this.thresholds.unbound(destination)
    }
    if (template !== NONE) this.persistence.release(template)
    table.remove(slot)
  }

  /** Load of a destination as the least-connection schedulers see it. */
  overhead(destination: number): number {
    const active = this.destinations.activeOfAll(destination)
    const rest = this.destinations.inactiveOfAll(destination)
    // The newer kernel adds the total where the older added the inactive ones.
    return (this.kernel === '6.1.176' ? 256 : 257) * active + rest
  }

  /** Nothing refers to this destination any more: it can be forgotten. */
  isUnreferenced(destination: number): boolean {
    const { destinations } = this
    return (
      !destinations.isAvailable(destination) &&
      destinations.total(destination) === 0 &&
      destinations.persistent(destination) === 0
    )
  }
}
