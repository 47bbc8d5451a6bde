/**
 * `drop_entry` (`ip_vs_random_dropentry`): while the defence is on, a 32nd of the buckets is looked
 * at each second, picked at random, and what costs little to lose is ended:
 *
 *   TCP in SYN_RECV, SYNACK; SCTP in INIT1, INIT           ended
 *   TCP and SCTP ESTABLISHED, all of UDP                   ended if idle and few packets, see below
 *   all other states                                       kept
 *   template that controls connections                     kept
 *   template, ASSURED                                      kept
 *   template, not ASSURED                                  ended
 *   template of a one-packet service                       as UDP
 *
 * "Idle and few packets": for a minute without a packet, and 1 to 8 of them before; of those with n
 * packets every n-th. Linux looks at all buckets of a second in one go; here each tick has its
 * share, so that frames do not wait.
 */
import type { Balancer } from './balancer.js'
import { type ConnectionTable, NONE } from './connection.js'
import { Random } from './random.js'
import { SCTP, TCP } from './rule.js'
import { SCTP_ESTABLISHED, SCTP_INIT, SCTP_INIT1 } from './sctp-state.js'
import { SERVICE_ONE_PACKET } from './service.js'
import { ES, SA, SR } from './tcp-state.js'
import { TICKS_PER_S } from './timer-wheel.js'

const IDLE_TICKS = 60 * TICKS_PER_S
const PACKETS_MAX = 8
/** A second's share of all buckets is one in 2^5. */
const SHARE_BITS = 5

export class EntryDropper {
  /** Connections and templates ended so far. */
  dropped = 0
  readonly #balancer: Balancer
  readonly #random: Random
  /** By number of packets: so many candidates more, and one is ended. */
  readonly #countdown = new Int32Array(PACKETS_MAX + 1)
  /** The tick that was worked on last. */
  #tick = 0

  constructor(balancer: Balancer, seed: number) {
    this.#balancer = balancer
    this.#random = new Random(seed, 0x2545f491)
  }

  start(tick: number): void {
    this.#tick = tick
  }

  /** To be called at each tick; catches up with ticks that were missed. */
  advance(tick: number): void {
    const { connections4, connections6, templates, defence } = this.#balancer
    if (!defence.dropsEntries) {
      this.#tick = tick
      return
    }
    while (((tick - this.#tick) | 0) > 0) {
      this.#tick = (this.#tick + 1) | 0
      this.#look(connections4)
      this.#look(connections6)
      for (let n = this.#share(templates.buckets); n > 0; n--) {
        const bucket = this.#random.next() & (templates.buckets - 1)
        for (let slot = templates.first(bucket); slot !== NONE; ) {
          const next = templates.next(slot)
          if (this.#losesTemplate(slot)) this.#endTemplate(slot)
          slot = next
        }
      }
    }
  }

  #look(table: ConnectionTable): void {
    for (let n = this.#share(table.buckets); n > 0; n--) {
      const bucket = this.#random.next() & (table.buckets - 1)
      for (let slot = table.first(bucket); slot !== NONE; ) {
        const next = table.next(slot)
        if (this.#loses(table, slot)) this.#end(table, slot)
        slot = next
      }
    }
  }

  /** Buckets to look at in this tick: all ticks of a second together have a 32nd of them. */
  #share(buckets: number): number {
    const perSecond = buckets >>> SHARE_BITS
    const tick = (this.#tick >>> 0) % TICKS_PER_S
    return (
      Math.floor((perSecond * (tick + 1)) / TICKS_PER_S) -
      Math.floor((perSecond * tick) / TICKS_PER_S)
    )
  }

  #loses(table: ConnectionTable, slot: number): boolean {
    const protocol = table.protocol(slot)
    const state = table.state(slot)
    if (protocol === TCP) {
      if (state === SR || state === SA) return true
      if (state !== ES) return false
    } else if (protocol === SCTP) {
      if (state === SCTP_INIT1 || state === SCTP_INIT) return true
      if (state !== SCTP_ESTABLISHED) return false
    }
    const lastPacket = (table.due(slot) - this.#balancer.timeout(protocol, state)) | 0
    return this.#isTurn(lastPacket, table.packets(slot))
  }

  #losesTemplate(slot: number): boolean {
    const { templates, destinations, services } = this.#balancer
    if (templates.controls(slot) > 0) return false
    const destination = templates.destination(slot)
    const isOnePacket =
      destinations.isAvailable(destination) &&
      services.hasFlag(destinations.service(destination), SERVICE_ONE_PACKET)
    if (!isOnePacket) return !templates.isAssured(slot)
    const lastConnection = (templates.due(slot) - templates.timeout(slot)) | 0
    return this.#isTurn(lastConnection, templates.packets(slot))
  }

  /** Is it this candidate's turn, whose timer was last started at `since`? */
  #isTurn(since: number, packets: number): boolean {
    if (((this.#balancer.tick - since) | 0) < IDLE_TICKS) return false
    if (packets < 1 || packets > PACKETS_MAX) return false
    if (--this.#countdown[packets] > 0) return false
    this.#countdown[packets] = packets
    return true
  }

  /** Ends a connection, and with it a template that is no longer needed and not worth keeping. */
  #end(table: ConnectionTable, slot: number): void {
    const balancer = this.#balancer
    const template = table.control(slot)
    balancer.close(table, slot)
    this.dropped++
    if (template === NONE || balancer.templates.controls(template) > 0) return
    if (!balancer.templates.isAssured(template)) this.#endTemplate(template)
  }

  #endTemplate(slot: number): void {
    this.#balancer.persistence.expire(slot)
    this.dropped++
  }
}
