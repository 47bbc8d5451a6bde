/**
 * What the tests of sed, nq, fo and ovf share: destinations with loads, in the order of the list.
 */
import { OVERLOAD } from '../../../src/balance/destination.js'
import { addDestination, addService, key, makeBook, picks, slotOf } from '../rule-book.js'

export interface Loaded {
  readonly weight: number
  readonly active?: number
  readonly over?: boolean
}

/** Index of the destination that is chosen, or `-`. */
export function chosen(scheduler: string, list: readonly Loaded[]): string {
  const book = makeBook()
  book.apply(addService(key(), { scheduler }))
  // The last added is the first of the list.
  for (const [i, { weight, active = 0, over = false }] of [...list.entries()].reverse()) {
    book.apply(addDestination(`10.0.0.${i}`, { weight }))
    const slot = slotOf(book, `10.0.0.${i}`)
    book.balancer.destinations.addActive(slot, active)
    if (over) book.balancer.destinations.setFlag(slot, OVERLOAD)
  }
  return picks(book, 1)
}
