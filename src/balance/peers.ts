/**
 * What one of several workers knows of the others, so that all of them decide as one director:
 *
 *   how many connections they have      read from their tables at each tick into the columns
 *                                       "elsewhere" of the own one, where schedulers and thresholds
 *                                       add them up
 *   whose turn it is in a service       one word of common memory (`turn.ts`)
 *
 * Nothing is locked and nobody waits. A worker's own connections count at once, those of others
 * when they are a tick old at most.
 */
import { DestinationTable } from './destination.js'
import type { Limits } from './limits.js'
import type { Region } from './region.js'
import { ServiceTable } from './service.js'
import type { Thresholds } from './thresholds.js'
import { Turn } from './turn.js'

/** Destinations looked at in one tick: some ten microseconds for each other worker. */
const LOOKED_AT = 4096

export class Peers {
  readonly #own: DestinationTable
  readonly #thresholds: Thresholds
  readonly #others: readonly DestinationTable[]
  readonly #turns: Int32Array
  #next = 0

  /** `others`: their destinations, to be read only; `turns`: a word a service, common to all. */
  constructor(
    own: DestinationTable,
    thresholds: Thresholds,
    others: readonly DestinationTable[],
    turns: Int32Array,
  ) {
    this.#own = own
    this.#thresholds = thresholds
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

  /** To be called at each tick. */
  advance(): void {
    const end = Math.min(this.#own.highWater, this.#next + LOOKED_AT)
    for (; this.#next < end; this.#next++) this.#look(this.#next)
    if (this.#next >= this.#own.highWater) this.#next = 0
  }

  #look(slot: number): void {
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
