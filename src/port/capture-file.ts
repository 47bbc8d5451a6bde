/**
 * Reads a capture, pcap or pcapng, frame by frame and with bounded memory:
 *
 *     const capture = readCapture('in.pcap')
 *     for await (const frame of capture) …
 *     if (capture.problem !== null) …
 *
 * A damaged capture ends with a `problem`; see capture.ts.
 */
import { createReadStream } from 'node:fs'
import { Capture } from './capture.js'
import { PcapReader } from './pcap.js'

export { Capture } from './capture.js'

export type CaptureSource = string | Uint8Array | AsyncIterable<Uint8Array>

/** `source` is a path (`-` for standard input), the whole capture, or its bytes as they come. */
export function readCapture(source: CaptureSource): Capture {
  if (typeof source === 'string') return captureOf(openFile(source))
  if (source instanceof Uint8Array) return captureOf(once(source))
  return captureOf(source)
}

function openFile(path: string): AsyncIterable<Uint8Array> {
  const highWaterMark = 1 << 18
  if (path === '-') return createReadStream('', { fd: 0, autoClose: false, highWaterMark })
  return createReadStream(path, { highWaterMark })
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

function captureOf(bytes: AsyncIterable<Uint8Array>): Capture {
  return new Capture(bytes, () => new PcapReader())
}
