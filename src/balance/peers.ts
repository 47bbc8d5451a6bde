/**
 * What one of several workers knows of the others, so that all of them decide as one director:
 *
 *   how many connections they have      read from their tables, for a service that is to choose,
 *                                       once a breath, into the columns "elsewhere" of the own
 *                                       table, where schedulers and thresholds add them up
 *   whose turn it is in a service       one word of common memory (`turn.ts`)
 *
 * Nothing is locked and nobody waits. A worker's own connections count at once, those of others
 * from the next breath on.
 */
import { DestinationTable } from './destination.js'
import type { Limits } from './limits.js'
import type { Region } from './region.js'
import { ServiceTable } from './service.js'
import type { Thresholds } from './thresholds.js'
import { Turn } from './turn.js'

const NONE = -1

/** What a worker has itself: a balancer's. */
export interface Tables {
  readonly services: ServiceTable
  readonly destinations: DestinationTable
  readonly thresholds: Thresholds
}

export class Peers {
  readonly #services: ServiceTable
  readonly #own: DestinationTable
  readonly #thresholds: Thresholds
  readonly #others: readonly DestinationTable[]
  readonly #turns: Int32Array
  /** Counts breaths; and in which one each service was looked at last. */
  #breath = 0
  readonly #lookedAt: Int32Array

  /** `others`: their destinations, to be read only; `turns`: a word a service, common to all. */
  constructor(
    { services, destinations, thresholds }: Tables,
    others: readonly DestinationTable[],
    turns: Int32Array,
  ) {
    this.#services = services
    this.#own = destinations
    this.#thresholds = thresholds
    this.#lookedAt = new Int32Array(services.capacity)
    this.#others = others
    this.#turns = turns
  }

  /** The destinations of a balancer whose tables begin where `region` does. */
  static destinationsIn(region: Region, limits: Limits): DestinationTable {
    new ServiceTable(region, limits.services)
    return new DestinationTable(region, limits.destinations)
  }

  turn(service: number): Turn {
    return new Turn(this.#turns, service)
  }

  /** A breath begins. */
  begin(): void {
    this.#breath = (this.#breath + 1) | 0
  }

  /** A destination of this service is to be chosen. */
  look(service: number): void {
    if (this.#lookedAt[service] === this.#breath) return
    this.#lookedAt[service] = this.#breath
    const own = this.#own
    for (let d = this.#services.head(service); d !== NONE; d = own.next(d)) this.#lookAt(d)
  }

  #lookAt(slot: number): void {
    const own = this.#own
    let active = 0
    let inactive = 0
    for (let i = 0; i < this.#others.length; i++) {
      active += this.#others[i].active(slot)
      inactive += this.#others[i].inactive(slot)
    }
    const before = own.totalOfAll(slot)
    own.setElsewhere(slot, active, inactive)
    this.#thresholds.changedElsewhere(slot, own.totalOfAll(slot) - before)
  }
}
