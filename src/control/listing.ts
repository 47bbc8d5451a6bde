/**
 * What the control socket answers, as values: the shapes of its JSON. `cli/format.ts` prints them
 * as ipvsadm does, `--json` prints them as they are.
 */
import type { Limits } from '../balance/limits.js'
import type {
  DestinationSettings,
  ServiceKey,
  ServiceSettings,
  SyncDaemon,
} from '../balance/rule.js'

/** What Linux has under `net.ipv4.vs`, by name: numbers, and the two of `sync_threshold`. */
export type SysctlValues = Readonly<Record<string, number | string>>
/** What ipvsadm's first line shows: the version of Linux IPVS, and how many buckets it has. */
export const TABLE_VERSION = '1.2.1'
export const TABLE_SIZE = 4096

export interface Statistics {
  readonly connections: number
  readonly inPackets: number
  readonly outPackets: number
  readonly inBytes: number
  readonly outBytes: number
}

/** Rates as the kernel shows them: per second, whole numbers. */
export interface Rates {
  readonly connectionsPerSecond: number
  readonly inPacketsPerSecond: number
  readonly outPacketsPerSecond: number
  readonly inBytesPerSecond: number
  readonly outBytesPerSecond: number
}

export interface DestinationListing extends DestinationSettings {
  readonly address: string
  readonly port: number
  readonly active: number
  readonly inactive: number
  readonly persistent: number
  readonly statistics: Statistics
  readonly rates: Rates
  /** MAC address if the director knows it, else null. */
  readonly mac: string | null
}

/** Destinations stand in the kernel's order: last added first. */
export interface ServiceListing {
  readonly service: ServiceKey
  readonly settings: ServiceSettings
  readonly statistics: Statistics
  readonly rates: Rates
  readonly destinations: readonly DestinationListing[]
}

export interface ConnectionListing {
  /** `tcp`, `udp`, `sctp`, or `ip` for templates of firewall marks. */
  readonly protocol: string
  /** Seconds until it expires, whole, rounded down. */
  readonly expires: number
  /** As the kernel names it: ESTABLISHED, SYN_RECV, UDP, NONE, ASSURED … */
  readonly state: string
  readonly client: string
  readonly clientPort: number
  readonly vip: string
  readonly vport: number
  readonly destination: string
  readonly destinationPort: number
  readonly template: boolean
}

export interface Timeouts {
  readonly tcp: number
  readonly tcpfin: number
  readonly udp: number
}

/** Everything but the connections. */
export interface TableListing {
  readonly version: string
  /** Number of hash buckets, as in ipvsadm's first line. */
  readonly size: number
  readonly services: readonly ServiceListing[]
  readonly timeouts: Timeouts
  readonly daemons: readonly SyncDaemon[]
}

/** How long the worker's breaths take, and how often it was kept from looking at its ring. */
export interface LoopTimes {
  /** Breaths with frames, by time: up to 1, 2, 4 … 32768 µs, and longer. Not cumulative. */
  readonly breaths: readonly number[]
  /** All their time. */
  readonly busyMs: number
  /** Stretches awake of more than a millisecond without a look at the ring. */
  readonly gaps: number
  readonly longestGapMs: number
}

export interface Counters {
  /** Frames by verdict. */
  readonly verdicts: Readonly<Record<string, number>>
  /** The engine's own numbers. */
  readonly engine: Readonly<Record<string, number>>
  readonly loop: LoopTimes
  /** Frames that each worker has taken. */
  readonly framesByWorker: readonly number[]
}

export interface Status {
  readonly pid: number
  readonly engine: string
  readonly interfaces: readonly string[]
  readonly mode: string
  /** The kernel whose decisions are followed, where Linux's kernels differ. */
  readonly linux: string
  readonly arp: boolean
  readonly quiet: boolean
  readonly guard: string | null
  readonly uptimeSeconds: number
  readonly vips: readonly string[]
  readonly services: number
  /** How many share the frames; 0 without an engine. */
  readonly workers: number
  readonly connections: number
  readonly templates: number
  readonly limits: Limits
}
