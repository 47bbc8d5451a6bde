/**
 * What a frame that `build.ts` makes to order should be. One of arp, ipv4 and ipv6; then one of
 * tcp, udp, sctp, icmp and icmpv6, or none; then the payload. What is left out has a sensible
 * value, and lengths and checksums are right unless the spec says otherwise.
 */

/** Bytes, text (UTF-8), or so many bytes that count 0, 1, 2, …. */
export type Payload = Uint8Array | readonly number[] | string | number

export interface EthernetSpec {
  readonly source?: string
  readonly destination?: string
  /** EtherType; by default what the frame contains. */
  readonly type?: number
  /** VLAN ids, outermost first: one 802.1Q tag, or 802.1ad tags around one. */
  readonly vlan?: number | readonly number[]
}

export interface ArpSpec {
  readonly operation?: 'request' | 'reply' | number
  readonly senderMac: string
  readonly sender: string
  readonly targetMac?: string
  readonly target: string
}

export interface Ipv4Spec {
  readonly source: string
  readonly destination: string
  readonly ttl?: number
  readonly id?: number
  readonly tos?: number
  /** Don't fragment; by default set, unless the packet is a fragment. */
  readonly df?: boolean
  /** More fragments. */
  readonly mf?: boolean
  /** Fragment offset in bytes, a multiple of 8. */
  readonly frag?: number
  /** Option bytes, filled up with zeros to a multiple of 4. */
  readonly options?: readonly number[]
  readonly protocol?: number
  /** What the field says, whatever the packet has; the header's checksum covers it. */
  readonly totalLength?: number
  /** These two are written over a header that is finished, so its checksum doesn't cover them. */
  readonly version?: number
  /** In units of 4 bytes, as the field is. */
  readonly headerLength?: number
  readonly badChecksum?: boolean
}

/** An extension header; `bytes` a multiple of 8, options being padding. */
export type ExtensionSpec =
  | {
      readonly kind: 'hop-by-hop' | 'routing' | 'destination-options'
      readonly bytes?: number
    }
  | {
      readonly kind: 'fragment'
      /** In bytes, a multiple of 8. */
      readonly offset?: number
      readonly more?: boolean
      readonly id?: number
    }

export interface Ipv6Spec {
  readonly source: string
  readonly destination: string
  readonly hopLimit?: number
  readonly trafficClass?: number
  readonly flowLabel?: number
  readonly extensions?: readonly ExtensionSpec[]
  /** Next header of the last header before the transport. */
  readonly nextHeader?: number
  readonly version?: number
  readonly payloadLength?: number
}

export interface TcpSpec {
  readonly sport: number
  readonly dport: number
  /** Letters of F S R P A U E C, or `.` for none; default `S`. */
  readonly flags?: string
  readonly seq?: number
  readonly ack?: number
  readonly window?: number
  /** Option bytes, filled up with zeros to a multiple of 4. */
  readonly options?: readonly number[]
  /** In units of 4 bytes, as the field is; by default what is right. */
  readonly dataOffset?: number
}

export interface UdpSpec {
  readonly sport: number
  readonly dport: number
  readonly length?: number
}

export interface ChunkSpec {
  readonly type: number
  readonly flags?: number
  readonly value?: Payload
  readonly length?: number
}

export interface SctpSpec {
  readonly sport: number
  readonly dport: number
  readonly tag?: number
  /** By default one INIT chunk with 16 bytes of value. */
  readonly chunks?: readonly ChunkSpec[]
}

/** ICMP or ICMPv6. `quote` is the packet that an error is about, and stands before the payload. */
export interface IcmpSpec {
  readonly type: number
  readonly code?: number
  /** Bytes 4 to 7, in one of three ways. */
  readonly identifier?: number
  readonly sequence?: number
  readonly mtu?: number
  readonly rest?: number
  readonly quote?: Uint8Array | FrameSpec
  /** Of neighbour discovery: the address, and the link-layer address in an option. */
  readonly target?: string
  readonly linkLayer?: string
}

export interface FrameSpec {
  readonly ethernet?: EthernetSpec
  readonly arp?: ArpSpec
  readonly ipv4?: Ipv4Spec
  readonly ipv6?: Ipv6Spec
  readonly tcp?: TcpSpec
  readonly udp?: UdpSpec
  readonly sctp?: SctpSpec
  readonly icmp?: IcmpSpec
  readonly icmpv6?: IcmpSpec
  readonly payload?: Payload
  /** The transport's checksum is wrong. */
  readonly badChecksum?: boolean
  /** The transport's checksum is 0: absent in UDP over IPv4, not computed elsewhere. */
  readonly noChecksum?: boolean
  /** The frame ends after so many bytes, whatever its headers say. */
  readonly truncate?: number
  /** Zeros behind the packet until the frame has so many bytes. */
  readonly padTo?: number
}
