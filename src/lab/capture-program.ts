/**
 * What watches an interface of the lab: `node capture-program.js INTERFACE [MAC]`. Prints
 * `listening` and the MAC address (by default the interface's) whose frames are to count as
 * outgoing, and then each frame in either direction, one a line, in hex. Ends at SIGTERM, after it
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
      writeSync(1, `${Buffer.from(frame).toString('hex')}\n`)
    }
  }
  const timer = setInterval(drain, POLL_MS)
  process.on('SIGTERM', () => {
    clearInterval(timer)
    drain()
    frames.close()
  })
  // Last: from here on SIGTERM finds its handler, and whoever waits for this line may send it.
  writeSync(1, `listening ${process.argv[3] ?? frames.interface.mac}\n`)
}
