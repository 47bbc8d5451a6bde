/**
 * A packet as people write it on a command line, and its frame; and a frame as people paste it.
 *
 *   tcp 10.0.0.1:40000 192.168.1.110:80           udp, sctp alike
 *   tcp [2001:db8::1]:40000 [2001:db8::110]:80
 *   icmp 10.0.0.1 192.168.1.110                   an echo request, ICMPv6 if the addresses are IPv6
 */
import { parseIpv4, parseIpv6 } from '../wire/address.js'
import { build, type FrameSpec } from '../wire/build.js'
import * as ethernet from '../wire/ethernet.js'
import * as icmp from '../wire/icmp.js'
import * as icmpv6 from '../wire/icmpv6.js'
import { type Mac, macText } from './surroundings.js'

/** What was written is no packet. */
export class BadPacket extends Error {
  override readonly name = 'BadPacket'
}

export interface PacketSettings {
  /** Letters of F S R P A U E C, or `.` for none. Default `S`. */
  readonly flags?: string
  /** TTL or hop limit. Default 64. */
  readonly ttl?: number
  /** IPv4: don't fragment. */
  readonly df?: boolean
  /** Bytes of the whole IP packet. Default: no payload. */
  readonly length?: number
}

/** Who sends the frame, where the words do not say: the client's router. */
export const CLIENT_MAC = '02:00:00:00:00:fe'
const PROTOCOLS = ['tcp', 'udp', 'sctp', 'icmp'] as const
type ProtocolWord = (typeof PROTOCOLS)[number]

interface Endpoint {
  readonly isIpv6: boolean
  readonly address: string
  readonly port: number
}

/** @throws BadPacket, with a sentence. */
export function packetFrame(
  words: readonly string[],
  settings: PacketSettings,
  directorMac: Mac,
): Uint8Array {
  if (words.length !== 3) {
    throw new BadPacket('a packet is three words: protocol, source and destination')
  }
  const protocol = PROTOCOLS.find((each) => each === words[0])
  if (protocol === undefined) {
    throw new BadPacket(`'${words[0]}' is none of ${PROTOCOLS.join(', ')}`)
  }
  const hasPorts = protocol !== 'icmp'
  const from = endpoint(words[1], hasPorts)
  const to = endpoint(words[2], hasPorts)
  if (from.isIpv6 !== to.isIpv6) throw new BadPacket('source and destination differ in family')
  const spec = {
    ethernet: { source: CLIENT_MAC, destination: macText(directorMac) },
    ...network(from, to, settings),
    ...transport(protocol, from, to, settings),
  }
  return settings.length === undefined ? build(spec) : lengthened(spec, settings.length, protocol)
}

function endpoint(text: string, hasPort: boolean): Endpoint {
  if (!hasPort) return { ...addressIn(text, text), port: 0 }
  const parts = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const port = Number(parts?.[3])
  const example = text.includes(':') ? 'ADDRESS:PORT or [ADDRESS]:PORT' : 'ADDRESS:PORT'
  if (parts === null || port > 0xffff) throw new BadPacket(`'${text}' is not ${example}`)
  const found = addressIn(parts[1] ?? parts[2], text)
  if (found.isIpv6 !== (parts[1] !== undefined)) throw new BadPacket(`'${text}' is not ${example}`)
  return { ...found, port }
}

function addressIn(address: string, text: string): { isIpv6: boolean; address: string } {
  if (parseIpv4(address) !== null) return { isIpv6: false, address }
  if (parseIpv6(address, new Int32Array(4))) return { isIpv6: true, address }
  throw new BadPacket(`there is no IPv4 or IPv6 address in '${text}'`)
}

function network(from: Endpoint, to: Endpoint, settings: PacketSettings): FrameSpec {
  const { ttl = 64, df } = settings
  const addresses = { source: from.address, destination: to.address }
  if (!from.isIpv6) return { ipv4: { ...addresses, ttl, df: df ?? false } }
  if (df) throw new BadPacket('IPv6 knows no DF: its packets are never fragmented on the way')
  return { ipv6: { ...addresses, hopLimit: ttl } }
}

function transport(
  protocol: ProtocolWord,
  from: Endpoint,
  to: Endpoint,
  settings: PacketSettings,
): FrameSpec {
  const ports = { sport: from.port, dport: to.port }
  if (settings.flags !== undefined && protocol !== 'tcp') {
    throw new BadPacket(`${protocol} has no flags`)
  }
  if (protocol === 'tcp') return { tcp: { ...ports, flags: flagsOf(settings.flags ?? 'S') } }
  if (protocol === 'udp') return { udp: ports }
  if (protocol === 'sctp') return { sctp: ports }
  const echo = { code: 0, identifier: 1, sequence: 1 }
  if (from.isIpv6) return { icmpv6: { type: icmpv6.TYPE_ECHO_REQUEST, ...echo } }
  return { icmp: { type: icmp.TYPE_ECHO_REQUEST, ...echo } }
}

function flagsOf(text: string): string {
  const flags = text.toUpperCase()
  if (!/^([FSRPAUEC]+|\.)$/.test(flags)) {
    throw new BadPacket(`'${text}' are no TCP flags: letters of FSRPAUEC, or a dot for none`)
  }
  return flags
}

/** The frame of `spec` with so much payload that the IP packet has `length` bytes. */
function lengthened(spec: FrameSpec, length: number, protocol: ProtocolWord): Uint8Array {
  const bare = build(spec).length - ethernet.HEADER_BYTES
  if (protocol === 'sctp') throw new BadPacket('an SCTP INIT has one length only')
  const most = spec.ipv6 ? 40 + 0xffff : 0xffff
  if (!Number.isInteger(length) || length < bare || length > most) {
    throw new BadPacket(`such a packet has ${bare} to ${most} bytes, not ${length}`)
  }
  return build({ ...spec, payload: length - bare })
}

/**
 * Bytes from hex digits: any spaces and colons between them, or the lines that `tcpdump -xx`
 * prints, with their offsets (and the text that -XX adds). @throws BadPacket
 */
export function parseHex(text: string): Uint8Array {
  const digits = text.split('\n').map(hexOfLine).join('')
  if (digits === '') throw new BadPacket('there are no hex digits')
  if (digits.length % 2 !== 0)
    throw new BadPacket(`${digits.length} hex digits are half a byte off`)
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  )
}

function hexOfLine(line: string): string {
  const dumped = /^\s*0x[0-9a-f]{4,}:\s+((?:[0-9a-f]{2,4} ?)+)/i.exec(line)
  const digits = (dumped?.[1] ?? line.replace(/^\s*0x/i, '')).replace(/[\s:]/g, '')
  const strange = /[^0-9a-f]/i.exec(digits)
  if (strange !== null) throw new BadPacket(`'${strange[0]}' is no hex digit`)
  return digits
}
