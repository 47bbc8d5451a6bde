/**
 * Reads pcapng (draft-ietf-opsawg-pcapng) of both byte orders: Section Header, Interface
 * Description, Enhanced, Simple and (obsolete) Packet Blocks. Other blocks are passed over unseen,
 * however long they say they are. The layouts are drawn in pcapng-layout.ts.
 *
 * A length is believed only after it has been compared with the block around it; a block that
 * contradicts itself ends the reading with a problem that tells its offset.
 */
import { type ByteWindow, LARGEST_FILL } from './byte-window.js'
import { type CaptureReader, LARGEST_FRAME, problemAt, type Step } from './captured-frame.js'
import {
  BLOCK_ENHANCED_PACKET,
  BLOCK_INTERFACE,
  BLOCK_PACKET,
  BLOCK_SECTION,
  BLOCK_SIMPLE_PACKET,
  BYTE_ORDER_MAGIC,
  OPTION_COMMENT,
  OPTION_END,
  OPTION_EPB_FLAGS,
  OPTION_IF_NAME,
  OPTION_IF_TSOFFSET,
  OPTION_IF_TSRESOL,
} from './pcapng-layout.js'

/** The first four bytes: the block type of a section header, the same in both byte orders. */
export const PCAPNG_MAGIC = BLOCK_SECTION

/** More than any machine has; a bound for the memory of a reader. */
const INTERFACES_MAX = 4096

interface CaptureInterface {
  readonly name: string
  readonly linkType: number
  readonly snapLength: number
  readonly unitsPerMs: number
  readonly offsetMs: number
}

const TEXT = new TextDecoder()

export class PcapngReader implements CaptureReader {
  #littleEndian = true
  #interfaces: CaptureInterface[] = []
  #lastTimestampMs = 0
  // The block in hand, set by step(): where its body begins and ends in `#view`/`#bytes`.
  #view = new DataView(new ArrayBuffer(0))
  #bytes = new Uint8Array(0)
  #body = 0
  #bodyEnd = 0

  step(window: ByteWindow, index: number): Step {
    if (window.available < 12) return 12
    const { view, begin } = window
    const malformed = (what: string): Step => ({
      problem: problemAt('malformed', what, index, window.offset),
    })
    // The type of a section header reads the same in both orders; what follows it tells which.
    const isSection = view.getUint32(begin) === BLOCK_SECTION
    if (isSection) {
      const order = view.getUint32(begin + 8, true)
      const isKnown = order === BYTE_ORDER_MAGIC || view.getUint32(begin + 8) === BYTE_ORDER_MAGIC
      if (!isKnown) return malformed('a section header without byte-order magic')
      this.#littleEndian = order === BYTE_ORDER_MAGIC
    }
    const type = view.getUint32(begin, this.#littleEndian)
    const length = view.getUint32(begin + 4, this.#littleEndian)
    if (length < 12 || length % 4 !== 0) return malformed(`a block of ${length} bytes`)
    if (!isRead(type)) {
      window.skip(length)
      return null
    }
    if (length > LARGEST_FILL) return malformed(`a block of ${length} bytes (type ${type})`)
    if (window.available < length) return length
    if (view.getUint32(begin + length - 4, this.#littleEndian) !== length) {
      return malformed('a block whose two lengths differ')
    }
    this.#view = view
    this.#bytes = window.bytes
    this.#body = begin + 8
    this.#bodyEnd = begin + length - 4
    const step = this.#block(type, index)
    if (typeof step === 'string') return malformed(step)
    if (step !== null && 'unsupported' in step) {
      return { problem: problemAt('unsupported', step.unsupported, index, window.offset) }
    }
    window.consume(length)
    return step
  }

  /** A frame, nothing, or what is wrong. */
  #block(type: number, index: number): BlockResult {
    switch (type) {
      case BLOCK_SECTION:
        return this.#section()
      case BLOCK_INTERFACE:
        return this.#interface()
      case BLOCK_SIMPLE_PACKET:
        return this.#simplePacket(index)
      default:
        return this.#packet(type === BLOCK_PACKET, index)
    }
  }

  #section(): BlockResult {
    if (this.#bodyEnd - this.#body < 16) return 'a section header that is too short'
    const major = this.#view.getUint16(this.#body + 4, this.#littleEndian)
    const minor = this.#view.getUint16(this.#body + 6, this.#littleEndian)
    // 1.2 is written by some tools and reads as 1.0 (section 4.1 of the draft).
    if (major !== 1 || (minor !== 0 && minor !== 2)) {
      return { unsupported: `pcapng version ${major}.${minor}` }
    }
    this.#interfaces = []
    return null
  }

  #interface(): BlockResult {
    if (this.#bodyEnd - this.#body < 8) return 'an interface description that is too short'
    if (this.#interfaces.length === INTERFACES_MAX) return `more than ${INTERFACES_MAX} interfaces`
    let name = `#${this.#interfaces.length}`
    let unitsPerSecond = 1e6
    let offsetMs = 0
    const wrong = this.#options(this.#body + 8, (code, at, length) => {
      if (code === OPTION_IF_NAME) name = this.#text(at, length)
      if (code === OPTION_IF_TSRESOL && length === 1) {
        const resolution = this.#bytes[at]
        unitsPerSecond = (resolution & 0x80 ? 2 : 10) ** (resolution & 0x7f)
      }
      if (code === OPTION_IF_TSOFFSET && length === 8) {
        offsetMs = Number(this.#view.getBigInt64(at, this.#littleEndian)) * 1000
      }
    })
    if (wrong !== null) return wrong
    this.#interfaces.push({
      name,
      linkType: this.#view.getUint16(this.#body, this.#littleEndian),
      snapLength: this.#view.getUint32(this.#body + 4, this.#littleEndian),
      unitsPerMs: unitsPerSecond / 1000,
      offsetMs,
    })
    return null
  }

