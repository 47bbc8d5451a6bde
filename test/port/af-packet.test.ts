/** The af_packet port between real namespaces: what goes in comes out, and nothing else does. */
import t from 'tap'
import { ACTION, DROP, NOT_VIP, OTHER_HOST } from '../../src/engine/verdict.js'
import { Wakeup } from '../../src/native/eventfd.js'
import { openAfPacket } from '../../src/port/af-packet.js'
import { allocatesNothing } from './garbage.js'
import { relay, twoArms, udpFrame, VIP } from './wire.js'

t.test('frames leave with new MAC addresses and are otherwise the same', async (t) => {
  const wire = twoArms(t)
  if (wire === undefined) return
  const { lab, port, client, server } = wire
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

t.test('only what is served comes in, and what is not forwarded goes nowhere', async (t) => {
  const wire = twoArms(t)
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  const mine = lab.macOf('director:in')
  const theirs = lab.macOf('client:eth0')
  client.send(udpFrame(mine, theirs, VIP, 30))
  t.same(relay(port, lab, 1, 'server:eth0', 1), [], 'nothing before serve()')
  port.serve([VIP])
  client.send(udpFrame(mine, theirs, '192.0.2.111', 31))
  client.send(udpFrame(mine, theirs, VIP, 32))
  const seen = relay(port, lab, 1, 'server:eth0', 2)
  t.same(
    seen.map((s) => s.bytes.length),
    [14 + 28 + 32],
  )
  t.equal(server.take(1).length, 1)

  for (let i = 0; i < 6; i++) client.send(udpFrame(mine, theirs, VIP, 40 + i))
  let counted = 0
  while (counted < 6) {
    const batch = port.receive()
    for (let i = 0; i < batch.count; i++) {
      batch.verdict[i] = i % 2 === 0 ? OTHER_HOST : NOT_VIP
      t.not(ACTION[batch.verdict[i]], DROP)
    }
    counted += batch.count
    port.settle(batch)
    if (batch.count === 0) port.wait(100)
  }
  t.same(server.drain(), [])
})

t.test('a batch may be smaller than a block, and the ring goes round many times', async (t) => {
  const wire = twoArms(t, { batch: 7, blockBytes: 4096, blocks: 4 })
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  port.serve([VIP])
  const sent: Uint8Array[] = []
  const got: Uint8Array[] = []
  let received = 0
  for (let round = 0; round < 60; round++) {
    for (let i = 0; i < 20; i++) {
      const mark = (round * 20 + i) & 0xff
      client.send(udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, 20 + i, mark))
      sent.push(udpFrame(lab.macOf('server:eth0'), lab.macOf('director:out'), VIP, 20 + i, mark))
    }
    received += relay(port, lab, 1, 'server:eth0', 20).length
    got.push(...server.take(20))
  }
  t.equal(received, sent.length)
  t.equal(got.length, sent.length)
  t.ok(
    got.every((frame, i) => Buffer.from(frame).equals(sent[i])),
    'the same, in order',
  )
})

t.test('a full ring is counted, and empties', async (t) => {
  const wire = twoArms(t, { blockBytes: 4096, blocks: 2 })
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  port.serve([VIP])
  const frame = udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, 1000)
  t.equal(port.occupancy?.(), 0)
  for (let i = 0; i < 40; i++) client.send(frame)
  while (port.occupancy?.() !== 1) await new Promise((resolve) => setTimeout(resolve, 1))
  const seen = relay(port, lab, 1, 'server:eth0', 40).length
  t.ok(seen > 0 && seen < 40, `${seen} of 40`)
  t.equal(port.counters.ringDrops, 40 - seen)
  t.equal(port.occupancy?.(), 0)
  client.send(frame)
  t.equal(relay(port, lab, 1, 'server:eth0', 1).length, 1, 'and works again')
  server.drain(50)
})

