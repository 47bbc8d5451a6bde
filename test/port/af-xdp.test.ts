/** The af_xdp port between real namespaces: what goes in comes out, and nothing else does. */
import t, { type Test } from 'tap'
import type { Port } from '../../src/engine/port.js'
import { NOT_VIP } from '../../src/engine/verdict.js'
import { attachXdp, XDP_FLAGS_DRV_MODE, XDP_PASS, XdpProgram } from '../../src/native/bpf.js'
import { BpfAssembler } from '../../src/native/bpf-assembler.js'
import { Wakeup } from '../../src/native/eventfd.js'
import { readInterface } from '../../src/native/interfaces.js'
import { close as closeDescriptor } from '../../src/native/libc.js'
import { joinAfXdp, openAfXdp } from '../../src/port/af-xdp.js'
import { workerOf } from '../../src/port/share.js'
import { build } from '../../src/wire/build.js'
import { allocatesNothing } from './garbage.js'
import { RawPeer } from './raw-peer.js'
import { relay, relayBatch, type Seen, twoXdpArms, udpFrame, VIP, xdpMissing } from './wire.js'

const skip = xdpMissing()

t.test('frames leave with new MAC addresses and are otherwise the same', { skip }, async (t) => {
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

t.test('only what is served comes in, the rest reaches the kernel', { skip }, async (t) => {
  const wire = twoXdpArms(t)
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  const mine = lab.macOf('director:in')
  const theirs = lab.macOf('client:eth0')
  const kernel = lab.inside('director', () => new RawPeer('in'))
  t.teardown(() => kernel.close())
  client.send(udpFrame(mine, theirs, VIP, 30))
  t.same(relay(port, lab, 1, 'server:eth0', 1), [], 'nothing before serve()')
  t.equal(kernel.drain().length, 1)
  port.serve([VIP])
  client.send(udpFrame(mine, theirs, '192.0.2.111', 31))
  client.send(udpFrame(mine, theirs, VIP, 32))
  const seen = relay(port, lab, 1, 'server:eth0', 2)
  t.same(
    seen.map((s) => s.bytes.length),
    [14 + 28 + 32],
  )
  t.equal(server.take(1).length, 1)
  t.same(
    kernel.drain().map((bytes) => bytes.length),
    [14 + 28 + 31],
    'stolen from the kernel, not copied',
  )
  port.serve([])
  client.send(udpFrame(mine, theirs, VIP, 33))
  t.equal(relay(port, lab, 1, 'server:eth0', 1).length, 0, 'no longer served')
  t.equal(kernel.drain().length, 1)
})

t.test('ARP reaches the port and the kernel', { skip }, async (t) => {
  const wire = twoXdpArms(t)
  if (wire === undefined) return
  const { lab, port, client } = wire
  port.serve([VIP])
  const kernel = lab.inside('director', () => new RawPeer('in'))
  t.teardown(() => kernel.close())
  const arp = {
    operation: 'request' as const,
    senderMac: lab.macOf('client:eth0'),
    sender: '192.0.2.7',
  }
  const ethernet = { source: lab.macOf('client:eth0'), destination: 'ff:ff:ff:ff:ff:ff' }
  client.send(build({ ethernet, arp: { ...arp, target: VIP } }))
  client.send(build({ ethernet, arp: { ...arp, target: '192.0.2.8' } }))
  const seen = relay(port, lab, 1, 'server:eth0', 2)
  t.equal(seen.length, 1, 'of the two the one about the VIP')
  t.equal(seen[0].arm, 0)
  t.equal(kernel.drain().length, 2, 'both are for the kernel to see')
})

t.test('rings go round many times, by both arms, and no chunk is lost', { skip }, async (t) => {
  const wire = twoXdpArms(t, { batch: 7, ringEntries: 64 })
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  port.serve([VIP])
  for (let round = 0; round < 60; round++) {
    const sent: Uint8Array[] = []
    for (let i = 0; i < 20; i++) {
      client.send(udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, 20 + i, i))
      sent.push(udpFrame(lab.macOf('server:eth0'), lab.macOf('director:out'), VIP, 20 + i, i))
    }
    t.equal(relay(port, lab, 1, 'server:eth0', 20).length, 20)
    t.same(server.take(20), sent, 'the same, in order')
    // And the other way, so that the arms change places.
    server.send(udpFrame(lab.macOf('director:out'), lab.macOf('server:eth0'), VIP, 99, round))
    t.equal(relay(port, lab, 0, 'client:eth0', 1).length, 1)
    t.equal(client.take(1).length, 1)
    // What is not forwarded gives its chunk back too.
    for (let i = 0; i < 9; i++) {
      client.send(udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, 5, i))
    }
    t.equal(discard(port, 9), 9)
  }
  t.same(port.counters, { ringDrops: 0, sendErrors: 0 })
})

