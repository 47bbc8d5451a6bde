/** The frames of a recording, byte for byte as its README describes them. */
import { parseIpv4, parseIpv6 } from '../wire/address.js'
import * as ethernet from '../wire/ethernet.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import type { Extension, Send } from './recording.js'
import {
  type Context,
  finishChecksum,
  joined,
  PROTOCOL,
  transportBytes,
  viewOf,
} from './transport-bytes.js'

export const MAC_HIGH = 0x0200
export const DIRECTOR_MAC_LOW = 0xff01
export const GATEWAY_MAC_LOW = 0x00fe
const TTL = 64
/** Transport bytes that an ICMPv4 error quotes if nothing else is said (RFC 792). */
const QUOTED_BYTES = 8

const EXTENSION_PROTOCOL = {
  hop: ipv6.PROTO_HOP_BY_HOP,
  dest: ipv6.PROTO_DESTINATION_OPTIONS,
  routing: ipv6.PROTO_ROUTING,
  auth: ipv4.PROTO_AH,
} as const
/** PadN over four bytes; a routing header of type 0 without segments left; an SPI of 7. */
const EXTENSION_DATA = {
  hop: '010400000000',
  dest: '010400000000',
  routing: '000000000000',
  auth: '0000000000070000000100000000',
}

/** The Ethernet frame of a step; `vip` is where packets go that name no destination. */
export function frameBytes(send: Send, vip: string, step: number): Uint8Array {
  const context = { step, isQuoted: false }
  const isIpv6 = send.src.includes(':')
  const packet = isIpv6 ? packet6(send, vip, context) : packet4(send, vip, context)
  const frame = joined([new Uint8Array(ethernet.HEADER_BYTES), packet])
  ethernet.writeHeader(
    viewOf(frame),
    0,
    MAC_HIGH,
    DIRECTOR_MAC_LOW,
    MAC_HIGH,
    GATEWAY_MAC_LOW,
    isIpv6 ? ethernet.ETH_P_IPV6 : ethernet.ETH_P_IP,
  )
  return frame
}

/** The packet that an ICMP error quotes, cut to what it quotes of it; empty if there is none. */
function quoteOf(send: Send, vip: string, { step }: Context): Uint8Array {
  if (send.inner === undefined) return new Uint8Array(0)
  const inner = { df: false, ...send.inner }
  const context = { step, isQuoted: true }
  if (!inner.src.includes(':')) {
    // The length field goes on saying how long the packet was.
    const whole = packet4(inner, vip, context)
    const headerBytes = ipv4.headerBytes(viewOf(whole), 0)
    return whole.slice(0, headerBytes + (inner.quoted ?? QUOTED_BYTES))
  }
  const whole = packet6(inner, vip, context)
  if (inner.quoted === undefined) return whole
  const quote = whole.slice(0, headersOf6(inner).length + inner.quoted)
  ipv6.setPayloadLength(viewOf(quote), 0, quote.length - ipv6.HEADER_BYTES)
  return quote
}

function packet4(send: Send, vip: string, context: Context): Uint8Array {
  const options = fromHex(send.ip_options ?? '')
  const headerBytes = ipv4.HEADER_BYTES_MIN + options.length
  const whole = joined([
    new Uint8Array(headerBytes),
    transportBytes(send, context, quoteOf(send, vip, context)),
  ])
  writeHeader4(whole, send, vip, context.step, whole.length, options)
  finishChecksum(whole, headerBytes, send, false)
  const { frag } = send
  const begin = headerBytes + (frag?.off ?? 0)
  const end = Math.min(
    frag === undefined ? whole.length : begin + frag.size,
    send.truncate === undefined ? whole.length : headerBytes + send.truncate,
  )
  const packet = joined([whole.slice(0, headerBytes), whole.slice(begin, end)])
  writeHeader4(packet, send, vip, context.step, packet.length, options)
  return packet
}

function writeHeader4(
  packet: Uint8Array,
  send: Send,
  vip: string,
  step: number,
  totalLength: number,
  options: Uint8Array,
): void {
  const { frag, df = frag === undefined } = send
  const view = viewOf(packet)
  const flags =
    (df ? ipv4.FLAG_DONT_FRAGMENT : 0) | (frag?.more === true ? ipv4.FLAG_MORE_FRAGMENTS : 0)
  const { tos = 0, id = step, ttl = TTL } = send
  const protocol = PROTOCOL[send.proto]
  const destination = send.dst ?? vip
  const from = ipv4Of(send.src)
  ipv4.writeHeader(view, 0, tos, totalLength, id, flags, ttl, protocol, from, ipv4Of(destination))
  ipv4.setFragment(view, 0, flags, frag?.off ?? 0)
  ipv4.setHeaderBytes(view, 0, ipv4.HEADER_BYTES_MIN + options.length)
  packet.set(options, ipv4.HEADER_BYTES_MIN)
  ipv4.updateChecksum(view, 0)
}

