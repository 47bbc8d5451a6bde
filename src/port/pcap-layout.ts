/**
 * What stands where in the classic pcap format, of either byte order, with micro- or nanoseconds.
 * Format: draft-ietf-opsawg-pcap.
 *
 *   file    | magic | 2 . 4 | zone | accuracy | snaplen | link type |     24 bytes
 *   record  | seconds | fraction | captured length | original length | captured bytes |
 */
export const FILE_HEADER_BYTES = 24
export const RECORD_HEADER_BYTES = 16
export const MAGIC_MICROSECONDS = 0xa1b2c3d4
export const MAGIC_NANOSECONDS = 0xa1b23c4d

/** The first four bytes, read as big-endian, of what can be read. */
export const PCAP_MAGICS: ReadonlySet<number> = new Set([
  MAGIC_MICROSECONDS,
  0xd4c3b2a1,
  MAGIC_NANOSECONDS,
  0x4d3cb2a1,
])

export interface PcapFile {
  readonly littleEndian: boolean
  readonly fractionsPerMs: number
  readonly linkType: number
}

/** What the file header at `at` says; a text if it is of a version that nobody knows. */
export function readFileHeader(view: DataView, at: number): PcapFile | string {
  const first = view.getUint32(at)
  const littleEndian = first !== MAGIC_MICROSECONDS && first !== MAGIC_NANOSECONDS
  const magic = view.getUint32(at, littleEndian)
  const major = view.getUint16(at + 4, littleEndian)
  const minor = view.getUint16(at + 6, littleEndian)
  if (major !== 2 || minor !== 4) {
    return `pcap version ${major}.${minor}, where only 2.4 is known,`
  }
  return {
    littleEndian,
    fractionsPerMs: magic === MAGIC_NANOSECONDS ? 1e6 : 1e3,
    // The upper bits tell of a frame check sequence.
    linkType: view.getUint32(at + 20, littleEndian) & 0x03ffffff,
  }
}

export interface PcapRecord {
  readonly timestampMs: number
  readonly captured: number
  readonly originalLength: number
}

export function readRecordHeader(view: DataView, at: number, file: PcapFile): PcapRecord {
  const order = file.littleEndian
  const seconds = view.getUint32(at, order)
  const fraction = view.getUint32(at + 4, order)
  return {
    timestampMs: seconds * 1000 + fraction / file.fractionsPerMs,
    captured: view.getUint32(at + 8, order),
    originalLength: view.getUint32(at + 12, order),
  }
}
