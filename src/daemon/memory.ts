/**
 * What a worker publishes: one piece of memory that it writes and the main thread reads.
 *
 *   cells       verdict counts and the numbers named below (float64)       writer: the worker
 *   loop        how long breaths take (`loop-meter.ts`)                    writer: the worker
 *   turns       whose turn it is in each service (`balance/turn.ts`); of the first worker's
 *               memory, that of the others lies idle                       writers: all workers
 *   traced      frames on their way to who traces (`engine/trace-ring.ts`)    writer: the worker
 *   tables      services, destinations, connections, templates             writer: the worker
 *
 * Other workers read the destinations (`balance/peers.ts`). The main thread never writes here. Each
 * number is consistent by itself; two of them may be a few frames apart.
 */
import { Balancer } from '../balance/balancer.js'
import type { Limits } from '../balance/limits.js'
import { Region, regionBytes } from '../balance/region.js'
import { TRACE_RING_BYTES } from '../engine/trace-ring.js'
import { VERDICT_COUNT } from '../engine/verdict.js'
import { LOOP_CELLS } from './loop-meter.js'

/** Cells behind the verdict counts. */
export const CELL_NAMES = [
  'frames',
  'breaths',
  'tick',
  'ringDrops',
  'sendErrors',
  'ownFrames',
  'heldFrames',
  'outboxOverflows',
  'entriesDropped',
  'dropEntry',
  'dropPacket',
  'secureTcp',
  /** Since the worker began, in ms. */
  'aliveMs',
  /** How much of the fullest ring waits for us, 0 to 1; -1 where nobody knows. */
  'ringOccupancy',
  /** Readers for whom frames are looked at (`uipvs trace`). */
  'traces',
] as const
export type CellName = (typeof CELL_NAMES)[number]

export class WorkerMemory {
  readonly counts: Float64Array
  readonly #cells: Float64Array
  readonly loop: Float64Array
  readonly turns: Int32Array
  readonly #traced: Uint8Array
  /** Where the tables begin: for the worker's RuleBook, or a reader's Balancer. */
  readonly region: Region

  constructor(buffer: ArrayBufferLike, limits: Limits) {
    this.region = new Region(buffer)
    this.counts = this.region.float64(VERDICT_COUNT)
    this.#cells = this.region.float64(CELL_NAMES.length)
    this.loop = this.region.float64(LOOP_CELLS)
    this.turns = this.region.int32(limits.services)
    this.#traced = this.region.uint8(TRACE_RING_BYTES)
  }

  static bytes(limits: Limits): number {
    const cells = regionBytes(VERDICT_COUNT * 8, CELL_NAMES.length * 8, LOOP_CELLS * 8)
    const rest = regionBytes(limits.services * 4, TRACE_RING_BYTES)
    return cells + rest + Balancer.bytes(limits)
  }

  /** For the writer of traced frames, and for their reader. */
  get traced(): Region {
    return new Region(this.#traced.buffer, this.#traced.byteOffset)
  }

  get(name: CellName): number {
    return this.#cells[CELL_NAMES.indexOf(name)]
  }

  set(name: CellName, value: number): void {
    this.#cells[CELL_NAMES.indexOf(name)] = value
  }
}
