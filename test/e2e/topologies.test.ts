/** Where client and realservers are not simply on one wire: two arms, and tagged frames. */
import t, { type Test } from 'tap'
import type { EngineName } from '../../src/daemon/messages.js'
import { build } from '../../src/wire/build.js'
import { ipPacketOf } from './frames.js'
import { BANNER, DOWNLOAD, digestOf, ECHO, stream, UPLOAD } from './realserver-program.js'
import { CLIENT, engineMissing, makeSegment, type Segment, tally, VIP, VIP6 } from './segment.js'

const BYTES = 20e6

const ENGINES = ['af_xdp', 'af_packet'] as const

for (const engine of ENGINES) {
  t.test(`${engine}, two arms: in on one, out on the other`, { skip: engineMissing(engine) }, (t) =>
    twoArms(t, engine),
  )
  t.test(`${engine}: tagged frames keep their tag`, { skip: engineMissing(engine) }, (t) =>
    tagged(t, engine),
  )
}

async function twoArms(t: Test, engine: EngineName): Promise<void> {
  const segment = await makeSegment(t, { isTwoArmed: true })
  if (segment === undefined) return
  await segment.startDirector(['-i', 'eth0', '-i', 'eth1', '--engine', engine])
  await exchange(t, segment, BYTES)

  const behind = segment.tap(t, 'backstage', 'director')
  const before = segment.tap(t, 'switch', 'director')
  await segment.client('banners', { address: VIP, port: BANNER, count: 10, parallel: 2 })
  const toVip = (frame: Uint8Array) => ipPacketOf(frame)?.subarray(16, 20).join('.') === VIP
  t.equal(before.drain().filter(toVip).length, 0, 'nothing goes back to the segment of the client')
  const macs = behind
    .drain()
    .filter(toVip)
    .map((frame) => Buffer.from(frame).toString('hex', 6, 12))
  t.ok(macs.length > 30, `${macs.length} frames leave on the other arm`)
  t.same(
    [...new Set(macs)],
    [segment.lab.macOf('director:eth1').replaceAll(':', '')],
    'with the MAC address of that arm',
  )
}

async function tagged(t: Test, engine: EngineName): Promise<void> {
  const segment = await makeSegment(t, { realservers: 1 })
  if (segment === undefined) return
  await segment.startDirector(['-i', 'eth0', '--engine', engine])
  await segment.addService('tcp', BANNER)
  const client = segment.tap(t, 'client')
  const realserver = segment.tap(t, 'rs1')
  const opening = (sport: number, vlan: object) =>
    build({
      ethernet: {
        source: segment.lab.macOf('client:eth0'),
        destination: segment.lab.macOf('director:eth0'),
        ...vlan,
      },
      ipv4: { source: CLIENT, destination: VIP },
      tcp: { sport, dport: BANNER, flags: 'S' },
    })
  for (const { name, sport, vlan, isAnswered } of [
    { name: 'untagged', sport: 1001, vlan: {}, isAnswered: true },
    { name: 'tagged', sport: 1002, vlan: { vlan: 42 }, isAnswered: false },
  ]) {
    const frame = opening(sport, vlan)
    client.send(frame)
    const packet = Buffer.from(frame.subarray(frame.length - 40))
    const got = realserver.drain().map((bytes) => Buffer.from(bytes))
    t.equal(got.filter((bytes) => bytes.includes(packet)).length, 1, `${name}: arrives, once`)
    // The realserver has no interface for the tag: its stack answers only what lost the tag.
    const answered = client.drain().some((bytes) => {
      const answer = ipPacketOf(bytes)
      return answer?.[9] === 6 && answer.readUInt16BE(22) === sport && answer[33] === 0x12
    })
    t.equal(answered, isAnswered, `${name}: ${isAnswered ? 'answered' : 'still tagged'}`)
  }
}

/** Connections, datagrams and bulk data of both families. */
async function exchange(t: Test, segment: Segment, bytes: number): Promise<void> {
  for (const port of [BANNER, DOWNLOAD, UPLOAD]) await segment.addService('tcp', port)
  await segment.addService('udp', ECHO)
  for (const address of [VIP, VIP6]) {
    const asked = { address, port: BANNER, count: 100, parallel: 5 }
    t.same(tally(await segment.client('banners', asked)), { rs1: 50, rs2: 50 }, address)
    const echo = await segment.client('datagram', { address, port: ECHO, text: 'z'.repeat(4000) })
    t.match(echo.text, /^rs[12] z{4000}$/, 'a datagram in fragments')
    const digest = digestOf(stream(bytes))
    const got = await segment.client('download', { address, port: DOWNLOAD, bytes })
    t.same(got, { bytes, digest }, 'download')
    const said = await segment.client('upload', { address, port: UPLOAD, bytes })
    t.equal(said.split(' ')[1], digest, 'upload')
  }
  const { engine } = await segment.counters()
  t.same([engine.ringDrops, engine.sendErrors], [0, 0], 'nothing was lost')
}
