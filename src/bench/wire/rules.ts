/**
 * The rules that all contestants get, and what the generator has to send so that they apply: one
 * file, in the format of `ipvsadm-save`.
 */
import type { Rule, ServiceKey } from '../../balance/rule.js'
import { parseIpv4 } from '../../wire/address.js'

/** One UDP service, three realservers. */
export const DEFAULT_RULES = `-A -u 10.77.0.100:9 -s rr
-a -u 10.77.0.100:9 -r 10.78.0.2:9 -g -w 1
-a -u 10.77.0.100:9 -r 10.78.0.3:9 -g -w 1
-a -u 10.77.0.100:9 -r 10.78.0.4:9 -g -w 1
`

/** Where frames go. */
export interface Target {
  readonly protocol: 'tcp' | 'udp'
  readonly address: string
  readonly port: number
}

export interface WireRules {
  /** As the file has it. */
  readonly text: string
  readonly targets: readonly Target[]
  readonly vips: readonly string[]
  /** Addresses of all realservers. */
  readonly realservers: readonly string[]
}

/** These rules can't be measured. The message says why; the hint, what would do. */
export class UnfitRules extends Error {
  override readonly name = 'UnfitRules'
  readonly code = 'UNFIT_RULES'
}

/** Frames for a service on all ports (port 0) go to this one. */
const ANY_PORT = 9

/** @throws UnfitRules */
export function wireRules(text: string, rules: readonly Rule[]): WireRules {
  const targets: Target[] = []
  const realservers = new Set<string>()
  const served = new Set<string>()
  for (const rule of rules) {
    if (rule.op === 'add-service') targets.push(targetOf(rule.service))
    else if (rule.op === 'add-destination') {
      const { address } = rule.destination
      if (rule.settings.method !== 'route') {
        throw new UnfitRules(`realserver ${address} is not for Direct Routing (-g)`)
      }
      if (parseIpv4(address) === null) throw new UnfitRules(`realserver ${address} is not IPv4`)
      realservers.add(address)
      if (rule.settings.weight > 0) served.add(keyOf(rule.service))
    } else throw new UnfitRules(`a rule other than -A and -a: ${rule.op}`)
  }
  if (targets.length === 0) throw new UnfitRules('no service')
  const idle = targets.find((target) => !served.has(nameOf(target)) && !served.has(anyOf(target)))
  if (idle !== undefined) {
    throw new UnfitRules(`service ${nameOf(idle)} has no realserver with a weight`)
  }
  const vips = [...new Set(targets.map(({ address }) => address))]
  const both = vips.find((vip) => realservers.has(vip))
  if (both !== undefined) throw new UnfitRules(`${both} is both a VIP and a realserver`)
  return { text, targets, vips, realservers: [...realservers] }
}

function targetOf(service: ServiceKey): Target {
  if ('fwmark' in service) throw new UnfitRules('a service by firewall mark (-f)')
  const { protocol, address, port } = service
  if (protocol === 'sctp') throw new UnfitRules(`service ${address}:${port} is SCTP`)
  if (parseIpv4(address) === null) throw new UnfitRules(`service [${address}]:${port} is IPv6`)
  return { protocol, address, port: port === 0 ? ANY_PORT : port }
}

function keyOf(service: ServiceKey): string {
  return 'fwmark' in service ? '' : nameOf(service)
}

function nameOf(of: { protocol: string; address: string; port: number }): string {
  return `${of.protocol} ${of.address}:${of.port}`
}

function anyOf(target: Target): string {
  return nameOf({ ...target, port: 0 })
}
