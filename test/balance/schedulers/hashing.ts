/** What the tests of the hashing schedulers share: a service, and who gets which client. */
import type { RuleBook } from '../../../src/balance/apply.js'
import { addDestination, addService, fillFlow, key, makeBook } from '../rule-book.js'

export const FALLBACK = 0x8
export const PORT = 0x10

/** A service with destinations of these weights, 192.168.1.1 on, added in this order. */
export function hashed(
  scheduler: string,
  weights: readonly number[],
  schedulerFlags = 0,
): RuleBook {
  const book = makeBook()
  book.apply(addService(key(), { scheduler, schedulerFlags }))
  for (const [i, weight] of weights.entries()) {
    book.apply(addDestination(`192.168.1.${i + 1}`, { weight }))
  }
  return book
}

/** Last number of the destination for a client, or 0: nobody. */
export function whoGets(book: RuleBook, client: number, port = 0, vip = 0xc0a8016e | 0): number {
  const { balancer } = book
  fillFlow(balancer.flow, client | 0, port, vip, 80)
  const d = balancer.schedulers[0]?.choose(balancer.flow) ?? -1
  return d < 0 ? 0 : balancer.destinations.address(d) & 0xff
}