t.test('a full ring is counted, and empties', { skip }, async (t) => {
  const wire = twoXdpArms(t, { ringEntries: 16 })
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  port.serve([VIP])
  const frame = udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, 1000)
  for (let i = 0; i < 40; i++) client.send(frame)
  const seen = relay(port, lab, 1, 'server:eth0', 40).length
  t.equal(seen, 16)
  t.equal(port.counters.ringDrops, 40 - seen)
  client.send(frame)
  t.equal(relay(port, lab, 1, 'server:eth0', 1).length, 1, 'and works again')
  server.drain(50)
})

t.test('a checksum that the sender left to hardware is completed', { skip }, async (t) => {
  const wire = twoXdpArms(t)
  if (wire === undefined) return
  const { lab, port, server } = wire
  port.serve([VIP])
  lab.run(
    'client',
    `ip addr add 198.51.100.7/24 dev eth0
     ip route add ${VIP} dev eth0
     ip neigh add ${VIP} lladdr ${lab.macOf('director:in')} dev eth0
     echo hello | timeout 1 bash -c 'cat > /dev/udp/${VIP}/53'`,
  )
  t.equal(relay(port, lab, 1, 'server:eth0', 1).length, 1)
  const [frame] = server.take(1)
  const udp = frame.subarray(34)
  const pseudo = [...frame.subarray(26, 34), 0, 17, ...udp.subarray(4, 6)]
  const sum = [...pseudo, ...udp].reduce(
    (all, byte, i) => all + (i % 2 === 0 ? byte << 8 : byte),
    0,
  )
  t.equal((sum & 0xffff) + (sum >>> 16), 0xffff, 'the sum of all is all ones')
})

t.test('generic mode', { skip }, async (t) => {
  const wire = twoXdpArms(t, { isGeneric: true, isCopying: true })
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  t.same(
    port.modes?.map(({ mode }) => mode),
    ['generic', 'generic'],
  )
  port.serve([VIP])
  client.send(udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, 60))
  t.equal(relay(port, lab, 1, 'server:eth0', 1).length, 1)
  t.equal(server.take(1).length, 1)
})

t.test('busy polling: our own calls drive the device', { skip }, async (t) => {
  const wire = twoXdpArms(t, { busyPollMicroseconds: 20 })
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  port.serve([VIP])
  for (let i = 0; i < 20; i++) {
    client.send(udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, 60, i))
  }
  t.equal(relay(port, lab, 1, 'server:eth0', 20).length, 20)
  t.equal(server.take(20).length, 20)
})

/** The wire with another interface in the place of `in`: `many`, of so many queues. */
function manyQueues(t: Test, queues: number) {
  const wire = twoXdpArms(t)
  if (wire === undefined) return undefined
  const { lab, server } = wire
  wire.port.close()
  const many = `numtxqueues ${queues} numrxqueues ${queues}`
  lab.run(
    'director',
    `ip link add many ${many} type veth peer name many ${many} netns ${lab.name('client')}
     ip link set many up`,
  )
  lab.run('client', 'ip link set many up')
  const client = lab.inside('client', () => new RawPeer('many'))
  t.teardown(() => client.close())
  const mac = lab.inside('director', () => readInterface('many').mac)
  /** Datagram `mark` of client `n`; the sender's kernel chooses a queue by address and port. */
  const frame = (n: number, mark: number) => {
    const bytes = udpFrame(mac, lab.macOf('client:eth0'), VIP, 60, mark)
    bytes[29] = n
    bytes[35] = mark
    return bytes
  }
  const redirected = () => {
    const text = lab.run('director', 'ethtool -S many')
    return [...text.matchAll(/rx_queue_\d_xdp_redirect: (\d+)/g)].map((found) => Number(found[1]))
  }
  return { lab, client, server, frame, redirected }
}

