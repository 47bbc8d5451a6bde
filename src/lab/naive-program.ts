/**
 * A director as one would write it in an hour, for the scene that shows what is missing in it:
 * `node naive-program.js INTERFACE VIP MAC`. It reads frames for the VIP from a packet socket, puts
 * the MAC address in front, and writes them back. It never hears that the kernel left a checksum
 * for the hardware to finish. Prints `ready`.
 */
import { FrameSocket } from '../native/frame-socket.js'
import { parseIpv4, parseMac } from '../wire/address.js'
import { viewOf } from '../wire/build.js'
import * as ethernet from '../wire/ethernet.js'
import * as ipv4 from '../wire/ipv4.js'

const POLL_MS = 1

if (process.argv[1] === import.meta.filename) {
  const [name = '', vip = '', mac = ''] = process.argv.slice(2)
  const socket = new FrameSocket(name, { incomingOnly: true })
  const own = parseMac(socket.interface.mac)!
  const target = parseMac(mac)!
  const wanted = parseIpv4(vip)
  setInterval(() => {
    for (let frame = socket.receive(); frame !== null; frame = socket.receive()) {
      const view = viewOf(frame)
      const at = ethernet.HEADER_BYTES
      if (ethernet.type(view, 0) !== ethernet.ETH_P_IP) continue
      if (!ipv4.isWellFormed(view, at, view.byteLength)) continue
      if (ipv4.destination(view, at) !== wanted) continue
      ethernet.setDestination(view, 0, target.high, target.low)
      ethernet.setSource(view, 0, own.high, own.low)
      socket.send(frame)
    }
  }, POLL_MS)
  process.stdout.write('ready\n')
}
