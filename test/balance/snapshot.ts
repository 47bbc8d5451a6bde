/** All that a rule book is, as plain values: to see that a refused rule has changed nothing. */
import type { RuleBook } from '../../src/balance/apply.js'
import { addService } from './rule-book.js'

export function snapshot(book: RuleBook): unknown {
  const { balancer } = book
  const { services, destinations } = balancer
  const slots = [...book.services()]
  return structuredClone({
    slots,
    services: [...services.words],
    serviceStatistics: [...services.statistics],
    counts: [services.count4, services.count6],
    destinations: [...destinations.words],
    keys: book.serviceKeys,
    settings: book.serviceSettings,
    serviceEpochs: slots.map((slot) => book.serviceEpoch(slot)),
    epochs: book.destinationEpochs,
    names: book.destinationNames,
    trash: [...book.trash()],
    daemons: book.daemons,
    sysctls: { ...balancer.sysctls },
    timeouts: [[...balancer.tcpTimeouts], [...balancer.sctpTimeouts], balancer.udpTimeout],
    schedulers: balancer.schedulers.map((scheduler) => scheduler?.candidates() ?? null),
  })
}

/** What listings show of it, and what the copies of main and worker have to agree on. */
export function agreed(book: RuleBook): unknown {
  const { services, destinations } = book.balancer
  const lists = [...book.services()].map((slot) => {
    const list: unknown[] = []
    for (let d = services.head(slot); d >= 0; d = destinations.next(d)) {
      const words = [destinations.port(d), destinations.weight(d), destinations.method(d)]
      list.push([d, book.destinationNames[d]?.address, ...words, book.destinationEpochs[d]])
    }
    return [slot, book.serviceKeys[slot], book.serviceEpoch(slot), list]
  })
  return structuredClone({ lists, trash: [...book.trash()], names: book.destinationNames })
}

/**
 * Whether slots that are free are given out in the same order by both: adds until both are full.
 */
export function freeSlots(book: RuleBook): number[] {
  const given: number[] = []
  for (let port = 60_000; ; port++) {
    try {
      const service = { protocol: 'tcp', address: '203.0.113.9', port } as const
      book.apply(addService(service))
      given.push(book.findService(service) as number)
    } catch {
      return given
    }
  }
}