t.test('a socket for each queue; one umem for all', { skip }, async (t) => {
  const wire = manyQueues(t, 3)
  if (wire === undefined) return
  const { lab, client, server, frame } = wire
  const port = lab.inside('director', () => openAfXdp({ interfaces: ['many', 'out'] }))
  t.teardown(() => port.close())
  port.serve([VIP])
  for (let i = 0; i < 24; i++) client.send(frame(7, i))
  t.equal(relay(port, lab, 1, 'server:eth0', 24).length, 24)
  t.equal(server.take(24).length, 24)
  const byQueue = wire.redirected()
  t.equal(
    byQueue.reduce((sum, n) => sum + n, 0),
    24,
  )
  t.ok(byQueue.filter((n) => n > 0).length > 1, `by queue: ${byQueue}`)
})

for (const [workers, queues] of [
  [2, 3],
  [3, 2],
  [2, 1],
]) {
  t.test(`${workers} workers, ${queues} queues: each client has one`, { skip }, async (t) => {
    const wire = manyQueues(t, queues)
    if (wire === undefined) return
    const { lab, client, server, frame } = wire
    const interfaces = ['many', 'out']
    const small = { batch: 7, ringEntries: 64 }
    const first = lab.inside('director', () => openAfXdp({ interfaces, workers, ...small }))
    t.teardown(() => first.close())
    const ports = [first]
    for (let i = 1; i < workers; i++) {
      const port = lab.inside('director', () => joinAfXdp(first.plan, i, small))
      ports.push(port)
      t.teardown(() => port.close())
    }
    const grain = { mask4: -1, prefix6: 128 }
    const share = (index: number) => ({ index, count: workers, ...grain })
    for (const [i, port] of ports.entries()) port.serve([VIP], [], share(i))
    // Many times as many frames as there are chunks: none of them may be lost between workers.
    let wrong = 0
    for (let round = 0; round < 100; round++) {
      const sent = Array.from({ length: 20 }, (_, i) => frame((round + i) % 12, i))
      for (const each of sent) client.send(each)
      let came = 0
      for (let idle = 0; came < sent.length && idle < 50; idle++) {
        for (const [i, port] of ports.entries()) {
          const seen = relayBatch(port, lab, 1, 'server:eth0')
          came += seen.length
          const address = (bytes: Uint8Array) => new DataView(bytes.buffer).getUint32(26)
          const own = ({ bytes }: Seen) => workerOf([address(bytes)], share(0)) === i
          wrong += seen.filter((each) => !own(each)).length
          if (seen.length === 0) port.wait(1)
        }
      }
      if (came !== sent.length || server.take(came).length !== came) {
        t.fail(`round ${round}: ${came} of ${sent.length} came`)
        break
      }
    }
    t.equal(wrong, 0, 'by the client, whatever the queue')
    for (const port of ports) t.same(port.counters, { ringDrops: 0, sendErrors: 0 })
    t.ok(Math.min(...wire.redirected()) > 100, `by queue: ${wire.redirected()}`)
  })
}

for (const queues of [1, 2]) {
  t.test(
    `${queues} queues: whose clients are silent is woken for its chunks`,
    { skip },
    async (t) => {
      const wire = manyQueues(t, queues)
      if (wire === undefined) return
      const { lab, client, server, frame } = wire
      const wakeups = [new Wakeup(), new Wakeup()]
      const wakeFds = wakeups.map(({ fd }) => fd)
      const options = { interfaces: ['many', 'out'], workers: 2, ringEntries: 64, wakeFds }
      const first = lab.inside('director', () => openAfXdp({ ...options, wakeFd: wakeFds[0] }))
      t.teardown(() => first.close())
      const second = lab.inside('director', () => joinAfXdp(first.plan, 1, options))
      t.teardown(() => second.close())
      t.teardown(() => {
        for (const wakeup of wakeups) wakeup.close()
      })
      const share = { count: 2, mask4: -1, prefix6: 128 }
      for (const [index, port] of [first, second].entries())
        port.serve([VIP], [], { index, ...share })
      const theirs = [1, 2, 3, 4, 5].find((n) => workerOf([0xc6336400 + n], share) === 1) ?? 0
      t.ok(theirs > 0)
      let woken = 0
      for (let round = 0; round < 40; round++) {
        for (let i = 0; i < 30; i++) client.send(frame(theirs, i))
        if (relay(second, lab, 1, 'server:eth0', 30).length !== 30) t.fail(`round ${round}`)
        server.take(30)
        // Its fill ring is the only one, and nothing for itself ever comes.
        const began = performance.now()
        first.wait(5)
        if (performance.now() - began < 4) woken++
      }
      t.ok(woken > 5, `woken ${woken} times`)
      t.same(second.counters, { ringDrops: 0, sendErrors: 0 })
    },
  )
}

