/**
 * The decision recordings: what Linux IPVS did with each packet and each command of a scenario.
 * Their format is described in `test/fixtures/decisions/README.md`; these are its fields, under
 * its names.
 */

/** An ipvsadm command line without the program's name. */
export type Arguments = readonly string[]

/**
 * One SCTP chunk: a name, a number, or with its own flags, body length and (wrong) length field.
 */
export type Chunk =
  | string
  | number
  | {
      readonly type: string | number
      readonly flags?: number
      readonly len?: number
      readonly length?: number
    }

export interface Extension {
  readonly kind: 'hop' | 'dest' | 'routing' | 'auth'
  /** Hex of all but its first two bytes. */
  readonly data?: string
  /** What its length byte says, if that is wrong. */
  readonly length?: number
}

/** A packet, as a client sends it to the director. */
export interface Send {
  readonly proto: 'tcp' | 'udp' | 'icmp' | 'icmpv6' | 'sctp' | 'gre' | 'esp' | 'ah' | 'none'
  readonly src: string
  readonly dst?: string
  readonly sport?: number
  readonly dport?: number
  readonly flags?: string
  readonly seq?: number
  /** Bytes of payload. */
  readonly len?: number
  readonly chunks?: readonly Chunk[]
  readonly vtag?: number
  readonly ttl?: number
  readonly tos?: number
  readonly id?: number
  readonly flow?: number
  readonly ext?: readonly Extension[]
  readonly df?: boolean
  /** Hex. */
  readonly ip_options?: string
  readonly bad_csum?: boolean
  readonly no_csum?: boolean
  /** Bytes after the IP header that are sent. */
  readonly truncate?: number
  readonly frag?: {
    readonly off: number
    readonly size: number
    readonly more: boolean
    readonly after?: number
  }
  readonly type?: number
  readonly code?: number
  readonly mtu?: number
  readonly echo_id?: number
  readonly inner?: Send
  /** Of an `inner`: bytes of its transport that are quoted. */
  readonly quoted?: number
}

/** One frame that went to a server, compared with the packet last sent. */
export interface FrameOut {
  readonly to: string
  readonly ttl_delta: number
  readonly bytes_changed_beyond_mac: boolean
  readonly changed: readonly string[]
  readonly total_len?: number
  readonly frag_off?: number
  readonly more?: boolean
  readonly df?: boolean
}

/** What came out: one frame, several, a message of the director's own, or nothing (`drop`). */
export type Out =
  | FrameOut
  | { readonly to: string; readonly frames: readonly FrameOut[] }
  | {
      readonly to: string
      readonly icmp_src?: string
      readonly icmp_dst?: string
      readonly mtu?: number
      readonly pointer?: number
    }

export type Listing = 'Ln' | 'Lnc' | 'stats' | 'thresholds' | 'persistent' | 'timeout' | 'Sn'

/** What a command answered; `stdout` is its standard output and its standard error. */
export interface CommandOut {
  readonly rc: number
  readonly stdout: string
}

/** Ms after the first step at which the step began. */
interface Timed {
  readonly at_ms: number
}

export type Step = Timed &
  (
    | { readonly send: Send; readonly out: Out }
    | ({ readonly run: Arguments } & CommandOut)
    | { readonly snapshot: Listing; readonly stdout: string }
    | { readonly sleep_ms: number }
    | { readonly sysctl: Readonly<Record<string, string>> }
  )

export interface MarkRule {
  readonly mark: number
  readonly proto?: string
  readonly src?: string
  readonly dst?: string
  readonly dports?: readonly [low: number, high: number]
}

export interface Recording {
  readonly name: string
  readonly about: string
  readonly seed?: number
  readonly vip: string
  readonly more_vips?: readonly string[]
  readonly route_mtu?: Readonly<Record<string, number>>
  readonly marks?: readonly MarkRule[]
  readonly local_marks?: readonly number[]
  readonly setup: readonly Arguments[]
  readonly setup_out: readonly CommandOut[]
  readonly steps: readonly Step[]
}
