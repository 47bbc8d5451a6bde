/**
 * What stands in a frame, for people: `uipvs explain`, the page, docs, failing tests. A frame is
 * read layer by layer through the `fields` tables of the codecs, so what is shown is what the
 * codecs see.
 *
 * Any bytes can be described. A header that is cut shows the fields that are whole and ends the
 * walk; what nothing is known of is `payload`, what lies behind the end of the IP packet `padding`.
 * A packet that an ICMP error quotes is read as any other; a quote within that quote counts as
 * payload.
 */
import { formatIpv4, formatIpv6, formatMac } from './address.js'
import * as arp from './arp.js'
import { isTransportGood4, isTransportGood6 } from './checksum.js'
import * as ethernet from './ethernet.js'
import { type Field, readField } from './field.js'
import * as icmp from './icmp.js'
import * as icmpv6 from './icmpv6.js'
import * as ipv4 from './ipv4.js'
import * as ipv6 from './ipv6.js'
import * as sctp from './sctp.js'
import * as tcp from './tcp.js'
import * as udp from './udp.js'

export interface DescribedField {
  readonly name: string
  /** Bytes from the start of `view`, as all offsets here. */
  readonly offset: number
  readonly bytes: number
  readonly value: string
}

export interface Layer {
  readonly name: string
  readonly offset: number
  readonly bytes: number
  readonly fields: readonly DescribedField[]
}

/** Bytes of payload that are shown. */
const SHOWN_BYTES = 32
/**
 * Where a walk over tags, extension headers, chunks or options ends: a frame may be full of them.
 */
const LAYERS_MAX = 32

/** The layers of the Ethernet frame `[at, end)`, outermost first. */
export function describe(view: DataView, at: number, end: number): Layer[] {
  return new Reader(view).frame(at, Math.min(end, view.byteLength))
}

/** The layers of the IP packet `[at, end)`, for what has no Ethernet header. */
export function describePacket(view: DataView, at: number, end: number): Layer[] {
  return new Reader(view).packet(at, Math.min(end, view.byteLength))
}

class Reader {
  readonly #view: DataView
  readonly #layers: Layer[] = []
  /** Written before the names of the layers of a packet that an ICMP error quotes. */
  #prefix = ''

  constructor(view: DataView) {
    this.#view = view
  }

