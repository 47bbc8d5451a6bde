/**
 * What watches an interface of the lab: `node capture-program.js INTERFACE`. Prints `listening`, and
 * then a line of JSON for each frame in either direction: {outgoing, hex}. Ends at SIGTERM, after it
 * has written what came before.
 */
import { writeSync } from 'node:fs'
import { FrameSocket } from '../native/frame-socket.js'

/** Far less than it takes to fill the socket's buffer with what a demonstration sends. */
const POLL_MS = 2

if (process.argv[1] === import.meta.filename) {
  const frames = new FrameSocket(process.argv[2] ?? 'eth0')
  const drain = () => {
    for (let frame = frames.receive(); frame !== null; frame = frames.receive()) {
      const hex = Buffer.from(frame.bytes).toString('hex')
      writeSync(1, `${JSON.stringify({ outgoing: frame.outgoing, hex })}\n`)
    }
  }
  writeSync(1, 'listening\n')
  const timer = setInterval(drain, POLL_MS)
  process.on('SIGTERM', () => {
    clearInterval(timer)
    drain()
    frames.close()
  })
}
