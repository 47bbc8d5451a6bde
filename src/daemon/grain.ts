/**
 * How coarsely clients are divided among several workers: those that persistence may tie together
 * must stay together, so the coarsest mask of all persistent services counts (`-M`). A worker's
 * clients must not become another's while they have connections, so it becomes coarser only while
 * there are none, and never finer again.
 */
import { netmask } from '../balance/judge.js'
import type { RehearsedRefusal } from '../balance/rehearsal.js'
import { type Rule, RuleError } from '../balance/rule.js'
import type { Share } from '../engine/port.js'

export type GrainSize = Pick<Share, 'mask4' | 'prefix6'>

export class Grain {
  /** Bits of the mask, which is an int32, and the length of the prefix. */
  mask4 = -1
  prefix6 = 128

  /** The first of these rules that can't be obeyed now, with this number of connections. */
  refuse(rules: readonly Rule[], connections: number): RehearsedRefusal | null {
    const index =
      connections === 0 ? -1 : rules.findIndex((rule) => this.#isCoarser(wantedBy(rule)))
    if (index < 0) return null
    const error = new RuleError(
      'EINVAL',
      'service',
      'this netmask divides clients among the workers anew, which connections do not survive; ' +
        'make the service before there are any (uipvs run --rules), or run with --workers 1',
    )
    return { error, index }
  }

  /** A rule has been accepted. */
  include(rule: Rule): void {
    const { mask4, prefix6 } = wantedBy(rule)
    this.mask4 &= mask4
    this.prefix6 = Math.min(this.prefix6, prefix6)
  }

  get value(): GrainSize {
    return { mask4: this.mask4, prefix6: this.prefix6 }
  }

  #isCoarser({ mask4, prefix6 }: GrainSize): boolean {
    return (this.mask4 & mask4) !== this.mask4 || prefix6 < this.prefix6
  }
}

/** The finest grain that suits this rule. */
function wantedBy(rule: Rule): GrainSize {
  const finest = { mask4: -1, prefix6: 128 }
  if (rule.op !== 'add-service' && rule.op !== 'edit-service') return finest
  const { service, settings } = rule
  if (settings.persistent === 0) return finest
  const isIpv6 = 'address' in service ? service.address.includes(':') : service.family === 'inet6'
  return isIpv6
    ? { ...finest, prefix6: netmask(settings.netmask, 6) }
    : { ...finest, mask4: netmask(settings.netmask, 4) }
}
