/**
 * What an IP packet carries, made to order for `build.ts`: a transport or ICMP with its payload.
 * Its checksum needs the IP header, so it is written afterwards, by `finishSegment`.
 */
import { parseIpv6, parseMac } from './address.js'
import { finishTransport4, finishTransport6 } from './checksum.js'
import { type Field, readField, writeField } from './field.js'
import type { FrameSpec, IcmpSpec, Payload, SctpSpec, TcpSpec } from './frame-spec.js'
import * as icmp from './icmp.js'
import * as icmpv6 from './icmpv6.js'
import * as ipv4 from './ipv4.js'
import * as sctp from './sctp.js'
import * as tcp from './tcp.js'
import * as udp from './udp.js'

const FLAG_LETTERS: Readonly<Record<string, number>> = {
  F: tcp.FLAG_FIN,
  S: tcp.FLAG_SYN,
  R: tcp.FLAG_RST,
  P: tcp.FLAG_PSH,
  A: tcp.FLAG_ACK,
  U: tcp.FLAG_URG,
  E: tcp.FLAG_ECE,
  C: tcp.FLAG_CWR,
  '.': 0,
}

/** The tables of the headers that have a checksum, by protocol. */
const FIELDS: Readonly<Record<number, readonly Field[]>> = {
  [ipv4.PROTO_TCP]: tcp.fields,
  [ipv4.PROTO_UDP]: udp.fields,
  [ipv4.PROTO_SCTP]: sctp.fields,
  [ipv4.PROTO_ICMP]: icmp.fields,
  [ipv4.PROTO_ICMPV6]: icmpv6.fields,
}

const NOTHING = new Uint8Array(0)

/** The protocol number of what `spec` carries, undefined if that is only a payload. */
export function protocolOf(spec: FrameSpec): number | undefined {
  if (spec.tcp) return ipv4.PROTO_TCP
  if (spec.udp) return ipv4.PROTO_UDP
  if (spec.sctp) return ipv4.PROTO_SCTP
  if (spec.icmp) return ipv4.PROTO_ICMP
  return spec.icmpv6 ? ipv4.PROTO_ICMPV6 : undefined
}

/**
 * What follows the IP headers, with 0 for its checksum. `quote` is the packet that an error is
 * about.
 */
export function segment(spec: FrameSpec, quote: Uint8Array): Uint8Array {
  const payload = bytesOf(spec.payload ?? 0)
  if (spec.tcp) return buildTcp(spec.tcp, payload)
  if (spec.udp) {
    const { sport, dport, length = udp.HEADER_BYTES + payload.length } = spec.udp
    const { bytes, view } = blank(udp.HEADER_BYTES, payload)
    udp.writeHeader(view, 0, sport, dport, length)
    return bytes
  }
  if (spec.sctp) return buildSctp(spec.sctp)
  if (spec.icmp) return buildIcmp(spec.icmp, quote, payload)
  return spec.icmpv6 ? buildIcmp(spec.icmpv6, quote, payload) : payload
}

/** Writes the checksum that `spec` wants into the packet that fills `view`. */
export function finishSegment(spec: FrameSpec, view: DataView, transportAt: number): void {
  const protocol = protocolOf(spec)
  if (protocol === undefined || spec.noChecksum) return
  const end = view.byteLength
  if (protocol === ipv4.PROTO_SCTP) sctp.updateChecksum(view, transportAt, end)
  else if (protocol === ipv4.PROTO_ICMP) icmp.updateChecksum(view, transportAt, end)
  else if (spec.ipv6) finishTransport6(view, 0, transportAt, end, protocol)
  else finishTransport4(view, 0, transportAt, end, protocol)
  if (spec.badChecksum) spoilChecksum(view, transportAt, FIELDS[protocol])
}

/** Makes the checksum of a header wrong, without making it 0, which says something else in UDP. */
export function spoilChecksum(view: DataView, at: number, rows: readonly Field[]): void {
  for (const row of rows.filter((row) => row.name === 'checksum')) {
    const wordMax = 2 ** row.width - 1
    // 1 to wordMax - 1, and one more than before also where 0 and wordMax are the same number.
    writeField(view, at, row, (readField(view, at, row) % (wordMax - 1)) + 1)
  }
}

