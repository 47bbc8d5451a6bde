/** The command that does what a button of the live page does: shown, so that it can be learned. */
import type { Rule, ServiceSettings } from '../../balance/rule.js'
import { savedService } from '../../cli/ipvsadm/save.js'
import type { DestinationListing, ServiceListing } from '../../control/listing.js'

export interface Change {
  readonly rule: Rule
  readonly command: string
}

export function changeService(listed: ServiceListing, change: Partial<ServiceSettings>): Change {
  const { service } = listed
  // Flags are of a scheduler; another one knows other names.
  const settings = { ...listed.settings, schedulerFlags: 0, ...change }
  const text = savedService({ ...listed, settings, destinations: [] }, null).trimEnd()
  return {
    rule: { op: 'edit-service', service, settings },
    command: `uipvsadm ${text.replace(/^-A/, '-E')}`,
  }
}

export function changeWeight(
  listed: ServiceListing,
  destination: DestinationListing,
  weight: number,
): Change {
  const { service } = listed
  const { address, port, method, upperThreshold, lowerThreshold, tunnel } = destination
  const settings = { method, weight, upperThreshold, lowerThreshold, tunnel }
  const changed = { ...destination, weight }
  const [, line = ''] = savedService({ ...listed, destinations: [changed] }, null).split('\n')
  const x = upperThreshold === 0 ? '' : ` -x ${upperThreshold}`
  const y = lowerThreshold === 0 ? '' : ` -y ${lowerThreshold}`
  return {
    rule: { op: 'edit-destination', service, destination: { address, port }, settings },
    command: `uipvsadm ${line.replace(/^-a/, '-e')}${x}${y}`,
  }
}
