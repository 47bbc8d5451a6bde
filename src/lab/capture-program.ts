/**
 * What watches an interface of the lab: `node capture-program.js INTERFACE [MAC]`. Prints
 * `listening` and the MAC address (by default the interface's) whose frames are to count as
 * outgoing, and then each frame in either direction, one a line, in hex. `--ports INTERFACE…`: of
 * several interfaces, each frame behind the name of its own. Ends at SIGTERM, after it has written
 * what came before.
 */
import { writeSync } from 'node:fs'
import { FrameSocket } from '../native/frame-socket.js'

/** Far less than it takes to fill the socket's buffer with what a demonstration sends. */
const POLL_MS = 2

if (process.argv[1] === import.meta.filename) {
  const words = process.argv.slice(2)
  const isOfMany = words[0] === '--ports'
  const names = isOfMany ? words.slice(1) : words.slice(0, 1)
  const sockets = names.map((name) => new FrameSocket(name))
  const drain = () => {
    for (const frames of sockets) {
      const prefix = isOfMany ? `${frames.interface.name} ` : ''
      for (let frame = frames.receive(); frame !== null; frame = frames.receive()) {
        writeSync(1, `${prefix}${Buffer.from(frame).toString('hex')}\n`)
      }
    }
  }
  const timer = setInterval(drain, POLL_MS)
  process.on('SIGTERM', () => {
    clearInterval(timer)
    drain()
    for (const frames of sockets) frames.close()
  })
  // Last: from here on SIGTERM finds its handler, and whoever waits for this line may send it.
  writeSync(1, `listening ${isOfMany ? '' : (words[1] ?? sockets[0]!.interface.mac)}\n`)
}
