/**
 * How connections end: at their time, or, with `expire_nodest_conn`, soon after their destination
 * has been deleted (`ip_vs_expire_nodest_conn_flush`), whether or not they have another packet.
 */
import type { Balancer } from './balancer.js'
import { type ConnectionTable, NONE } from './connection.js'
import type { Expirer } from './timer-wheel.js'

/** The wheel's way to a table's connections. */
class ConnectionExpirer implements Expirer {
  readonly #balancer: Balancer
  readonly #table: ConnectionTable

  constructor(balancer: Balancer, table: ConnectionTable) {
    this.#balancer = balancer
    this.#table = table
  }

  expire(slot: number): void {
    this.#balancer.close(this.#table, slot)
  }
}

/**
 * Timers worked off between two batches: some 50 microseconds. What is left is done after the next
 * batch, not at the next tick, so a million that end at once are gone within half a second. (Linux
 * ends them all in one go, and its processor takes no frame meanwhile.)
 */
const BUDGET = 128

/** Ends what is due, in pieces. */
export class DueEndings {
  /** More was due than one piece holds: `advance` is to be called again soon. */
  isBehind = false
  readonly #balancer: Balancer
  readonly #expire4: ConnectionExpirer
  readonly #expire6: ConnectionExpirer

  constructor(balancer: Balancer) {
    this.#balancer = balancer
    this.#expire4 = new ConnectionExpirer(balancer, balancer.connections4)
    this.#expire6 = new ConnectionExpirer(balancer, balancer.connections6)
  }

  advance(): void {
    const { connections4, connections6, templates, persistence, tick } = this.#balancer
    let budget = connections4.wheel.advance(tick, this.#expire4, BUDGET)
    budget = connections6.wheel.advance(tick, this.#expire6, budget)
    budget = templates.wheel.advance(tick, persistence, budget)
    this.isBehind = budget === 0
  }

  /** All of it, where no frame waits. */
  finish(): void {
    while (this.isBehind) this.advance()
  }
}

/** Records looked at in one tick: a fraction of a millisecond. Linux has all done in one. */
const LOOKED_AT = 16_384

/** Looks for connections without destination, through all tables, a piece at each tick. */
export class OrphanSearch {
  readonly #balancer: Balancer
  #isDue = false
  /** The tick from which on it goes. */
  #from = 0
  #at4 = 0
  #at6 = 0
  #atTemplate = 0

  constructor(balancer: Balancer) {
    this.#balancer = balancer
  }

  /** A destination has been deleted: all tables are looked through, from the next tick on. */
  begin(): void {
    if (this.#balancer.sysctls.expire_nodest_conn === 0) return
    this.#isDue = true
    this.#from = (this.#balancer.tick + 1) | 0
    this.#at4 = this.#at6 = this.#atTemplate = 0
  }

  /** To be called at each tick. */
  advance(): void {
    const { connections4, connections6, templates, tick } = this.#balancer
    if (!this.#isDue || ((tick - this.#from) | 0) < 0) return
    this.#at4 = this.#look(connections4, this.#at4)
    this.#at6 = this.#look(connections6, this.#at6)
    const end = Math.min(templates.highWater, this.#atTemplate + LOOKED_AT)
    for (; this.#atTemplate < end; this.#atTemplate++) {
      if (templates.isUsed(this.#atTemplate)) this.#endTemplate(this.#atTemplate)
    }
    this.#isDue =
      this.#at4 < connections4.highWater ||
      this.#at6 < connections6.highWater ||
      this.#atTemplate < templates.highWater
  }

  #look(table: ConnectionTable, from: number): number {
    const end = Math.min(table.highWater, from + LOOKED_AT)
    for (let slot = from; slot < end; slot++) {
      if (!table.isUsed(slot) || !this.#isGone(table.destination(slot))) continue
      const template = table.control(slot)
      this.#balancer.close(table, slot)
      if (template !== NONE) this.#endTemplate(template)
    }
    return Math.max(from, end)
  }

  /** A template without destination ends with the last connection that it controls. */
  #endTemplate(template: number): void {
    const { templates, persistence } = this.#balancer
    if (templates.controls(template) > 0) return
    if (this.#isGone(templates.destination(template))) persistence.expire(template)
  }

  #isGone(destination: number): boolean {
    return destination !== NONE && !this.#balancer.destinations.isAvailable(destination)
  }
}