function packet6(send: Send, vip: string, context: Context): Uint8Array {
  const message = transportBytes(send, context, quoteOf(send, vip, context))
  const headers = headersOf6(send)
  const whole = joined([headers, message])
  writeHeader6(whole, send, vip)
  finishChecksum(whole, headers.length, send, true)
  const { frag, ext = [] } = send
  if (frag === undefined) {
    const end = send.truncate === undefined ? whole.length : ipv6.HEADER_BYTES + send.truncate
    const packet = whole.slice(0, end)
    writeHeader6(packet, send, vip)
    return packet
  }
  const kept = ext.slice(0, frag.after ?? ext.length)
  const cut = ext.slice(kept.length)
  const begin = ipv6.HEADER_BYTES + extensionBytes(kept, ipv6.PROTO_FRAGMENT).length
  const fragmentHeader = new Uint8Array(ipv6.FRAGMENT_HEADER_BYTES)
  const next = cut.length > 0 ? EXTENSION_PROTOCOL[cut[0].kind] : PROTOCOL[send.proto]
  ipv6.writeFragmentHeader(
    viewOf(fragmentHeader),
    0,
    next,
    frag.off,
    frag.more,
    send.id ?? context.step,
  )
  const packet = joined([
    new Uint8Array(ipv6.HEADER_BYTES),
    extensionBytes(kept, ipv6.PROTO_FRAGMENT),
    fragmentHeader,
    whole.slice(begin + frag.off, begin + frag.off + frag.size),
  ]).slice(0, send.truncate === undefined ? undefined : ipv6.HEADER_BYTES + send.truncate)
  writeHeader6(packet, send, vip)
  const first = kept.length > 0 ? EXTENSION_PROTOCOL[kept[0].kind] : ipv6.PROTO_FRAGMENT
  ipv6.setNextHeader(viewOf(packet), 0, first)
  return packet
}

/** Room for the IPv6 header, and the extension headers behind it. */
function headersOf6(send: Send): Uint8Array {
  const extensions = extensionBytes(send.ext ?? [], PROTOCOL[send.proto])
  return joined([new Uint8Array(ipv6.HEADER_BYTES), extensions])
}

/** Extension headers in a chain of which the last says that `last` follows. */
function extensionBytes(extensions: readonly Extension[], last: number): Uint8Array {
  return joined(
    extensions.map(({ kind, data, length }, i) => {
      const rest = fromHex(data ?? EXTENSION_DATA[kind])
      const next = i + 1 < extensions.length ? EXTENSION_PROTOCOL[extensions[i + 1].kind] : last
      const bytes = rest.length + 2
      const field = kind === 'auth' ? bytes / 4 - 2 : bytes / 8 - 1
      return Uint8Array.from([next, length ?? field, ...rest])
    }),
  )
}

function writeHeader6(packet: Uint8Array, send: Send, vip: string): void {
  const view = viewOf(packet)
  const { tos = 0, flow = 0, ttl = TTL, ext = [] } = send
  const next = ext.length > 0 ? EXTENSION_PROTOCOL[ext[0].kind] : PROTOCOL[send.proto]
  ipv6.writeHeader(view, 0, tos, flow, packet.length - ipv6.HEADER_BYTES, next, ttl)
  const [s0, s1, s2, s3] = ipv6Of(send.src)
  const [d0, d1, d2, d3] = ipv6Of(send.dst ?? vip)
  ipv6.setSource(view, 0, s0, s1, s2, s3)
  ipv6.setDestination(view, 0, d0, d1, d2, d3)
}

export function ipv4Of(text: string): number {
  const address = parseIpv4(text)
  if (address === null) throw new Error(`${text} is not an IPv4 address`)
  return address
}

export function ipv6Of(text: string): Int32Array {
  const words = new Int32Array(4)
  if (!parseIpv6(text, words)) throw new Error(`${text} is not an IPv6 address`)
  return words
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
