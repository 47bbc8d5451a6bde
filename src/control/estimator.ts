/**
 * Rates as the kernel shows them (`net/netfilter/ipvs/ip_vs_est.c`), and counters that `-Z` sets
 * back.
 *
 * Every 2 s the change of each counter since the last time is scaled and averaged with weight 1/4,
 * in whole numbers:
 *
 *                           connections, packets        bytes
 *   r is                    change << 9                 change << 4
 *   average grows by        (r - average) >> 2          (r - average) >> 2
 *   shown is                (average + 511) >> 10       (average + 15) >> 5
 *
 * The cells that a worker writes only ever grow; zero is a base that is subtracted. Rows belong to
 * slots of a table; a row whose epoch changed begins anew.
 */
import {
  STAT_CONNECTIONS,
  STAT_COUNT,
  STAT_IN_BYTES,
  STAT_IN_PACKETS,
  STAT_OUT_BYTES,
  STAT_OUT_PACKETS,
} from '../balance/destination.js'
import type { Rates, Statistics } from './listing.js'

export const ESTIMATION_MS = 2_000

/** Whatever has counters by slot and statistic. */
export interface Counted {
  statistic(slot: number, index: number): number
}

interface Row {
  epoch: number
  /** What the counters were when they were set to zero. */
  readonly base: Float64Array
  readonly last: Float64Array
  readonly average: Float64Array
}

const IS_BYTES = [STAT_IN_BYTES, STAT_OUT_BYTES]

export class Estimator {
  /** `run_estimation` 0: counters are shown as of the last estimation, and rates stand still. */
  isFrozen = false
  readonly #counted: Counted
  readonly #rows: (Row | undefined)[] = []

  constructor(counted: Counted) {
    this.#counted = counted
  }

  /** Two seconds have passed for this slot. */
  estimate(slot: number, epoch: number): void {
    const row = this.#row(slot, epoch)
    for (let i = 0; i < STAT_COUNT; i++) {
      const now = this.#counted.statistic(slot, i)
      const rate = (now - row.last[i]) * (IS_BYTES.includes(i) ? 16 : 512)
      row.average[i] += Math.floor((rate - row.average[i]) / 4)
      row.last[i] = now
    }
  }

  /**
   * `-Z`: counters and averages of a slot begin at zero. Linux knows counters only as of the last
   * estimation (`ip_vs_zero_stats`), so what came since then is counted still.
   */
  zero(slot: number, epoch: number): void {
    const row = this.#row(slot, epoch)
    row.base.set(row.last)
    row.average.fill(0)
  }

  statistics(slot: number, epoch: number): Statistics {
    const { base, last } = this.#row(slot, epoch)
    const now = (i: number) => (this.isFrozen ? last[i] : this.#counted.statistic(slot, i))
    const since = (i: number) => now(i) - base[i]
    return {
      connections: since(STAT_CONNECTIONS),
      inPackets: since(STAT_IN_PACKETS),
      outPackets: since(STAT_OUT_PACKETS),
      inBytes: since(STAT_IN_BYTES),
      outBytes: since(STAT_OUT_BYTES),
    }
  }

  rates(slot: number, epoch: number): Rates {
    const { average } = this.#row(slot, epoch)
    const perSecond = (i: number) => Math.floor((average[i] + 511) / 1024)
    const bytesPerSecond = (i: number) => Math.floor((average[i] + 15) / 32)
    return {
      connectionsPerSecond: perSecond(STAT_CONNECTIONS),
      inPacketsPerSecond: perSecond(STAT_IN_PACKETS),
      outPacketsPerSecond: perSecond(STAT_OUT_PACKETS),
      inBytesPerSecond: bytesPerSecond(STAT_IN_BYTES),
      outBytesPerSecond: bytesPerSecond(STAT_OUT_BYTES),
    }
  }

  #row(slot: number, epoch: number): Row {
    const row = this.#rows[slot]
    if (row?.epoch === epoch) return row
    const fresh = {
      epoch,
      base: new Float64Array(STAT_COUNT),
      last: new Float64Array(STAT_COUNT),
      average: new Float64Array(STAT_COUNT),
    }
    this.#rows[slot] = fresh
    return fresh
  }
}
