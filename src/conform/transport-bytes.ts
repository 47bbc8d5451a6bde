/**
 * What the packets of a recording carry behind their IP headers, byte for byte as they were sent.
 */
import * as checksum from '../wire/checksum.js'
import * as icmp from '../wire/icmp.js'
import * as sctp from '../wire/sctp.js'
import * as tcp from '../wire/tcp.js'
import * as udp from '../wire/udp.js'
import type { Chunk, Send } from './recording.js'

export const PROTOCOL = {
  tcp: 6,
  udp: 17,
  sctp: 132,
  icmp: 1,
  icmpv6: 58,
  gre: 47,
  esp: 50,
  ah: 51,
  none: 59,
} as const

const FLAG_LETTERS = 'FSRPAUEC'
const WINDOW = 8192
/** What a wrong checksum differs by from the right one. */
const BAD_CHECKSUM = 0x5555

const CHUNK_TYPES: Readonly<Record<string, number>> = {
  DATA: sctp.CHUNK_DATA,
  INIT: sctp.CHUNK_INIT,
  'INIT-ACK': sctp.CHUNK_INIT_ACK,
  SACK: sctp.CHUNK_SACK,
  HEARTBEAT: sctp.CHUNK_HEARTBEAT,
  'HEARTBEAT-ACK': sctp.CHUNK_HEARTBEAT_ACK,
  ABORT: sctp.CHUNK_ABORT,
  SHUTDOWN: sctp.CHUNK_SHUTDOWN,
  'SHUTDOWN-ACK': sctp.CHUNK_SHUTDOWN_ACK,
  ERROR: sctp.CHUNK_ERROR,
  'COOKIE-ECHO': sctp.CHUNK_COOKIE_ECHO,
  'COOKIE-ACK': sctp.CHUNK_COOKIE_ACK,
  ECNE: sctp.CHUNK_ECNE,
  CWR: sctp.CHUNK_CWR,
  'SHUTDOWN-COMPLETE': sctp.CHUNK_SHUTDOWN_COMPLETE,
}

/** Where the packet is: the number of its step, and whether an ICMP error quotes it. */
export interface Context {
  readonly step: number
  readonly isQuoted: boolean
}

/**
 * The transport message, with its checksum still 0. `quote` is the packet that an ICMP error
 * quotes.
 */
export function transportBytes(send: Send, context: Context, quote: Uint8Array): Uint8Array {
  const payload = counting(send.len ?? 0)
  switch (send.proto) {
    case 'tcp':
      return tcpBytes(send, context, payload)
    case 'udp': {
      const bytes = withHeader(udp.HEADER_BYTES, payload)
      udp.writeHeader(viewOf(bytes), 0, send.sport ?? 0, send.dport ?? 0, bytes.length)
      return bytes
    }
    case 'sctp':
      return send.sport === undefined ? payload : sctpBytes(send, context)
    case 'icmp':
    case 'icmpv6':
      return icmpBytes(send, context, send.inner === undefined ? payload : quote)
    default:
      return payload
  }
}

/** Writes the checksum of the message at `at`; `isIpv6` tells which pseudo header covers it. */
export function finishChecksum(packet: Uint8Array, at: number, send: Send, isIpv6: boolean): void {
  if (send.no_csum === true || (send.proto === 'sctp' && send.sport === undefined)) return
  const view = viewOf(packet)
  const end = packet.length
  const protocol = PROTOCOL[send.proto]
  if (send.proto === 'sctp') sctp.updateChecksum(view, at, end)
  else if (send.proto === 'icmp') icmp.updateChecksum(view, at, end)
  else if (isIpv6) checksum.finishTransport6(view, 0, at, end, protocol)
  else checksum.finishTransport4(view, 0, at, end, protocol)
  if (send.bad_csum !== true) return
  const field = send.proto === 'sctp' ? sctp.CHECKSUM_OFFSET : checksumOffset(send)
  view.setUint16(at + field, view.getUint16(at + field) ^ BAD_CHECKSUM)
}

