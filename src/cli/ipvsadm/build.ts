/** From what was read to the rule that is asked of the director. */
import type { DestinationKey, Rule, ServiceKey, Tunnel } from '../../balance/rule.js'
import type { Draft } from './draft.js'

export function serviceKey(draft: Draft): ServiceKey {
  if (draft.fwmark !== 0) return { fwmark: draft.fwmark, family: draft.family! }
  return { protocol: draft.protocol!, address: draft.address, port: draft.port }
}

/** As written, port and all: only adding and editing take the service's port over. */
export function destinationKey(draft: Draft): DestinationKey {
  return { address: draft.serverAddress, port: draft.serverPort }
}

/** `-A` and `-E` both set everything: what was not given has its default. */
export function addService(
  op: 'add-service' | 'edit-service',
  draft: Draft,
  schedulerFlags: number,
): Rule {
  const settings = {
    scheduler: draft.scheduler || 'wlc',
    persistent: draft.persistent,
    netmask: draft.netmask,
    ops: draft.has('ops'),
    pe: draft.pe,
    schedulerFlags,
  }
  return { op, service: serviceKey(draft), settings }
}

/**
 * `-a` and `-e`. Direct routing and tunnels leave ports alone, so a server has the service's port
 * whatever was written; a mark has none to take over.
 */
export function addDestination(op: 'add-server' | 'edit-server', draft: Draft): Rule {
  const ownPort = draft.method === 'masq' || draft.fwmark !== 0
  const settings = {
    method: draft.method,
    weight: draft.weight,
    upperThreshold: draft.upperThreshold,
    lowerThreshold: draft.lowerThreshold,
  }
  return {
    op: op === 'add-server' ? 'add-destination' : 'edit-destination',
    service: serviceKey(draft),
    destination: { address: draft.serverAddress, port: ownPort ? draft.serverPort : draft.port },
    settings: draft.method === 'tunnel' ? { ...settings, tunnel: tunnel(draft) } : settings,
  }
}

function tunnel(draft: Draft): Tunnel {
  const checksum = draft.has('tun-csum') ? 'csum' : draft.has('tun-remcsum') ? 'remcsum' : 'nocsum'
  return { type: draft.tunnelType, port: draft.tunnelPort, checksum }
}
