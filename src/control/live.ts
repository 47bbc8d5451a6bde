/**
 * What traffic has made of the rules, read from the tables that the workers write: each has its
 * own, with the same services and destinations in the same slots, and connections of its own.
 * Listings show sums.
 */
import type { Balancer } from '../balance/balancer.js'

/** The tables of one worker, and the tick at which they stand: each has a clock of its own. */
export interface Part {
  readonly tables: Balancer
  readonly tick: number
}

/** The tick of a worker whose tables are these, now. */
export type TickOf = (index: number) => number

export class Live {
  readonly services: ServiceSums
  readonly destinations: DestinationSums
  readonly #tables: readonly Balancer[]
  readonly #tickOf: TickOf

  constructor(tables: readonly Balancer[], tickOf: TickOf = (i) => tables[i].tick) {
    this.#tables = tables
    this.#tickOf = tickOf
    this.services = new ServiceSums(tables)
    this.destinations = new DestinationSums(tables)
  }

  /** The workers' tables one by one, as of now. */
  get parts(): Part[] {
    return this.#tables.map((tables, i) => ({ tables, tick: this.#tickOf(i) }))
  }

  get connections4(): number {
    return this.#sum(({ connections4 }) => connections4.count)
  }

  get connections6(): number {
    return this.#sum(({ connections6 }) => connections6.count)
  }

  get templates(): number {
    return this.#sum(({ templates }) => templates.count)
  }

  /** Nothing in any worker refers to this destination any more. */
  isUnreferenced(destination: number): boolean {
    return this.#tables.every((tables) => tables.isUnreferenced(destination))
  }

  #sum(count: (tables: Balancer) => number): number {
    return this.#tables.reduce((sum, tables) => sum + count(tables), 0)
  }
}

class ServiceSums {
  /** The row of the whole director, as in `ServiceTable`. */
  readonly capacity: number
  readonly #tables: readonly Balancer[]

  constructor(tables: readonly Balancer[]) {
    this.#tables = tables
    this.capacity = tables[0].services.capacity
  }

  statistic(slot: number, index: number): number {
    return this.#tables.reduce((sum, { services }) => sum + services.statistic(slot, index), 0)
  }
}

class DestinationSums {
  readonly #tables: readonly Balancer[]

  constructor(tables: readonly Balancer[]) {
    this.#tables = tables
  }

  statistic(slot: number, index: number): number {
    return this.#tables.reduce((sum, { destinations: d }) => sum + d.statistic(slot, index), 0)
  }

  active(slot: number): number {
    return this.#tables.reduce((sum, { destinations }) => sum + destinations.active(slot), 0)
  }

  inactive(slot: number): number {
    return this.#tables.reduce((sum, { destinations }) => sum + destinations.inactive(slot), 0)
  }

  persistent(slot: number): number {
    return this.#tables.reduce((sum, { destinations }) => sum + destinations.persistent(slot), 0)
  }
}