  /** Enhanced Packet Block, or the obsolete Packet Block: 16 bits of interface, 16 of drops. */
  #packet(isObsolete: boolean, index: number): BlockResult {
    if (this.#bodyEnd - this.#body < 20) return 'a packet block that is too short'
    const view = this.#view
    const order = this.#littleEndian
    const id = isObsolete ? view.getUint16(this.#body, order) : view.getUint32(this.#body, order)
    const from = this.#interfaces[id]
    if (from === undefined) return `a packet from interface ${id}, which is not described,`
    const high = view.getUint32(this.#body + 4, order)
    const low = view.getUint32(this.#body + 8, order)
    const captured = view.getUint32(this.#body + 12, order)
    const begin = this.#body + 20
    if (captured > this.#bodyEnd - begin) return `a packet of ${captured} bytes in a shorter block`
    if (captured > LARGEST_FRAME) return `a frame of ${captured} bytes (more than ${LARGEST_FRAME})`
    let comment: string | undefined
    let flags = 0
    const wrong = this.#options(begin + Math.ceil(captured / 4) * 4, (code, at, length) => {
      if (code === OPTION_COMMENT) comment ??= this.#text(at, length)
      if (code === OPTION_EPB_FLAGS && length === 4) flags = view.getUint32(at, order)
    })
    if (wrong !== null) return wrong
    this.#lastTimestampMs = timeMs(high, low, from.unitsPerMs) + from.offsetMs
    const frame = {
      index,
      timestampMs: this.#lastTimestampMs,
      bytes: this.#bytes.slice(begin, begin + captured),
      originalLength: view.getUint32(this.#body + 16, order),
      linkType: from.linkType,
      interface: from.name,
      ...((flags & 3) === 1 && { direction: 'in' as const }),
      ...((flags & 3) === 2 && { direction: 'out' as const }),
      ...(comment !== undefined && { comment }),
    }
    return { frame }
  }

  /** Simple Packet Block: no time (it gets that of the packet before), always interface 0. */
  #simplePacket(index: number): BlockResult {
    const from = this.#interfaces[0]
    if (from === undefined) return 'a packet from interface 0, which is not described,'
    if (this.#bodyEnd - this.#body < 4) return 'a packet block that is too short'
    const originalLength = this.#view.getUint32(this.#body, this.#littleEndian)
    const limit = from.snapLength === 0 ? LARGEST_FRAME : from.snapLength
    const captured = Math.min(originalLength, limit)
    const begin = this.#body + 4
    if (captured > this.#bodyEnd - begin) return `a packet of ${captured} bytes in a shorter block`
    if (captured > LARGEST_FRAME) return `a frame of ${captured} bytes (more than ${LARGEST_FRAME})`
    const frame = {
      index,
      timestampMs: this.#lastTimestampMs,
      bytes: this.#bytes.slice(begin, begin + captured),
      originalLength,
      linkType: from.linkType,
      interface: from.name,
    }
    return { frame }
  }

  /** Calls `found` for each option from `at` on; returns what is wrong with them, or null. */
  #options(at: number, found: (code: number, at: number, length: number) => void): string | null {
    while (at < this.#bodyEnd) {
      if (at + 4 > this.#bodyEnd) return 'an option that leaves its block'
      const code = this.#view.getUint16(at, this.#littleEndian)
      const length = this.#view.getUint16(at + 2, this.#littleEndian)
      if (code === OPTION_END) return null
      if (at + 4 + length > this.#bodyEnd) return 'an option that leaves its block'
      found(code, at + 4, length)
      at += 4 + Math.ceil(length / 4) * 4
    }
    return null
  }

  /** UTF-8; some writers end it with a zero byte, which the draft forbids. */
  #text(at: number, length: number): string {
    const text = TEXT.decode(this.#bytes.subarray(at, at + length))
    const end = text.indexOf('\0')
    return end < 0 ? text : text.slice(0, end)
  }
}

/**
 * A 64-bit count of units as ms. Nanoseconds of our days are more than a double holds: whole ms are
 * split off first, or the result would be rounded twice.
 */
function timeMs(high: number, low: number, unitsPerMs: number): number {
  const units = high * 2 ** 32 + low
  if (units <= Number.MAX_SAFE_INTEGER || !Number.isInteger(unitsPerMs)) return units / unitsPerMs
  const exact = (BigInt(high) << 32n) | BigInt(low)
  const divisor = BigInt(unitsPerMs)
  return Number(exact / divisor) + Number(exact % divisor) / unitsPerMs
}

type BlockResult = Extract<Step, { frame: unknown }> | { unsupported: string } | string | null

function isRead(type: number): boolean {
  return (
    type === BLOCK_SECTION ||
    type === BLOCK_INTERFACE ||
    type === BLOCK_PACKET ||
    type === BLOCK_SIMPLE_PACKET ||
    type === BLOCK_ENHANCED_PACKET
  )
}
