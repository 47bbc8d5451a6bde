/**
 * What watches the wires of a lab for the live page: `node wire-program.js INTERFACE=MAC …`. Prints
 * a line of JSON for each look that found frames: a list of `ToldFrame`. A frame is told by the
 * interface whose host (MAC) sent it, and so once. At a high rate it is a sample: each look tells
 * the first frames that wait, and the rest is dropped by the kernel or read away unseen, at a cost
 * that does not grow with the rate.
 */
import { writeSync } from 'node:fs'
import { FrameSocket } from '../native/frame-socket.js'
import { parseMac } from '../wire/address.js'
import * as ethernet from '../wire/ethernet.js'

const LOOK_MS = 50
/** Frames of one interface that a look reads, and of all that it tells. */
const READ_MAX = 128
const TOLD_MAX = 160
/** What is told of a long frame, in bytes: its headers. */
const TOLD_BYTES = 256

interface Wire {
  readonly socket: FrameSocket
  readonly high: number
  readonly low: number
}

function openWire(word: string): Wire {
  const [name = '', text = ''] = word.split('=')
  const mac = parseMac(text)
  if (mac === null) throw new Error(`${word} is no INTERFACE=MAC`)
  return { socket: new FrameSocket(name), ...mac }
}

function isSentBy({ high, low }: Wire, frame: Uint8Array): boolean {
  if (frame.length < ethernet.HEADER_BYTES) return false
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  return ethernet.sourceHigh(view, 0) === high && ethernet.sourceLow(view, 0) === low
}

/** One frame, as it is told. */
export interface ToldFrame {
  /** When it came, in µs of the wall clock. */
  readonly at: number
  readonly hex: string
  readonly bytes: number
}

if (process.argv[1] === import.meta.filename) {
  const wires = process.argv.slice(2).map(openWire)
  for (const { socket } of wires) socket.arrival()
  setInterval(() => {
    const told = wires.flatMap((wire) => {
      const found: ToldFrame[] = []
      for (let read = 0; read < READ_MAX; read++) {
        const frame = wire.socket.receive()
        if (frame === null) break
        if (!isSentBy(wire, frame)) continue
        const hex = Buffer.from(frame.subarray(0, TOLD_BYTES)).toString('hex')
        found.push({ at: wire.socket.arrival() ?? 0, hex, bytes: frame.length })
      }
      return found
    })
    // Those that belong together came one after the other: the first, not some of each interface.
    told.sort((a, b) => a.at - b.at)
    if (told.length > 0) writeSync(1, `${JSON.stringify(told.slice(0, TOLD_MAX))}\n`)
  }, LOOK_MS)
}
