/** What the tests of lc and wlc share: random loads and weights, and the rule asked of an array. */
import fc from 'fast-check'
import { OVERLOAD } from '../../../src/balance/destination.js'
import type { FollowedKernel } from '../../../src/balance/thresholds.js'
import { addDestination, addService, key, makeBook, picks, SEED, slotOf } from '../rule-book.js'

export interface Load {
  readonly weight: number
  readonly active: number
  readonly inactive: number
  readonly over: boolean
}

/** Overhead as the two kernels count it, exactly. */
export function overheadOf(load: Load, kernel: FollowedKernel): bigint {
  const factor = kernel === '6.1.176' ? 256n : 257n
  return factor * BigInt(load.active) + BigInt(load.inactive)
}

const load: fc.Arbitrary<Load> = fc.record({
  weight: fc.oneof(fc.nat({ max: 4 }), fc.constantFrom(65535, 2_147_483_647)),
  active: fc.oneof(fc.nat({ max: 3 }), fc.constantFrom(257, 1_000_000, 2_000_000_000)),
  inactive: fc.oneof(fc.nat({ max: 600 }), fc.constantFrom(147_483_647)),
  over: fc.boolean(),
})

/** Compares the pick with `expected`, an index into the list (newest first) or -1. */
export function compare(
  scheduler: string,
  expected: (list: readonly Load[], kernel: FollowedKernel) => number,
): void {
  const kernels = fc.constantFrom<FollowedKernel>('6.1.176', '6.1.192')
  const property = fc.property(fc.array(load, { maxLength: 6 }), kernels, (list, kernel) => {
    const book = makeBook({ kernel })
    book.apply(addService(key(), { scheduler }))
    for (const [i, { weight, active, inactive, over }] of [...list.entries()].reverse()) {
      book.apply(addDestination(`10.0.0.${i}`, { weight }))
      const slot = slotOf(book, `10.0.0.${i}`)
      book.balancer.destinations.addActive(slot, active)
      book.balancer.destinations.addInactive(slot, inactive)
      if (over) book.balancer.destinations.setFlag(slot, OVERLOAD)
    }
    const index = expected(list, kernel)
    const got = picks(book, 1)
    if (got !== (index < 0 ? '-' : String(index))) throw new Error(`${got}, not ${index}`)
  })
  fc.assert(property, { seed: SEED, numRuns: 800 })
}
