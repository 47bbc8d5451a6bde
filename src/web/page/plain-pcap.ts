/** Reads the classic pcap format without anything of Node, as port/pcap.ts does with a package. */
import type { ByteWindow } from '../../port/byte-window.js'
import {
  type CaptureReader,
  LARGEST_FRAME,
  problemAt,
  type Step,
} from '../../port/captured-frame.js'
import {
  FILE_HEADER_BYTES,
  type PcapFile,
  RECORD_HEADER_BYTES,
  readFileHeader,
  readRecordHeader,
} from '../../port/pcap-layout.js'

export class PlainPcapReader implements CaptureReader {
  #file: PcapFile | null = null

  step(window: ByteWindow, index: number): Step {
    if (this.#file === null) return this.#fileHeader(window)
    if (window.available < RECORD_HEADER_BYTES) return RECORD_HEADER_BYTES
    const { view, begin } = window
    const { timestampMs, captured, originalLength } = readRecordHeader(view, begin, this.#file)
    if (captured > LARGEST_FRAME) {
      const what = `a frame of ${captured} bytes (more than ${LARGEST_FRAME})`
      return { problem: problemAt('malformed', what, index, window.offset) }
    }
    const whole = RECORD_HEADER_BYTES + captured
    if (window.available < whole) return whole
    const bytes = window.bytes.slice(begin + RECORD_HEADER_BYTES, begin + whole)
    window.consume(whole)
    const { linkType } = this.#file
    return { frame: { index, timestampMs, bytes, originalLength, linkType } }
  }

  #fileHeader(window: ByteWindow): Step {
    if (window.available < FILE_HEADER_BYTES) return FILE_HEADER_BYTES
    const file = readFileHeader(window.view, window.begin)
    if (typeof file === 'string') {
      return { problem: problemAt('unsupported', file, 0, window.offset) }
    }
    this.#file = file
    window.consume(FILE_HEADER_BYTES)
    return null
  }
}
