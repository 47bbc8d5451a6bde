/**
 * Who has counters and rates: each service, each destination, and the director as a whole. What
 * becomes of them every two seconds, and with each rule.
 */
import type { RuleBook } from '../balance/apply.js'
import type { Rule } from '../balance/rule.js'
import { Estimator } from './estimator.js'
import type { Rates, Statistics } from './listing.js'
import type { Live } from './live.js'
import type { Source } from './readers.js'

/** The row of the whole director has no owner that could change. */
const ALWAYS = 0

export interface Totals {
  readonly statistics: Statistics
  readonly rates: Rates
}

export function sourceOf(book: RuleBook, live: Live): Source {
  return {
    book,
    live,
    serviceEstimator: new Estimator(live.services),
    destinationEstimator: new Estimator(live.destinations),
  }
}

/** To be called every ESTIMATION_MS. */
export function estimateAll(source: Source): void {
  const { book, live, serviceEstimator, destinationEstimator } = source
  if (serviceEstimator.isFrozen) return
  serviceEstimator.estimate(live.services.capacity, ALWAYS)
  const { services, destinations } = book.balancer
  for (const slot of book.services()) {
    serviceEstimator.estimate(slot, book.serviceEpoch(slot))
    for (let d = services.head(slot); d >= 0; d = destinations.next(d)) {
      destinationEstimator.estimate(d, book.destinationEpochs[d])
    }
  }
}

/** To be called when a rule has been carried out. */
export function accountFor(source: Source, rule: Rule): void {
  const { book, serviceEstimator, destinationEstimator } = source
  if (rule.op === 'zero') zero(source, rule)
  if (rule.op === 'set-sysctl') {
    const isFrozen = book.balancer.sysctls.run_estimation === 0
    serviceEstimator.isFrozen = isFrozen
    destinationEstimator.isFrozen = isFrozen
  }
  // A destination that came back into another service is counted from here on.
  const { moved, destinationEpochs } = book
  if (moved >= 0) destinationEstimator.zero(moved, destinationEpochs[moved])
}

function zero(source: Source, rule: Extract<Rule, { op: 'zero' }>): void {
  const { book, live, serviceEstimator, destinationEstimator } = source
  const only = rule.service === undefined ? undefined : book.findService(rule.service)
  if (only === undefined) serviceEstimator.zero(live.services.capacity, ALWAYS)
  const { services, destinations } = book.balancer
  for (const slot of only === undefined ? book.services() : [only]) {
    serviceEstimator.zero(slot, book.serviceEpoch(slot))
    for (let d = services.head(slot); d >= 0; d = destinations.next(d)) {
      destinationEstimator.zero(d, book.destinationEpochs[d])
    }
  }
}

/** Of the whole director: what is served now, and what was served before. */
export function totalsOf({ live, serviceEstimator }: Source): Totals {
  const row = live.services.capacity
  return {
    statistics: serviceEstimator.statistics(row, ALWAYS),
    rates: serviceEstimator.rates(row, ALWAYS),
  }
}
