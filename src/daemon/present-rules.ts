/** The rules that lead to what a book holds now: what is saved, less counters and connections. */
import type { RuleBook } from '../balance/apply.js'
import type { Rule, ServiceKey, ServiceSettings } from '../balance/rule.js'
import { isSysctlName } from '../balance/sysctl.js'
import { TICKS_PER_S } from '../balance/timer-wheel.js'

const METHODS = ['route', 'tunnel', 'masq'] as const

export function* presentRules(book: RuleBook): Generator<Rule> {
  const { tcpTimeouts, udpTimeout, sysctls } = book.balancer
  yield {
    op: 'set-timeouts',
    tcp: tcpTimeouts[1] / TICKS_PER_S,
    tcpfin: tcpTimeouts[4] / TICKS_PER_S,
    udp: udpTimeout / TICKS_PER_S,
  }
  for (const [name, value] of Object.entries(sysctls)) {
    if (isSysctlName(name)) yield { op: 'set-sysctl', name, value: String(value) }
  }
  for (const rule of book.marks.rules) yield { op: 'add-mark', rule }
  for (const mark of book.marks.local) yield { op: 'add-local-mark', mark }
  for (const slot of book.services()) {
    const service = book.serviceKeys[slot] as ServiceKey
    yield { op: 'add-service', service, settings: book.serviceSettings[slot] as ServiceSettings }
    yield* destinationsOf(book, slot, service)
  }
  for (const daemon of book.daemons) yield { op: 'start-daemon', daemon }
}

/** Oldest first, so that they come to stand in the same order. */
function* destinationsOf(book: RuleBook, slot: number, service: ServiceKey): Generator<Rule> {
  const { services, destinations } = book.balancer
  const newestFirst: number[] = []
  for (let d = services.head(slot); d >= 0; d = destinations.next(d)) newestFirst.push(d)
  for (const d of newestFirst.reverse()) {
    const { address = '', tunnel } = book.destinationNames[d] ?? {}
    yield {
      op: 'add-destination',
      service,
      destination: { address, port: destinations.port(d) },
      settings: {
        method: METHODS[destinations.method(d)],
        weight: destinations.weight(d),
        upperThreshold: destinations.upper(d),
        lowerThreshold: destinations.lower(d),
        tunnel,
      },
    }
  }
}
