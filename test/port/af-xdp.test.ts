/** The af_xdp port between real namespaces: what goes in comes out, and nothing else does. */
import t from 'tap'
import { relay, twoXdpArms, udpFrame, VIP } from './wire.js'

t.test('frames leave with new MAC addresses and are otherwise the same', async (t) => {
  const wire = twoXdpArms(t)
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  t.comment(JSON.stringify(port.modes))
  port.serve([VIP])
  const mine = lab.macOf('director:in')
  const theirs = lab.macOf('client:eth0')
  const sizes = [18, 64, 200, 999, 1472]
  for (const [i, size] of sizes.entries()) client.send(udpFrame(mine, theirs, VIP, size, i + 1))
  const seen = relay(port, lab, 1, 'server:eth0', sizes.length)
  const got = server.take(sizes.length)
  t.equal(got.length, sizes.length)
  for (const [i, size] of sizes.entries()) {
    const expected = udpFrame(lab.macOf('server:eth0'), lab.macOf('director:out'), VIP, size, i + 1)
    t.same(seen[i].bytes, udpFrame(mine, theirs, VIP, size, i + 1), 'seen as it was sent')
    t.same(got[i], expected, `${size} bytes of payload`)
  }
  t.same(server.drain(), [], 'each frame once')
  t.same(port.counters, { ringDrops: 0, sendErrors: 0 })
})
