/**
 * What would be chosen next, for people who ask: as `Balancer.choose`, but nothing is remembered,
 * counted or moved on, so that a running director may be asked at any time between two breaths.
 */
import type { Balancer } from './balancer.js'
import { NONE } from './connection.js'
import { SERVICE_PERSISTENT } from './service.js'

export interface Preview {
  readonly destination: number
  /** Persistence decides, and the scheduler is not asked. */
  readonly isByTemplate: boolean
}

/** Linux leaves alone what comes from there. */
const FTP_DATA_PORT = 20
const NOBODY: Preview = { destination: NONE, isByTemplate: false }

/** For `balancer.flow`, which the caller has filled. */
export function nextOf(balancer: Balancer, service: number): Preview {
  const { flow, services, persistence, templates, peers } = balancer
  const scheduler = balancer.schedulers[service]
  const isPersistent = services.hasFlag(service, SERVICE_PERSISTENT)
  if (flow.clientPort === FTP_DATA_PORT) return NOBODY
  if (isPersistent) {
    const template = persistence.peek(service, flow)
    if (template !== NONE) {
      return { destination: templates.destination(template), isByTemplate: true }
    }
  } else if (services.fwmark(service) === 0 && flow.vipPort !== services.port(service)) {
    return NOBODY
  }
  peers?.look(service)
  const destination = scheduler?.next(flow) ?? NONE
  return { destination, isByTemplate: false }
}
