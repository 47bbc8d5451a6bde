/**
 * Thresholds (`-x`, `-y`) and the OVERLOAD flag by which schedulers pass over a full destination.
 * Connections count, active and inactive; templates do not. The two kernels that can be followed
 * differ: the older looks at the totals at each step, the newer only at the crossing.
 */
import { type DestinationTable, OVERLOAD } from './destination.js'

/** Kernels whose details can be followed. */
export const FOLLOWED_KERNELS = ['6.1.176', '6.1.192'] as const
export type FollowedKernel = (typeof FOLLOWED_KERNELS)[number]
export const DEFAULT_KERNEL: FollowedKernel = '6.1.176'

export class Thresholds {
  readonly #destinations: DestinationTable
  readonly #isOlder: boolean

  constructor(destinations: DestinationTable, kernel: FollowedKernel) {
    this.#destinations = destinations
    this.#isOlder = kernel === '6.1.176'
  }

  /** A connection was bound: is the destination now full? */
  bound(destination: number): void {
    const upper = this.#destinations.upper(destination)
    if (upper === 0) return
    const total = this.#destinations.totalOfAll(destination)
    if (this.#isOlder ? total >= upper : total === upper) {
      this.#destinations.setFlag(destination, OVERLOAD)
    }
  }

  /** A connection was unbound: has the destination room again? */
  unbound(destination: number): void {
    const upper = this.#destinations.upper(destination)
    const lower = this.#destinations.lower(destination)
    const total = this.#destinations.totalOfAll(destination)
    let hasRoom: boolean
    if (!this.#isOlder) hasRoom = total + 1 === lowerLimit(upper, lower)
    else if (lower !== 0) hasRoom = total < lower
    else hasRoom = upper === 0 || total * 4 < upper * 3
    if (hasRoom) this.#destinations.clearFlag(destination, OVERLOAD)
  }

  /** Other workers have `change` connections more, or fewer, than when they were last asked. */
  changedElsewhere(destination: number, change: number): void {
    const destinations = this.#destinations
    const upper = destinations.upper(destination)
    if (upper === 0 || change === 0) return
    const total = destinations.totalOfAll(destination)
    if (change > 0) {
      if (total >= upper) destinations.setFlag(destination, OVERLOAD)
    } else if (this.#hasRoom(total, upper, destinations.lower(destination))) {
      destinations.clearFlag(destination, OVERLOAD)
    }
  }

  /** By the rule of the kernel that is followed, at whatever total one arrives. */
  #hasRoom(total: number, upper: number, lower: number): boolean {
    if (!this.#isOlder) return total < lowerLimit(upper, lower)
    return lower !== 0 ? total < lower : total * 4 < upper * 3
  }

  /** Thresholds were set anew: by an edit, or when a destination came back from the trash. */
  changed(destination: number, oldUpper: number, oldLower: number): void {
    const destinations = this.#destinations
    const upper = destinations.upper(destination)
    const lower = destinations.lower(destination)
    const total = destinations.totalOfAll(destination)
    if (this.#isOlder) {
      if (upper === 0 || upper > oldUpper) destinations.clearFlag(destination, OVERLOAD)
      return
    }
    if (upper === oldUpper && lower === oldLower) return
    if (upper === 0) destinations.clearFlag(destination, OVERLOAD)
    else if (total >= upper) destinations.setFlag(destination, OVERLOAD)
    else if (total < lowerLimit(upper, lower)) destinations.clearFlag(destination, OVERLOAD)
  }
}

/** Without a lower threshold a destination has room again below three quarters of the upper one. */
function lowerLimit(upper: number, lower: number): number {
  return lower !== 0 ? lower : upper - (upper >> 2)
}