  frame(at: number, end: number): Layer[] {
    if (!this.#header('ethernet', ethernet.fields, at, ethernet.HEADER_BYTES, end)) {
      return this.#layers
    }
    let next = at + ethernet.HEADER_BYTES
    let type = ethernet.type(this.#view, at)
    while (ethernet.isVlan(type) && this.#layers.length < LAYERS_MAX) {
      const tagAt = next - 2
      if (!this.#header('vlan', ethernet.vlanFields, tagAt, ethernet.VLAN_TAG_BYTES, end)) {
        return this.#layers
      }
      next += ethernet.VLAN_TAG_BYTES
      if (next > end) return this.#layers
      type = this.#view.getUint16(next - 2)
    }
    if (type === ethernet.ETH_P_ARP) this.#arp(next, end)
    else if (type === ethernet.ETH_P_IP) this.#ipv4(next, end)
    else if (type === ethernet.ETH_P_IPV6) this.#ipv6(next, end)
    else this.#rest('payload', next, end)
    return this.#layers
  }

  packet(at: number, end: number): Layer[] {
    if (at >= 0 && at < end && this.#view.getUint8(at) >>> 4 === 6) this.#ipv6(at, end)
    else this.#ipv4(at, end)
    return this.#layers
  }

  #arp(at: number, end: number): void {
    if (!this.#header('arp', arp.fields, at, arp.BYTES, end)) return
    this.#rest('padding', at + arp.BYTES, end)
  }

  #ipv4(at: number, end: number): void {
    const view = this.#view
    const isCut = end - at < ipv4.HEADER_BYTES_MIN
    const bytes = isCut ? 0 : Math.max(ipv4.headerBytes(view, at), ipv4.HEADER_BYTES_MIN)
    if (isCut || at + bytes > end) {
      this.#header('ipv4', ipv4.fields, at, ipv4.HEADER_BYTES_MIN, end)
      return
    }
    const isGood = ipv4.headerBytes(view, at) === bytes && ipv4.isChecksumGood(view, at)
    this.#header('ipv4', ipv4.fields, at, bytes, end, isGood)
    const packetEnd = this.#packetEnd(at, ipv4.totalLength(view, at), bytes, end)
    const transportAt = at + bytes
    if (ipv4.fragmentOffset(view, at) !== 0) {
      this.#rest('fragment data', transportAt, packetEnd)
    } else {
      const isWhole = !ipv4.isFragment(view, at) && at + ipv4.totalLength(view, at) === packetEnd
      this.#transport(ipv4.protocol(view, at), at, transportAt, packetEnd, isWhole)
    }
    this.#rest('padding', packetEnd, end)
  }

  #ipv6(at: number, end: number): void {
    const view = this.#view
    if (!this.#header('ipv6', ipv6.fields, at, ipv6.HEADER_BYTES, end)) return
    const total = ipv6.HEADER_BYTES + ipv6.payloadLength(view, at)
    const packetEnd = this.#packetEnd(at, total, ipv6.HEADER_BYTES, end)
    let protocol = ipv6.nextHeader(view, at)
    let next = at + ipv6.HEADER_BYTES
    let isWhole = at + total === packetEnd
    while (ipv6.isExtension(protocol) && this.#layers.length < LAYERS_MAX) {
      const isFragment = protocol === ipv6.PROTO_FRAGMENT
      const rows = isFragment ? ipv6.fragmentFields : ipv6.extensionFields
      const bytes = isFragment || next + 2 > packetEnd ? 8 : ipv6.extensionBytes(view, next)
      if (!this.#header(ipv6.NEXT_HEADER_NAMES[protocol], rows, next, bytes, packetEnd)) return
      protocol = ipv6.extensionNextHeader(view, next)
      if (isFragment) {
        isWhole = false
        if (ipv6.fragmentHeaderOffset(view, next) !== 0) {
          this.#rest('fragment data', next + bytes, packetEnd)
          this.#rest('padding', packetEnd, end)
          return
        }
      }
      next += bytes
    }
    this.#transport(protocol, at, next, packetEnd, isWhole)
    this.#rest('padding', packetEnd, end)
  }

  /** Where a packet ends that says it has `total` bytes: not before its header, nor after `end`. */
  #packetEnd(at: number, total: number, headerBytes: number, end: number): number {
    return Math.min(at + Math.max(total, headerBytes), end)
  }

  /** `isWhole`: all bytes that the transport's checksum covers are here. */
  #transport(protocol: number, ipAt: number, at: number, end: number, isWhole: boolean): void {
    if (at >= end) return
    if (protocol === ipv4.PROTO_TCP) this.#tcp(ipAt, at, end, isWhole)
    else if (protocol === ipv4.PROTO_UDP) this.#udp(ipAt, at, end, isWhole)
    else if (protocol === ipv4.PROTO_SCTP) this.#sctp(at, end, isWhole)
    else if (protocol === ipv4.PROTO_ICMP) this.#icmp(at, end, isWhole)
    else if (protocol === ipv4.PROTO_ICMPV6) this.#icmpv6(ipAt, at, end, isWhole)
    else this.#rest('payload', at, end)
  }

  #tcp(ipAt: number, at: number, end: number, isWhole: boolean): void {
    const isCut = end - at < tcp.HEADER_BYTES_MIN
    const said = isCut ? 0 : tcp.dataOffsetBytes(this.#view, at)
    const bytes = Math.max(said, tcp.HEADER_BYTES_MIN)
    const isGood = this.#isGood(ipAt, at, end, ipv4.PROTO_TCP, isWhole && !isCut)
    if (this.#header('tcp', tcp.fields, at, bytes, end, isGood)) {
      this.#rest('payload', at + bytes, end)
    }
  }

