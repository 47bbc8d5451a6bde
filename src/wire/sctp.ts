/**
 * The SCTP common header and the headers of its chunks (RFC 9260 section 3).
 *
 *   0             2                  4                  8          12
 *   | source port | destination port | verification tag | checksum | chunk | chunk ...
 *
 *   chunk: | type | flags | length | value ..., padded to a multiple of 4 bytes |
 *
 * A chunk's length counts its header of 4 bytes and not its padding. The checksum is CRC-32C over
 * the whole packet, its own field as zero, stored low byte first (RFC 9260 appendix A).
 */
import { type Field, field } from './field.js'
import { setPorts } from './transport.js'

export const HEADER_BYTES = 12
export const CHUNK_HEADER_BYTES = 4
export const CHECKSUM_OFFSET = 8

export const CHUNK_DATA = 0
export const CHUNK_INIT = 1
export const CHUNK_INIT_ACK = 2
export const CHUNK_SACK = 3
export const CHUNK_HEARTBEAT = 4
export const CHUNK_HEARTBEAT_ACK = 5
export const CHUNK_ABORT = 6
export const CHUNK_SHUTDOWN = 7
export const CHUNK_SHUTDOWN_ACK = 8
export const CHUNK_ERROR = 9
export const CHUNK_COOKIE_ECHO = 10
export const CHUNK_COOKIE_ACK = 11
export const CHUNK_ECNE = 12
export const CHUNK_CWR = 13
export const CHUNK_SHUTDOWN_COMPLETE = 14

const NONE = -1

const CHUNK_NAMES: Readonly<Record<number, string>> = {
  [CHUNK_DATA]: 'DATA',
  [CHUNK_INIT]: 'INIT',
  [CHUNK_INIT_ACK]: 'INIT ACK',
  [CHUNK_SACK]: 'SACK',
  [CHUNK_HEARTBEAT]: 'HEARTBEAT',
  [CHUNK_HEARTBEAT_ACK]: 'HEARTBEAT ACK',
  [CHUNK_ABORT]: 'ABORT',
  [CHUNK_SHUTDOWN]: 'SHUTDOWN',
  [CHUNK_SHUTDOWN_ACK]: 'SHUTDOWN ACK',
  [CHUNK_ERROR]: 'ERROR',
  [CHUNK_COOKIE_ECHO]: 'COOKIE ECHO',
  [CHUNK_COOKIE_ACK]: 'COOKIE ACK',
  [CHUNK_ECNE]: 'ECNE',
  [CHUNK_CWR]: 'CWR',
  [CHUNK_SHUTDOWN_COMPLETE]: 'SHUTDOWN COMPLETE',
}

// biome-ignore format: one field a line
export const fields: readonly Field[] = [
  field('source port', 0, 2, 'number', 'Port of the sender.'),
  field('destination port', 2, 2, 'number', 'Port of the receiver.'),
  field('verification tag', 4, 4, 'hex', 'Proves that the sender knows the association; 0 with an INIT.'),
  field('checksum', 8, 4, 'hex', 'CRC-32C of the whole packet, low byte first.'),
]

// biome-ignore format: one field a line
export const chunkFields: readonly Field[] = [
  field('chunk type', 0, 1, 'number', 'What the chunk is.', { names: CHUNK_NAMES }),
  field('chunk flags', 1, 1, 'hex', 'Their meaning depends on the type.'),
  field('chunk length', 2, 2, 'number', 'Bytes of the chunk with this header, without padding.'),
]

/** Whether `[at, end)` holds the common header and the header of a first chunk. */
export function isWellFormed(_view: DataView, at: number, end: number): boolean {
  return end - at >= HEADER_BYTES + CHUNK_HEADER_BYTES
}

export function verificationTag(view: DataView, at: number): number {
  return view.getInt32(at + 4)
}

/** As it is on the wire, an unsigned number. */
export function checksum(view: DataView, at: number): number {
  return view.getUint32(at + CHECKSUM_OFFSET)
}

/** Where the first chunk begins. */
export function firstChunk(at: number): number {
  return at + HEADER_BYTES
}

export function firstChunkType(view: DataView, at: number): number {
  return view.getUint8(at + HEADER_BYTES)
}

export function chunkType(view: DataView, chunkAt: number): number {
  return view.getUint8(chunkAt)
}

export function chunkFlags(view: DataView, chunkAt: number): number {
  return view.getUint8(chunkAt + 1)
}

export function chunkLength(view: DataView, chunkAt: number): number {
  return view.getUint16(chunkAt + 2)
}

/**
 * Where the chunk behind the one at `chunkAt` begins; -1 if that one's length is less than its own
 * header, or no whole chunk header follows before `end`.
 */
export function nextChunk(view: DataView, chunkAt: number, end: number): number {
  const bytes = chunkLength(view, chunkAt)
  const next = chunkAt + ((bytes + 3) & ~3)
  return bytes >= CHUNK_HEADER_BYTES && next + CHUNK_HEADER_BYTES <= end ? next : NONE
}

/** Writes the 12 bytes of the common header. The checksum stays 0: `updateChecksum`. */
export function writeHeader(
  view: DataView,
  at: number,
  sourcePort: number,
  destinationPort: number,
  verificationTag: number,
): void {
  setPorts(view, at, sourcePort, destinationPort)
  view.setInt32(at + 4, verificationTag)
  view.setInt32(at + CHECKSUM_OFFSET, 0)
}

/** Writes the 4 bytes of a chunk header. `length` counts them too. */
export function writeChunk(
  view: DataView,
  chunkAt: number,
  type: number,
  flags: number,
  length: number,
): void {
  view.setUint8(chunkAt, type)
  view.setUint8(chunkAt + 1, flags)
  view.setUint16(chunkAt + 2, length)
}

/** CRC-32C, polynomial 0x1edc6f41 with its bits reversed (RFC 9260 appendix A), by table. */
const CRC32C_REVERSED = 0x82f63b78 | 0
const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++)
    crc = (crc & 1) !== 0 ? (crc >>> 1) ^ CRC32C_REVERSED : crc >>> 1
  return crc
})

/** CRC-32C of `bytes[from, to)`, an unsigned number. */
export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  let crc = -1
  for (let i = from; i < to; i++) crc = CRC_TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8)
  return ~crc >>> 0
}

/** The checksum that the packet `[at, end)` should have, as `checksum` returns it. */
export function expectedChecksum(view: DataView, at: number, end: number): number {
  let crc = -1
  for (let i = at; i < end; i++) {
    const isOwn = i >= at + CHECKSUM_OFFSET && i < at + HEADER_BYTES
    const byte = isOwn ? 0 : view.getUint8(i)
    crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8)
  }
  return swapBytes(~crc)
}

/** Writes the checksum of the whole packet `[at, end)`. */
export function updateChecksum(view: DataView, at: number, end: number): void {
  view.setUint32(at + CHECKSUM_OFFSET, expectedChecksum(view, at, end))
}

function swapBytes(word: number): number {
  const swapped = (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)
  return swapped >>> 0
}