t.test('several arms: each frame knows where it came in, a busy arm starves nobody', async (t) => {
  const wire = twoArms(t, { batch: 4 })
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  port.serve([VIP])
  for (let i = 0; i < 40; i++) {
    client.send(udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, 100))
  }
  for (let i = 0; i < 4; i++) {
    server.send(udpFrame(lab.macOf('director:out'), lab.macOf('server:eth0'), VIP, 200))
  }
  port.wait(100)
  await new Promise((resolve) => setTimeout(resolve, 30))
  const order: number[] = []
  for (let batch = port.receive(); batch.count > 0; batch = port.receive()) {
    order.push(batch.arm)
    for (let i = 0; i < batch.count; i++) {
      t.equal(batch.length[i], batch.arm === 0 ? 142 : 242)
      batch.verdict[i] = NOT_VIP
    }
    port.settle(batch)
  }
  t.equal(order.filter((arm) => arm === 0).length, 10)
  t.equal(order.filter((arm) => arm === 1).length, 1)
  t.ok(order.indexOf(1) <= 1, 'the quiet arm has its turn at once')
})

t.test('an 802.1Q tag is there on arrival and leaves as it came', async (t) => {
  const wire = twoArms(t)
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  port.serve([VIP])
  const tag = [0x81, 0x00, 0xb0, 0x2a] // priority 5, drop eligible, VLAN 42
  const tagged = (frame: Uint8Array) =>
    Uint8Array.from([...frame.subarray(0, 12), ...tag, ...frame.subarray(12)])
  const sizes = [18, 500, 1472]
  for (const size of sizes) {
    client.send(tagged(udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, size)))
  }
  const seen = relay(port, lab, 1, 'server:eth0', sizes.length)
  t.equal(seen.length, sizes.length)
  for (const [i, size] of sizes.entries()) {
    const sent = tagged(udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, size))
    t.same(seen[i].bytes, sent)
  }
  // What left is looked at by a second port: a plain packet socket does not show tags.
  for (const size of sizes) {
    client.send(tagged(udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, size)))
  }
  server.drain(20)
  const far = lab.inside('server', () => openAfPacket({ interfaces: ['eth0'] }))
  t.teardown(() => far.close())
  far.serve([VIP])
  relay(port, lab, 1, 'server:eth0', sizes.length)
  const arrived = relay(far, lab, 0, 'director:out', sizes.length)
  const expected = sizes.map((size) =>
    tagged(udpFrame(lab.macOf('server:eth0'), lab.macOf('director:out'), VIP, size)),
  )
  t.same(
    arrived.map((a) => a.bytes),
    expected,
  )
  t.equal(port.counters.sendErrors, 0)
})

t.test('frames of our own leave by the arm they are meant for', async (t) => {
  const wire = twoArms(t)
  if (wire === undefined) return
  const { port, client, server, lab } = wire
  const egresses = [1, 1, 0, 1, 0]
  const frames = egresses.map((egress, i) => {
    const to = egress === 0 ? 'client:eth0' : 'server:eth0'
    return udpFrame(lab.macOf(to), '02:00:00:00:00:99', VIP, 50 + i, i)
  })
  for (const [i, egress] of egresses.entries()) {
    const at = port.outbox.reserve(frames[i].length, egress)
    port.outbox.bytes.set(frames[i], at)
  }
  port.flush()
  t.equal(port.outbox.count, 0)
  t.same(client.take(2), [frames[2], frames[4]])
  t.same(server.take(3), [frames[0], frames[1], frames[3]])
  const at = port.outbox.reserve(frames[0].length, 1)
  port.outbox.bytes.set(frames[0], at)
  port.settle(port.receive())
  t.same(server.take(1), [frames[0]], 'settle() flushes too')
})

t.test('a frame that the kernel refuses is counted and hinders no other', async (t) => {
  const wire = twoArms(t)
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  port.serve([VIP])
  lab.run('director', 'ip link set out mtu 600')
  const sizes = [100, 1000, 200, 1400, 300]
  for (const size of sizes) {
    client.send(udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, size))
  }
  t.equal(relay(port, lab, 1, 'server:eth0', sizes.length).length, sizes.length)
  t.same(
    server.take(3).map((frame) => frame.length),
    [142, 242, 342],
  )
  t.equal(port.counters.sendErrors, 2)
})