function buildTcp(spec: TcpSpec, payload: Uint8Array): Uint8Array {
  const { sport, dport, flags = 'S', seq = 0, ack = 0, window = 64240, options = [] } = spec
  const headerBytes = tcp.HEADER_BYTES_MIN + Math.ceil(options.length / 4) * 4
  if (headerBytes > tcp.HEADER_BYTES_MAX) throw new TypeError('more than 40 bytes of TCP options')
  const { bytes, view } = blank(headerBytes, payload)
  let bits = 0
  for (const letter of flags) {
    if (!(letter in FLAG_LETTERS)) throw new TypeError(`${letter} is not a TCP flag`)
    bits |= FLAG_LETTERS[letter]
  }
  tcp.writeHeader(view, 0, sport, dport, seq, ack, bits, window)
  tcp.setDataOffsetBytes(view, 0, spec.dataOffset === undefined ? headerBytes : spec.dataOffset * 4)
  bytes.set(options, tcp.HEADER_BYTES_MIN)
  return bytes
}

function buildSctp(spec: SctpSpec): Uint8Array {
  const { sport, dport, tag = 0, chunks = [{ type: sctp.CHUNK_INIT, value: 16 }] } = spec
  const values = chunks.map((chunk) => bytesOf(chunk.value ?? 0))
  const sizes = values.map((value) => sctp.CHUNK_HEADER_BYTES + Math.ceil(value.length / 4) * 4)
  const { bytes, view } = blank(sizes.reduce((sum, size) => sum + size, sctp.HEADER_BYTES))
  sctp.writeHeader(view, 0, sport, dport, tag)
  let at = sctp.HEADER_BYTES
  for (const [i, chunk] of chunks.entries()) {
    const { length = sctp.CHUNK_HEADER_BYTES + values[i].length, flags = 0 } = chunk
    sctp.writeChunk(view, at, chunk.type, flags, length)
    bytes.set(values[i], at + sctp.CHUNK_HEADER_BYTES)
    at += sizes[i]
  }
  return bytes
}

/** ICMP and ICMPv6 begin alike, so one function builds both. */
function buildIcmp(spec: IcmpSpec, quote: Uint8Array, payload: Uint8Array): Uint8Array {
  const { type, code = 0, identifier = 0, sequence = 0, mtu } = spec
  const rest = spec.rest ?? mtu ?? (identifier << 16) | sequence
  const discovery =
    spec.target === undefined ? NOTHING : neighbourBody(spec.target, spec.linkLayer, type)
  const { bytes, view } = blank(icmp.HEADER_BYTES, discovery, quote, payload)
  icmp.writeHeader(view, 0, type, code, rest)
  return bytes
}

/** Target and link-layer address option of neighbour discovery. */
function neighbourBody(target: string, linkLayer: string | undefined, type: number): Uint8Array {
  const bytes = new Uint8Array(linkLayer === undefined ? 16 : 24)
  const words = new Int32Array(4)
  if (!parseIpv6(target, words)) throw new TypeError(`${target} is not an IPv6 address`)
  const view = viewOf(bytes)
  for (const [i, word] of words.entries()) view.setInt32(4 * i, word)
  if (linkLayer === undefined) return bytes
  const mac = parseMac(linkLayer)
  if (mac === null) throw new TypeError(`${linkLayer} is not a MAC address`)
  const isAdvertisement = type === icmpv6.TYPE_NEIGHBOUR_ADVERTISEMENT
  const option = isAdvertisement ? icmpv6.OPTION_TARGET_LINK_LAYER : icmpv6.OPTION_SOURCE_LINK_LAYER
  icmpv6.writeLinkLayerOption(view, 16, option, mac.high, mac.low)
  return bytes
}

/** `headerBytes` zeros and what follows them. */
function blank(headerBytes: number, ...rest: Uint8Array[]): { bytes: Uint8Array; view: DataView } {
  const total = rest.reduce((sum, piece) => sum + piece.length, headerBytes)
  const bytes = new Uint8Array(total)
  let at = headerBytes
  for (const piece of rest) {
    bytes.set(piece, at)
    at += piece.length
  }
  return { bytes, view: viewOf(bytes) }
}

function bytesOf(payload: Payload): Uint8Array {
  if (typeof payload === 'number') return Uint8Array.from({ length: payload }, (_, i) => i)
  if (typeof payload !== 'string') return Uint8Array.from(payload)
  // This folder does without Node and so without TextEncoder.
  const units = encodeURIComponent(payload).match(/%..|./gs) ?? []
  return Uint8Array.from(units, (unit) =>
    unit.length === 3 ? Number.parseInt(unit.slice(1), 16) : unit.charCodeAt(0),
  )
}

/** A view of exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