function checksumOffset(send: Send): number {
  return send.proto === 'icmp'
    ? icmp.CHECKSUM_OFFSET
    : checksum.transportChecksumOffset(PROTOCOL[send.proto])
}

function tcpBytes(send: Send, context: Context, payload: Uint8Array): Uint8Array {
  const letters = send.flags ?? ''
  let flags = 0
  for (const letter of letters) flags |= 1 << FLAG_LETTERS.indexOf(letter)
  const sequence = send.seq ?? (context.isQuoted ? 0 : context.step)
  const acknowledgement = letters.includes('A') ? 1 : 0
  const bytes = withHeader(tcp.HEADER_BYTES_MIN, payload)
  const { sport = 0, dport = 0 } = send
  tcp.writeHeader(viewOf(bytes), 0, sport, dport, sequence, acknowledgement, flags, WINDOW)
  return bytes
}

function icmpBytes(send: Send, { step }: Context, rest: Uint8Array): Uint8Array {
  const bytes = withHeader(icmp.HEADER_BYTES, rest)
  const { type = 0, code = 0, mtu = 0, echo_id = 1 } = send
  const second = send.inner === undefined ? (echo_id << 16) | (step & 0xffff) : mtu
  icmp.writeHeader(viewOf(bytes), 0, type, code, second)
  return bytes
}

function sctpBytes(send: Send, { step }: Context): Uint8Array {
  const chunks = (send.chunks ?? ['DATA']).map((chunk) => chunkBytes(chunk, send, step))
  const first = typeOf(send.chunks?.[0] ?? 'DATA')
  const tag = send.vtag ?? (first === sctp.CHUNK_INIT ? 0 : 1)
  const bytes = withHeader(sctp.HEADER_BYTES, joined(chunks))
  sctp.writeHeader(viewOf(bytes), 0, send.sport ?? 0, send.dport ?? 0, tag)
  return bytes
}

function typeOf(chunk: Chunk): number {
  if (typeof chunk === 'number') return chunk
  if (typeof chunk === 'object') return typeOf(chunk.type)
  const type = CHUNK_TYPES[chunk]
  if (type === undefined) throw new Error(`there is no SCTP chunk called ${chunk}`)
  return type
}

/** A chunk with its body, filled up with zeros to a multiple of 4. */
function chunkBytes(chunk: Chunk, send: Send, step: number): Uint8Array {
  const type = typeOf(chunk)
  const own = typeof chunk === 'object' ? chunk : { type: chunk }
  const body = own.len === undefined ? bodyOf(type, send, step) : counting(own.len)
  const bytes = withHeader(sctp.CHUNK_HEADER_BYTES, new Uint8Array((body.length + 3) & ~3))
  bytes.set(body, sctp.CHUNK_HEADER_BYTES)
  const flags = own.flags ?? (type === sctp.CHUNK_DATA ? 3 : 0)
  const length = own.length ?? sctp.CHUNK_HEADER_BYTES + body.length
  sctp.writeChunk(viewOf(bytes), 0, type, flags, length)
  return bytes
}

/** Bodies of the chunks that have one; `step` stands for the numbers in them. */
function bodyOf(type: number, send: Send, step: number): Uint8Array {
  switch (type) {
    case sctp.CHUNK_DATA:
      return joined([words(step, 0, 0), counting(send.len ?? 0)])
    case sctp.CHUNK_INIT:
    case sctp.CHUNK_INIT_ACK:
      return words(step, 65_536, (10 << 16) | 10, step)
    case sctp.CHUNK_SACK:
      return words(step, 65_536, 0)
    case sctp.CHUNK_SHUTDOWN:
      return words(step)
    case sctp.CHUNK_COOKIE_ECHO:
      return counting(8)
    default:
      return new Uint8Array(0)
  }
}

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4)
  const view = viewOf(bytes)
  for (const [i, value] of values.entries()) view.setInt32(i * 4, value)
  return bytes
}

/** 00 01 02 … ff 00 … */
function counting(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i)
}

function withHeader(headerBytes: number, rest: Uint8Array): Uint8Array {
  return joined([new Uint8Array(headerBytes), rest])
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
