/**
 * Reads the classic pcap format, of either byte order, with micro- or nanoseconds, through the
 * `pcap-parser` package. The layout is pcap-layout.ts's.
 *
 * The parser believes every length, knows only microseconds, and joins chunks by copying all it has
 * for each of them, with the deprecated `new Buffer`. So it is never given a file: it is given one
 * header or one whole record at a time, after the lengths have been checked here. Then it has
 * nothing to join (we reset the empty rest that it keeps), nothing to wait for, and no way to hang.
 */
import { EventEmitter } from 'node:events'
import pcapParser from 'pcap-parser'
import type { ByteWindow } from './byte-window.js'
import { type CaptureReader, LARGEST_FRAME, problemAt, type Step } from './captured-frame.js'
import {
  FILE_HEADER_BYTES,
  MAGIC_MICROSECONDS,
  RECORD_HEADER_BYTES,
  readFileHeader,
} from './pcap-layout.js'

/** Where the package expects a stream: records are emitted into it by hand. */
class Feed extends EventEmitter {
  pause(): void {}
  resume(): void {}
}

export class PcapReader implements CaptureReader {
  readonly #feed = new Feed()
  readonly #parser = pcapParser.parse(this.#feed)
  #packet: pcapParser.ParsedPacket | null = null
  #littleEndian = false
  #fractionsPerMs = 1000
  #linkType = -1

  constructor() {
    this.#parser.on('packet', (packet: pcapParser.ParsedPacket) => {
      this.#packet = packet
    })
  }

  step(window: ByteWindow, index: number): Step {
    return this.#linkType < 0 ? this.#fileHeader(window) : this.#record(window, index)
  }

  #fileHeader(window: ByteWindow): Step {
    if (window.available < FILE_HEADER_BYTES) return FILE_HEADER_BYTES
    const { view, begin } = window
    const file = readFileHeader(view, begin)
    if (typeof file === 'string') {
      return { problem: problemAt('unsupported', file, 0, window.offset) }
    }
    this.#littleEndian = file.littleEndian
    this.#fractionsPerMs = file.fractionsPerMs
    this.#linkType = file.linkType
    const header = Buffer.from(window.bytes.subarray(begin, begin + FILE_HEADER_BYTES))
    // The parser need not know that fractions are nanoseconds: it only hands them on.
    if (this.#littleEndian) header.writeUInt32LE(MAGIC_MICROSECONDS)
    else header.writeUInt32BE(MAGIC_MICROSECONDS)
    this.#give(header)
    window.consume(FILE_HEADER_BYTES)
    return null
  }

  #record(window: ByteWindow, index: number): Step {
    if (window.available < RECORD_HEADER_BYTES) return RECORD_HEADER_BYTES
    const captured = window.view.getUint32(window.begin + 8, this.#littleEndian)
    if (captured > LARGEST_FRAME) {
      const what = `a frame of ${captured} bytes (more than ${LARGEST_FRAME})`
      return { problem: problemAt('malformed', what, index, window.offset) }
    }
    const bytes = RECORD_HEADER_BYTES + captured
    if (window.available < bytes) return bytes
    this.#packet = null
    this.#give(Buffer.from(window.bytes.subarray(window.begin, window.begin + bytes)))
    const packet = this.#packet as pcapParser.ParsedPacket | null
    if (packet === null) throw new Error('pcap-parser gave no packet for a whole record')
    window.consume(bytes)
    const data = packet.data
    const { timestampSeconds, timestampMicroseconds, originalLength } = packet.header
    return {
      frame: {
        index,
        timestampMs: timestampSeconds * 1000 + timestampMicroseconds / this.#fractionsPerMs,
        bytes: new Uint8Array(data.buffer, data.byteOffset, data.length),
        originalLength,
        linkType: this.#linkType,
      },
    }
  }

  #give(whole: Buffer): void {
    this.#parser.buffer = null
    this.#feed.emit('data', whole)
  }
}