  #udp(ipAt: number, at: number, end: number, isWhole: boolean): void {
    const isKnown = isWhole && end - at >= udp.HEADER_BYTES
    const isGood = this.#isGood(ipAt, at, end, ipv4.PROTO_UDP, isKnown)
    if (this.#header('udp', udp.fields, at, udp.HEADER_BYTES, end, isGood)) {
      this.#rest('payload', at + udp.HEADER_BYTES, end)
    }
  }

  #sctp(at: number, end: number, isWhole: boolean): void {
    const isKnown = isWhole && end - at >= sctp.HEADER_BYTES
    const isGood = isKnown
      ? sctp.checksum(this.#view, at) === sctp.expectedChecksum(this.#view, at, end)
      : undefined
    if (!this.#header('sctp', sctp.fields, at, sctp.HEADER_BYTES, end, isGood)) return
    let next = sctp.firstChunk(at)
    while (next + sctp.CHUNK_HEADER_BYTES <= end && this.#layers.length < LAYERS_MAX) {
      const said = Math.max(sctp.chunkLength(this.#view, next), sctp.CHUNK_HEADER_BYTES)
      this.#layer('chunk', sctp.chunkFields, next, Math.min(said, end - next))
      next = sctp.nextChunk(this.#view, next, end)
      if (next < 0) return
    }
  }

  #icmp(at: number, end: number, isWhole: boolean): void {
    const view = this.#view
    const type = view.getUint8(at)
    const isEcho = type === icmp.TYPE_ECHO_REQUEST || type === icmp.TYPE_ECHO_REPLY
    const rows = [...icmp.fields, ...(isEcho ? icmp.echoFields : icmp.errorFields)]
    const isGood = isWhole ? icmp.isChecksumGood(view, at, end) : undefined
    if (!this.#header('icmp', rows, at, icmp.HEADER_BYTES, end, isGood)) return
    const isQuote = icmp.isError(type) || type === icmp.TYPE_REDIRECT
    this.#message(isQuote || type === icmp.TYPE_PARAMETER_PROBLEM, icmp.embedded(at), end)
  }

  #icmpv6(ipAt: number, at: number, end: number, isWhole: boolean): void {
    const view = this.#view
    const type = view.getUint8(at)
    const isKnown = isWhole && end - at >= icmpv6.HEADER_BYTES
    const isGood = this.#isGood(ipAt, at, end, ipv4.PROTO_ICMPV6, isKnown)
    if (
      type === icmpv6.TYPE_NEIGHBOUR_SOLICITATION ||
      type === icmpv6.TYPE_NEIGHBOUR_ADVERTISEMENT
    ) {
      const rows = [...icmpv6.fields, ...icmpv6.neighbourFields]
      if (this.#header('icmpv6', rows, at, icmpv6.NEIGHBOUR_BYTES_MIN, end, isGood)) {
        this.#options(at + icmpv6.NEIGHBOUR_BYTES_MIN, end)
      }
      return
    }
    const more = icmpv6.isError(type) ? icmpv6.errorFields : icmpv6.echoFields
    const isEcho = type === icmpv6.TYPE_ECHO_REQUEST || type === icmpv6.TYPE_ECHO_REPLY
    const rows = isEcho || icmpv6.isError(type) ? [...icmpv6.fields, ...more] : icmpv6.fields
    if (this.#header('icmpv6', rows, at, icmpv6.HEADER_BYTES, end, isGood)) {
      this.#message(icmpv6.isError(type), icmpv6.embedded(at), end)
    }
  }

  /** Options of neighbour discovery; those that aren't link-layer addresses count as payload. */
  #options(at: number, end: number): void {
    let next = at
    while (next + 8 <= end && this.#layers.length < LAYERS_MAX) {
      const type = this.#view.getUint8(next)
      const isAddress =
        (type === icmpv6.OPTION_SOURCE_LINK_LAYER || type === icmpv6.OPTION_TARGET_LINK_LAYER) &&
        this.#view.getUint8(next + 1) === 1
      if (!isAddress) break
      this.#layer('option', icmpv6.optionFields, next, 8)
      next += 8
    }
    this.#rest('payload', next, end)
  }

  /** What follows the header of an ICMP message: a packet, perhaps cut, or data. */
  #message(isQuote: boolean, at: number, end: number): void {
    if (!isQuote || this.#prefix !== '' || at >= end) {
      this.#rest('payload', at, end)
      return
    }
    this.#prefix = 'quoted '
    this.packet(at, end)
    this.#prefix = ''
  }

  #isGood(
    ipAt: number,
    at: number,
    end: number,
    protocol: number,
    isKnown: boolean,
  ): boolean | undefined {
    if (!isKnown) return undefined
    return this.#view.getUint8(ipAt) >>> 4 === 6
      ? isTransportGood6(this.#view, ipAt, at, end, protocol)
      : isTransportGood4(this.#view, ipAt, at, end, protocol)
  }

  /**
   * Adds a header of `bytes` bytes. If `end` cuts it, only its whole fields, and returns false.
   * `isGood` says whether its checksum is right, undefined that this can't be known.
   */
  #header(
    name: string,
    rows: readonly Field[],
    at: number,
    bytes: number,
    end: number,
    isGood?: boolean,
  ): boolean {
    const isCut = at + bytes > end
    const present = Math.max(0, Math.min(bytes, end - at))
    this.#layer(isCut ? `${name} (cut)` : name, rows, at, present, isGood)
    return !isCut
  }

  #layer(name: string, rows: readonly Field[], at: number, bytes: number, isGood?: boolean): void {
    const fields = rows
      .filter((row) => row.offset + row.bytes <= bytes)
      .map((row) => ({
        name: row.name,
        offset: at + row.offset,
        bytes: row.bytes,
        value: formatField(this.#view, at, row) + (row.name === 'checksum' ? verdict(isGood) : ''),
      }))
    this.#layers.push({ name: this.#prefix + name, offset: at, bytes, fields })
  }

  /** Adds `[at, end)`, if it isn't empty, as bytes of which nothing more is known. */
  #rest(name: string, at: number, end: number): void {
    if (at >= end) return
    const shown = Math.min(end - at, SHOWN_BYTES)
    const hex = Array.from({ length: shown }, (_, i) => hexOf(this.#view.getUint8(at + i), 2))
    const value = hex.join(' ') + (shown < end - at ? ` and ${end - at - shown} more bytes` : '')
    const data = { name: 'bytes', offset: at, bytes: end - at, value }
    this.#layers.push({ name: this.#prefix + name, offset: at, bytes: end - at, fields: [data] })
  }
}

function verdict(isGood: boolean | undefined): string {
  if (isGood === undefined) return ''
  return isGood ? ' (good)' : ' (wrong)'
}

function hexOf(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}

/** The value of a field of the header at `at`, as people write it. */
export function formatField(view: DataView, at: number, row: Field): string {
  const from = at + row.offset
  if (row.kind === 'mac') return formatMac(view.getUint16(from), view.getInt32(from + 2))
  if (row.kind === 'ipv4') return formatIpv4(view.getInt32(from))
  if (row.kind === 'ipv6') {
    const words = [0, 4, 8, 12].map((offset) => view.getInt32(from + offset))
    return formatIpv6(words[0], words[1], words[2], words[3])
  }
  const value = readField(view, at, row)
  const hex = `0x${hexOf(value, Math.ceil(row.width / 4))}`
  if (row.kind === 'flags') {
    const names = Object.entries(row.names)
    const set = names.filter(([bit]) => (value & Number(bit)) !== 0).map(([, name]) => name)
    return set.length === 0 ? hex : `${hex} (${set.join(' ')})`
  }
  const digits = row.kind === 'hex' ? hex : String(value)
  const name = row.names[value]
  return name === undefined ? digits : `${digits} (${name})`
}