t.test('a frame cut to fit into a block is never forwarded as if it were whole', async (t) => {
  const wire = twoArms(t, { blockBytes: 4096 })
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  port.serve([VIP])
  lab.run('client', 'ip link set eth0 mtu 9000')
  lab.run('director', 'ip link set in mtu 9000')
  client.send(udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, 8000))
  const [seen] = relay(port, lab, 1, 'server:eth0', 1)
  t.ok(seen.bytes.length > 3000 && seen.bytes.length < 4096, `${seen.bytes.length} bytes of it`)
  t.same(server.drain(), [])
  t.equal(port.counters.sendErrors, 1)
})

t.test('the interface goes down and comes up again', async (t) => {
  const wire = twoArms(t)
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  port.serve([VIP])
  const frame = udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, 60)
  client.send(frame)
  t.equal(relay(port, lab, 1, 'server:eth0', 1).length, 1)
  lab.run('director', 'ip link set out down')
  client.send(frame)
  t.equal(relay(port, lab, 1, 'server:eth0', 1).length, 1, 'still receives')
  t.equal(port.counters.sendErrors, 1, 'and counts what it could not send')
  lab.run('director', 'ip link set in down')
  for (let i = 0; i < 5; i++) port.wait(10)
  const started = process.hrtime.bigint()
  port.wait(50)
  t.ok(process.hrtime.bigint() - started > 40_000_000n, 'sleeps, not spins, on a dead interface')
  lab.run('director', 'ip link set in up\nip link set out up')
  server.drain(50)
  client.send(frame)
  t.equal(relay(port, lab, 1, 'server:eth0', 1).length, 1)
  t.equal(server.take(1).length, 1, 'forwards again')
})

t.test('wait() ends when somebody wakes it', async (t) => {
  const wakeup = new Wakeup()
  t.teardown(() => wakeup.close())
  const wire = twoArms(t, { wakeFd: wakeup.fd })
  if (wire === undefined) return
  wakeup.wake()
  wakeup.wake()
  const started = process.hrtime.bigint()
  wire.port.wait(10_000)
  t.ok(process.hrtime.bigint() - started < 5_000_000_000n)
  const again = process.hrtime.bigint()
  wire.port.wait(30)
  t.ok(process.hrtime.bigint() - again > 25_000_000n, 'it was drained')
})

t.test('nothing is allocated for a frame or a batch', async (t) => {
  const wire = twoArms(t)
  if (wire === undefined) return
  allocatesNothing(t, wire.lab, 'af_packet')
})

t.test(
  'without virtio headers: whole frames pass, what they alone could express does not',
  async (t) => {
    const wire = twoArms(t, { virtio: false })
    if (wire === undefined) return
    const { lab, port, client, server } = wire
    port.serve([VIP])
    t.same(
      port.arms.map((arm) => arm.superframes),
      [false, false],
    )
    const frame = udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, 100)
    client.send(frame)
    t.equal(relay(port, lab, 1, 'server:eth0', 1).length, 1)
    t.equal(server.take(1).length, 1)
    const at = port.outbox.reserve(frame.length, 0)
    port.outbox.bytes.set(frame, at)
    port.flush()
    t.same(client.take(1), [frame], 'frames of our own too')
    // The client's kernel leaves the checksum to the veth pair.
    lab.run(
      'client',
      `ip addr add 198.51.100.7/24 dev eth0
     ip route add ${VIP} dev eth0
     ip neigh add ${VIP} lladdr ${lab.macOf('director:in')} dev eth0
     echo hello | timeout 1 bash -c 'cat > /dev/udp/${VIP}/53'`,
    )
    t.equal(relay(port, lab, 1, 'server:eth0', 1).length, 1)
    t.same(server.drain(), [], 'a checksum that nobody computed goes nowhere')
    t.equal(port.counters.sendErrors, 1)
  },
)

t.test('mistakes of the operator are explained', async (t) => {
  t.throws(() => openAfPacket({ interfaces: [] }), /-i/)
  t.throws(() => openAfPacket({ interfaces: ['nowhere0'] }), /nowhere0.*ip link/)
  t.throws(() => openAfPacket({ interfaces: ['a-name-that-is-too-long'] }), /too-long/)
})
