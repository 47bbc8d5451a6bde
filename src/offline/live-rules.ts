/**
 * The rules of a running director, from its listings: the same list that would lead to its services
 * and destinations. Its connections, and where its schedulers stand, are not part of a listing.
 */
import { parseAddress } from '../balance/address.js'
import type { MarkRule, Rule } from '../balance/rule.js'
import { DEFAULT_KERNEL, FOLLOWED_KERNELS, type FollowedKernel } from '../balance/thresholds.js'
import type { SysctlValues, TableListing } from '../control/listing.js'
import type { Mode } from '../engine/director-state.js'
import { parseMac } from '../wire/address.js'
import { addressKey, type Mac } from './surroundings.js'

export function rulesOf(
  table: TableListing,
  marks: readonly MarkRule[] = [],
  sysctls: SysctlValues = {},
): Rule[] {
  const rules: Rule[] = [
    ...Object.entries(sysctls).map(
      ([name, value]): Rule => ({ op: 'set-sysctl', name, value: String(value) }),
    ),
    ...marks.map((rule): Rule => ({ op: 'add-mark', rule })),
  ]
  for (const { service, settings, destinations } of table.services) {
    rules.push({ op: 'add-service', service, settings })
    // Listed newest first, as Linux has them; added in the order in which they were.
    for (const listed of destinations.toReversed()) {
      const { address, port, method, weight, upperThreshold, lowerThreshold, tunnel } = listed
      rules.push({
        op: 'add-destination',
        service,
        destination: { address, port },
        settings: { method, weight, upperThreshold, lowerThreshold, tunnel },
      })
    }
  }
  rules.push({ op: 'set-timeouts', ...table.timeouts })
  return rules
}

/** The MAC addresses of realservers that the director knows, by `addressKey()`. */
export function macsOf(table: TableListing): Map<string, Mac> {
  const macs = new Map<string, Mac>()
  for (const { address, mac } of table.services.flatMap((service) => service.destinations)) {
    const parsed = parseAddress(address)
    const known = mac === null ? null : parseMac(mac)
    if (parsed !== null && known !== null) macs.set(addressKey(parsed.family, parsed.words), known)
  }
  return macs
}

/** The mode that a director's status tells, and the kernel that it follows. */
export function liveOptions(status: unknown): { mode: Mode; linux: FollowedKernel } {
  const { mode, linux } = (status ?? {}) as { mode?: unknown; linux?: unknown }
  return {
    mode: mode === 'kernel' ? 'kernel' : 'textbook',
    linux: FOLLOWED_KERNELS.find((kernel) => kernel === linux) ?? DEFAULT_KERNEL,
  }
}
