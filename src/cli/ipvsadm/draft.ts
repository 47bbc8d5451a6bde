/**
 * A command line while it is read: one field for each thing that an option can set, and for each
 * option what it does to them. Values are judged as they are read, so what an option means can
 * depend on those to its left (`-M` and `-6` on the service, `-r` on its port).
 */
import type { Family, ForwardingMethod, ServiceProtocol, Tunnel } from '../../balance/rule.js'
import { badUsage } from './messages.js'
import type { Names } from './names.js'
import type { Trait } from './options.js'
import {
  INT_MAX,
  PORT_MAX,
  readEndpoint,
  readFwmark,
  readMulticast,
  readNetmask,
  readNumber,
  readTimeout,
} from './values.js'

export type View = 'plain' | 'stats' | 'rate' | 'thresholds' | 'persistent-conn' | 'tun-info'

export class Draft {
  readonly given = new Set<Trait>()

  family: Family | null = null
  protocol: ServiceProtocol | null = null
  address = ''
  port = 0
  fwmark = 0

  scheduler = ''
  persistent = 0
  netmask = '255.255.255.255'
  pe = ''
  schedulerFlags = ''

  serverFamily: Family | null = null
  serverAddress = ''
  serverPort = 0
  method: ForwardingMethod = 'route'
  weight = 1
  upperThreshold = 0
  lowerThreshold = 0
  tunnelType: Tunnel['type'] = 'ipip'
  tunnelPort = 0

  syncid = 0
  maxlen: number | null = null
  mcastInterface = 'eth0'
  mcastGroup = '224.0.0.81'
  mcastPort = 8848
  mcastTtl = 1

  has(trait: Trait): boolean {
    return this.given.has(trait)
  }
}

type Read = (draft: Draft, value: string, names: Names) => void

/** What an option does, by its long name; those without an entry only count as given. */
export const READ: Readonly<Record<string, Read>> = {
  'tcp-service': (draft, value, names) => readService(draft, 'tcp', value, names),
  'udp-service': (draft, value, names) => readService(draft, 'udp', value, names),
  'sctp-service': (draft, value, names) => readService(draft, 'sctp', value, names),
  'fwmark-service': (draft, value) => {
    draft.family = 'inet'
    // The kernel has no use for it, but port names of servers are looked up with it.
    draft.protocol = 'tcp'
    draft.fwmark = readFwmark(value)
  },
  ipv6: (draft) => {
    if (draft.fwmark === 0) throw badUsage('-6 used before -f\n')
    draft.family = 'inet6'
    draft.netmask = '128'
  },
  scheduler: (draft, value) => {
    draft.scheduler = value
  },
  netmask: (draft, value, names) => {
    draft.netmask = readNetmask(value, draft.family, names)
  },
  pe: (draft, value) => {
    draft.pe = value
  },
  'sched-flags': (draft, value) => {
    draft.schedulerFlags = value
  },
  'real-server': (draft, value, names) => {
    const server = readEndpoint(value, draft.protocol, names)
    if (server === null) throw badUsage('illegal real server address[:port] specified')
    draft.serverFamily = server.family
    draft.serverAddress = server.address
    draft.serverPort = server.port ?? draft.port
  },
  gatewaying: (draft) => {
    draft.method = 'route'
  },
  ipip: (draft) => {
    draft.method = 'tunnel'
  },
  masquerading: (draft) => {
    draft.method = 'masq'
  },
  'tun-type': (draft, value) => {
    if (value !== 'ipip' && value !== 'gue' && value !== 'gre') {
      throw badUsage('illegal tunnel type specified')
    }
    draft.tunnelType = value
  },
  'tun-port': (draft, value) => {
    draft.tunnelPort = numberOr(value, 1, PORT_MAX, 'illegal tunnel port specified')
  },
  weight: (draft, value) => {
    draft.weight = numberOr(value, 0, INT_MAX, 'illegal weight specified')
  },
  'u-threshold': (draft, value) => {
    draft.upperThreshold = numberOr(value, 0, INT_MAX, 'illegal u_threshold specified')
  },
  'l-threshold': (draft, value) => {
    draft.lowerThreshold = numberOr(value, 0, INT_MAX, 'illegal l_threshold specified')
  },
  syncid: (draft, value) => {
    draft.syncid = numberOr(value, 0, 255, 'illegal syncid specified')
  },
  'sync-maxlen': (draft, value) => {
    draft.maxlen = numberOr(value, 1, 65507, 'illegal sync-maxlen specified')
  },
  'mcast-interface': (draft, value) => {
    draft.mcastInterface = value
  },
  'mcast-group': (draft, value) => {
    draft.mcastGroup = readMulticast(value)
  },
  'mcast-port': (draft, value) => {
    draft.mcastPort = numberOr(value, 1, PORT_MAX, 'illegal mcast-port specified')
  },
  'mcast-ttl': (draft, value) => {
    draft.mcastTtl = numberOr(value, 1, 255, 'illegal mcast-ttl specified')
  },
}

/** Apart from the rest, since its value may be left out. */
export function readPersistent(draft: Draft, value: string | null): void {
  draft.persistent = readTimeout(value, 1)
}

function readService(draft: Draft, protocol: ServiceProtocol, value: string, names: Names): void {
  draft.protocol = protocol
  const service = readEndpoint(value, protocol, names)
  if (service === null) throw badUsage('illegal virtual server address[:port] specified')
  draft.family = service.family
  draft.address = service.address
  draft.port = service.port ?? 0
  if (service.family === 'inet6') draft.netmask = '128'
}

function numberOr(text: string, min: number, max: number, refusal: string): number {
  const value = readNumber(text, min, max)
  if (value === null) throw badUsage(refusal)
  return value
}
