/**
 * What the rules make the director serve: the addresses that are its VIPs, and which of their ports
 * its own kernel has to be kept from.
 */
import type { RuleBook } from '../balance/apply.js'
import { markedAddresses } from '../balance/mark-rules.js'
import type { MarkRule, Rule, ServiceKey, ServiceProtocol } from '../balance/rule.js'
import type { SharedVip } from '../engine/port.js'
import type { GuardedService, GuardState } from './guard.js'

const PROTOCOLS: readonly ServiceProtocol[] = ['tcp', 'udp', 'sctp']
/** A wider range of ports is guarded as all ports: the guard knows single ones. */
const PORTS_MAX = 1024

/**
 * The addresses of services; and those that mark rules name, one by one, whose mark has a service.
 */
export function servedBy(book: RuleBook): { vips: string[]; services: GuardedService[] } {
  const keys = [...book.services()].map((slot) => book.serviceKeys[slot] as ServiceKey)
  const services: GuardedService[] = keys.flatMap((key) => ('address' in key ? [key] : []))
  const vips = new Set(services.map(({ address }) => address))
  for (const { address, rule } of markedAddresses(book.marks.rules, keys)) {
    vips.add(address)
    services.push(...guardedBy(rule, address))
  }
  return { vips: [...vips].sort(), services }
}

/** Rules that may change what is served; most do not. */
export function changesServed({ op }: Rule): boolean {
  switch (op) {
    case 'add-service':
    case 'delete-service':
    case 'flush':
    case 'add-mark':
    case 'delete-mark':
    case 'flush-marks':
      return true
    default:
      return false
  }
}

function guardedBy({ protocol, ports }: MarkRule, address: string): GuardedService[] {
  if (protocol === 'icmp' || protocol === 'icmpv6') return []
  if (protocol === undefined) return PROTOCOLS.map((each) => ({ protocol: each, address, port: 0 }))
  const [low, high] = ports ?? [0, 65_535]
  if (high - low >= PORTS_MAX || low === 0) return [{ protocol, address, port: 0 }]
  return Array.from({ length: high - low + 1 }, (_, i) => ({ protocol, address, port: low + i }))
}

/** The VIPs that the kernel holds too, with their services: for a port that takes frames away. */
export function sharedWithKernel({ vips, services }: GuardState): SharedVip[] {
  const ports = new Map<string, SharedVip['ports'][number][]>()
  for (const { address, onKernel } of vips) if (onKernel) ports.set(address, [])
  for (const { address, protocol, port } of services) ports.get(address)?.push({ protocol, port })
  return [...ports].map(([address, each]) => ({ address, ports: each }))
}