t.test('the interface goes down and comes up again', { skip }, async (t) => {
  const wire = twoXdpArms(t)
  if (wire === undefined) return
  const { lab, port, client, server } = wire
  port.serve([VIP])
  const frame = udpFrame(lab.macOf('director:in'), lab.macOf('client:eth0'), VIP, 60)
  client.send(frame)
  t.equal(relay(port, lab, 1, 'server:eth0', 1).length, 1)
  server.drain(50)
  lab.run('director', 'ip link set out down')
  for (let i = 0; i < 3; i++) {
    client.send(frame)
    t.equal(relay(port, lab, 1, 'server:eth0', 1).length, 1, 'still receives')
  }
  t.equal(port.counters.sendErrors, 2, 'and counts what it could not send')
  lab.run('director', 'ip link set in down')
  for (let i = 0; i < 5; i++) port.wait(10)
  const started = process.hrtime.bigint()
  port.wait(50)
  t.ok(process.hrtime.bigint() - started > 40_000_000n, 'sleeps, not spins, on a dead interface')
  lab.run('director', 'ip link set in up\nip link set out up')
  port.flush()
  server.drain(100)
  client.send(frame)
  t.equal(relay(port, lab, 1, 'server:eth0', 1).length, 1)
  t.equal(server.take(1).length, 1, 'forwards again')
})

t.test('wait() ends when somebody wakes it', { skip }, async (t) => {
  const wakeup = new Wakeup()
  t.teardown(() => wakeup.close())
  const wire = twoXdpArms(t, { wakeFd: wakeup.fd })
  if (wire === undefined) return
  wakeup.wake()
  const started = process.hrtime.bigint()
  wire.port.wait(10_000)
  t.ok(process.hrtime.bigint() - started < 5_000_000_000n)
  const again = process.hrtime.bigint()
  wire.port.wait(30)
  t.ok(process.hrtime.bigint() - again > 25_000_000n, 'it was drained')
})

t.test('refusals: who has the interface, and how to see it', { skip }, async (t) => {
  const wire = twoXdpArms(t)
  if (wire === undefined) return
  const { lab, port } = wire
  const open = (interfaces: string[]) => lab.inside('director', () => openAfXdp({ interfaces }))
  t.match(lab.run('director', 'ip link show dev in'), /prog\/xdp/)
  t.throws(() => open(['in']), /bind AF_XDP: .*EBUSY.*in, queue 0.*another AF_XDP socket/)
  port.close()
  t.notMatch(lab.run('director', 'ip link show dev in'), /xdp/, 'closed: the program is gone')
  const program = new XdpProgram('other', passingProgram())
  const index = lab.inside('director', () => readInterface('in').index)
  const link = lab.inside('director', () => attachXdp(program, index, XDP_FLAGS_DRV_MODE))
  t.ok(link >= 0)
  t.throws(() => open(['in']), /BPF_LINK_CREATE.*EBUSY.*ip link show dev in.*bpftool net/)
  closeDescriptor(link)
  program.close()
  lab.run('director', 'ip link set in mtu 9000')
  t.throws(() => open(['in']), /MTU of in is 9000.*3820.*--engine af_packet/)
  lab.run('director', 'ip link set in mtu 3000')
  t.doesNotThrow(() => open(['in']).close(), 'a larger chunk')
  t.throws(() => openAfXdp({ interfaces: [] }), /-i/)
  t.throws(() => openAfXdp({ interfaces: ['nowhere0'] }), /nowhere0.*ip link/)
})

t.test('nothing is allocated for a frame or a batch', { skip }, async (t) => {
  const wire = twoXdpArms(t)
  if (wire === undefined) return
  wire.port.close()
  allocatesNothing(t, wire.lab, 'af_xdp')
})

/** Gives frames back unsent until `count` have come. */
function discard(port: Port, count: number): number {
  let seen = 0
  for (let idle = 0; seen < count && idle < 10; ) {
    const batch = port.receive()
    batch.verdict.fill(NOT_VIP, 0, batch.count)
    seen += batch.count
    if (batch.count === 0) {
      idle++
      port.wait(50)
    }
    port.settle(batch)
  }
  return seen
}

function passingProgram(): Uint8Array {
  const program = new BpfAssembler()
  program.exitWith(XDP_PASS)
  return program.assemble()
}
