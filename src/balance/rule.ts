/**
 * Every change that an operator can make, as a value. A command line of `ipvsadm`, a restored file,
 * a request to the control socket and a step of a test are all lists of these; `apply.ts` is the
 * one function that carries them out, in the main thread (to judge them) and in the workers.
 *
 * Addresses are text here (`192.168.1.110`, `2001:db8::110`, canonical), since rules are written,
 * sent as JSON and read by people.
 */

/** Protocols that a service can have, by IANA number. */
export const TCP = 6
export const UDP = 17
export const SCTP = 132
export type ServiceProtocol = 'tcp' | 'udp' | 'sctp'
export const PROTOCOL_NUMBER: Record<ServiceProtocol, number> = { tcp: TCP, udp: UDP, sctp: SCTP }

export type Family = 'inet' | 'inet6'

/** What identifies a virtual service: protocol, address and port, or a mark and a family. */
export type ServiceKey =
  | { readonly protocol: ServiceProtocol; readonly address: string; readonly port: number }
  | { readonly fwmark: number; readonly family: Family }

export interface ServiceSettings {
  /** Name of the scheduler, as Linux calls it; `none` for no scheduler. Default `wlc`. */
  readonly scheduler: string
  /** Persistence in seconds; 0: not persistent. */
  readonly persistent: number
  /** Persistence granularity: an IPv4 mask in text, or an IPv6 prefix length in text. */
  readonly netmask: string
  /** One-packet scheduling. */
  readonly ops: boolean
  /** Persistence engine, '' for none. */
  readonly pe: string
  /**
   * Scheduler flag bits as in linux/ip_vs.h: 0x8 flag-1/fallback, 0x10 flag-2/port, 0x20 flag-3.
   */
  readonly schedulerFlags: number
}

export type ForwardingMethod = 'route' | 'tunnel' | 'masq'

export interface Tunnel {
  readonly type: 'ipip' | 'gue' | 'gre'
  readonly port: number
  readonly checksum: 'nocsum' | 'csum' | 'remcsum'
}

export interface DestinationKey {
  readonly address: string
  readonly port: number
}

export interface DestinationSettings {
  readonly method: ForwardingMethod
  readonly weight: number
  /** Upper and lower connection thresholds, 0: none. */
  readonly upperThreshold: number
  readonly lowerThreshold: number
  /** For method `tunnel`. */
  readonly tunnel?: Tunnel | undefined
}

export type MarkProtocol = 'tcp' | 'udp' | 'sctp' | 'icmp' | 'icmpv6'

/** What a packet must be to get a mark; what is left out is not asked. */
export interface MarkRule {
  /** 0 to 4294967295; 0 takes the mark of an earlier rule away. */
  readonly mark: number
  readonly protocol?: MarkProtocol | undefined
  /** An address, or a prefix such as `10.0.0.0/8`. */
  readonly source?: string | undefined
  readonly destination?: string | undefined
  /** Destination ports; only with tcp, udp or sctp. */
  readonly ports?: readonly [low: number, high: number] | undefined
}

export interface SyncDaemon {
  readonly role: 'master' | 'backup'
  readonly interface: string
  readonly syncid: number
  readonly maxlen: number
  readonly group: string
  readonly port: number
  readonly ttl: number
}

export type Rule =
  | { readonly op: 'add-service'; readonly service: ServiceKey; readonly settings: ServiceSettings }
  | {
      readonly op: 'edit-service'
      readonly service: ServiceKey
      readonly settings: ServiceSettings
    }
  | { readonly op: 'delete-service'; readonly service: ServiceKey }
  | { readonly op: 'flush' }
  | {
      readonly op: 'add-destination' | 'edit-destination'
      readonly service: ServiceKey
      readonly destination: DestinationKey
      readonly settings: DestinationSettings
    }
  | {
      readonly op: 'delete-destination'
      readonly service: ServiceKey
      readonly destination: DestinationKey
    }
  /** Of the rules that apply to a packet the last one that was added decides. */
  | { readonly op: 'add-mark' | 'delete-mark'; readonly rule: MarkRule }
  | { readonly op: 'flush-marks' }
  /** Packets with this mark are served whatever their address, or no longer. */
  | { readonly op: 'add-local-mark' | 'delete-local-mark'; readonly mark: number }
  /** Counters to zero, of one service or of all. */
  | { readonly op: 'zero'; readonly service?: ServiceKey | undefined }
  /** Timeouts in seconds; 0 leaves one as it is. */
  | {
      readonly op: 'set-timeouts'
      readonly tcp: number
      readonly tcpfin: number
      readonly udp: number
    }
  | { readonly op: 'set-sysctl'; readonly name: string; readonly value: string }
  | { readonly op: 'start-daemon'; readonly daemon: SyncDaemon }
  | { readonly op: 'stop-daemon'; readonly role: 'master' | 'backup' }
  /** Frees destinations that nothing refers to any more, by slot; sent by the director itself. */
  | { readonly op: 'reap'; readonly slots: readonly number[] }

/**
 * Why a rule was refused. `code` is stable; the kernel's errno of the same name is what Linux says.
 */
export type RuleErrorCode =
  | 'EEXIST' // the service or destination is there already
  | 'ESRCH' // no such service
  | 'ENOENT' // no such destination, scheduler or persistence engine
  | 'EINVAL' // a value that makes no sense
  | 'ERANGE' // thresholds out of order
  | 'EAFNOSUPPORT' // address families that do not go together
  | 'ENOSPC' // a table of ours is full
  | 'ENODEV' // no such interface
  | 'EALREADY' // the daemon runs already
  | 'EROFS' // rules are kept in a file, and its file system is read-only
  | 'EIO' // that file can't be written, for another reason

export class RuleError extends Error {
  override readonly name = 'RuleError'
  readonly code: RuleErrorCode
  /** What the rule was about, for messages: `service`, `destination`, `scheduler`, `daemon`, … */
  readonly subject: string

  constructor(code: RuleErrorCode, subject: string, message: string) {
    super(message)
    this.code = code
    this.subject = subject
  }
}
