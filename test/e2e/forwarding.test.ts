/**
 * Real clients, the real director, real servers: every request answered by whom the listing says,
 * bulk data byte for byte with all offloads on, both families, both protocols, both engines.
 */
import t, { type Test } from 'tap'
import type { EngineName } from '../../src/daemon/messages.js'
import { buildFragments } from '../../src/wire/build.js'
import { ipPacketOf } from './frames.js'
import { BANNER, DOWNLOAD, digestOf, ECHO, stream, UPLOAD } from './realserver-program.js'
import { CLIENT, engineMissing, makeSegment, type Segment, tally, VIP, VIP6 } from './segment.js'

t.setTimeout(180_000)

const MEGABYTE = 1e6
const PLANS: readonly {
  engine: EngineName
  connections: number
  download: number
  upload: number
}[] = [
  { engine: 'af_xdp', connections: 10_000, download: 200, upload: 100 },
  { engine: 'af_packet', connections: 10_000, download: 200, upload: 100 },
  // It can't send an aggregate on: the hosts' offloads are off, and every frame has the MTU's size.
  { engine: 'libpcap', connections: 1_000, download: 20, upload: 10 },
]

for (const { engine, connections, download, upload } of PLANS) {
  t.test(engine, { skip: engineMissing(engine) }, async (t) => {
    const segment = await makeSegment(t, { realservers: 3, vipOnDirector: true })
    if (segment === undefined) return
    if (engine === 'libpcap') {
      for (const host of ['client', ...segment.realservers]) {
        segment.inShell(host, ['ethtool -K eth0 tso off gso off gro off'])
      }
    }
    const director = await segment.startDirector(['-i', 'eth0', '--engine', engine])
    t.comment(`ready after ${director.readyMs} ms`)
    for (const port of [BANNER, DOWNLOAD, UPLOAD]) await segment.addService('tcp', port)
    await segment.addService('udp', ECHO)

    await t.test(`${connections} connections`, (t) => connect(t, segment, connections))
    await t.test(`download of ${download} MB`, async (t) => {
      const bytes = download * MEGABYTE
      const began = performance.now()
      const got = await segment.client('download', { address: VIP, port: DOWNLOAD, bytes })
      t.comment(`${rate(bytes, began)}`)
      t.same(got, { bytes, digest: digestOf(stream(bytes)) })
    })
    await t.test(`upload of ${upload} MB`, async (t) => {
      const bytes = upload * MEGABYTE
      const before = (await segment.counters()).verdicts.forwarded
      const began = performance.now()
      const said = await segment.client('upload', { address: VIP, port: UPLOAD, bytes })
      t.comment(`${rate(bytes, began)}`)
      t.match(said, /^rs[123] [0-9a-f]{64}$/)
      t.equal(said.split(' ')[1], digestOf(stream(bytes)))
      const frames = (await segment.counters()).verdicts.forwarded - before
      t.comment(`${frames} frames forwarded, ${Math.round(bytes / frames)} bytes each`)
      if (engine === 'af_packet') t.ok(bytes / frames > 3000, 'aggregates stayed aggregates')
    })
    await t.test('UDP', (t) => datagrams(t, segment, VIP))
    await t.test('a datagram of 4 kB, in fragments', (t) => fragments(t, segment))
    await t.test('IPv6', async (t) => {
      const answers = await segment.client('banners', {
        address: VIP6,
        port: BANNER,
        count: 30,
        parallel: 3,
      })
      t.same(tally(answers), { rs1: 10, rs2: 10, rs3: 10 })
      await datagrams(t, segment, VIP6)
      const bytes = 10 * MEGABYTE
      const said = await segment.client('upload', { address: VIP6, port: UPLOAD, bytes })
      t.equal(said.split(' ')[1], digestOf(stream(bytes)))
      const large = await segment.client('datagram', {
        address: VIP6,
        port: ECHO,
        text: 'x'.repeat(4000),
      })
      t.match(large.text, /^rs[123] x{4000}$/, 'a datagram in fragments')
    })
    const { engine: numbers } = await segment.counters()
    t.same(
      { ringDrops: numbers.ringDrops, sendErrors: numbers.sendErrors },
      { ringDrops: 0, sendErrors: 0 },
    )
    director.process.kill('SIGTERM')
    t.equal(await director.ended, 0, director.said())
  })
}

t.test('kernel mode', async (t) => {
  const segment = await makeSegment(t, { realservers: 3, vipOnDirector: true })
  if (segment === undefined) return
  await segment.startDirector(['-i', 'eth0', '--mode', 'kernel'])
  for (const port of [BANNER, UPLOAD]) await segment.addService('tcp', port)
  await segment.addService('udp', ECHO)
  const atRealservers = segment.realservers.map((name) => segment.tap(t, name))
  for (const [address, ttlAt] of [
    [VIP, 8],
    [VIP6, 7],
  ] as const) {
    for (const peer of atRealservers) peer.drain(0) // its buffer may be full of an upload
    await datagrams(t, segment, address)
    const hops = atRealservers.flatMap((peer) => peer.drain().flatMap((f) => ipPacketOf(f) ?? []))
    const ttls = hops.filter((packet) => packet.includes('hello')).map((packet) => packet[ttlAt])
    t.same(ttls, Array(30).fill(63), 'the director is a hop')

    const text = 'k'.repeat(4000)
    const answer = await segment.client('datagram', { address, port: ECHO, text })
    t.match(answer.text, /^rs[123] k{4000}$/, 'fragments, put together and cut again')
    const bytes = 20 * MEGABYTE
    const said = await segment.client('upload', { address, port: UPLOAD, bytes })
    t.equal(said.split(' ')[1], digestOf(stream(bytes)), 'aggregates are not too big')
  }
})

function rate(bytes: number, began: number): string {
  const seconds = (performance.now() - began) / 1000
  return `${seconds.toFixed(2)} s, ${((bytes * 8) / seconds / 1e9).toFixed(2)} Gbit/s`
}

/**
 * The client's ports, what answered them, and what the director's connection table says of them.
 */
async function connect(t: Test, segment: Segment, count: number): Promise<void> {
  const began = performance.now()
  const answers = await segment.client('banners', {
    address: VIP,
    port: BANNER,
    count,
    parallel: 20,
    fromPort: 10_000,
  })
  const seconds = (performance.now() - began) / 1000
  t.comment(`${seconds.toFixed(2)} s, ${Math.round(count / seconds)} connections a second`)
  const share = Math.floor(count / 3)
  const got = tally(answers)
  t.same(
    Object.values(got).sort(),
    [share, share, count - 2 * share].sort(),
    `round robin is exact: ${JSON.stringify(got)}`,
  )
  const listed = new Map<number, string>()
  for (const line of (await segment.adm(['-Lnc'])).split('\n')) {
    const found = new RegExp(`^TCP .* ${CLIENT}:(\\d+) +${VIP}:${BANNER} +(\\S+):${BANNER}$`).exec(
      line,
    )
    if (found !== null) listed.set(Number(found[1]), found[2])
  }
  const wrong = answers.filter(({ port, text }) => {
    const number = segment.realservers.indexOf(text ?? '') + 1
    return listed.get(port) !== segment.rip(number)
  })
  t.same(wrong, [], `${listed.size} connections listed with those who answered them`)
}

async function datagrams(t: Test, segment: Segment, address: string): Promise<void> {
  const answers = []
  for (let n = 0; n < 30; n++) {
    answers.push(await segment.client('datagram', { address, port: ECHO, text: 'hello' }))
  }
  t.same(tally(answers), { 'rs1 hello': 10, 'rs2 hello': 10, 'rs3 hello': 10 })
}

/** Textbook mode: the realserver gets the client's very fragments. */
async function fragments(t: Test, segment: Segment): Promise<void> {
  const text = 'y'.repeat(4000)
  const answer = await segment.client('datagram', { address: VIP, port: ECHO, text })
  t.match(answer.text, /^rs[123] y{4000}$/, 'and the answer, in fragments too')

  const peers = segment.realservers.map((name) => segment.tap(t, name))
  const sender = segment.tap(t, 'client')
  const sent = buildFragments(
    {
      ethernet: {
        source: segment.lab.macOf('client:eth0'),
        destination: segment.lab.macOf('director:eth0'),
      },
      ipv4: { source: CLIENT, destination: VIP, id: 4711, df: false },
      udp: { sport: 4711, dport: ECHO },
      payload: 4000,
    },
    1480,
  )
  // The first one comes last: until then nobody knows where the others belong.
  for (const frame of [sent[2], sent[1], sent[0]]) sender.send(frame)
  const got = peers.map((peer) =>
    peer
      .drain()
      .map((frame) => ipPacketOf(frame))
      .filter((packet) => packet?.readUInt16BE(4) === 4711)
      .map((packet) => packet!.toString('hex')),
  )
  t.same(
    got.filter((packets) => packets.length > 0).map((packets) => packets.sort()),
    [sent.map((frame) => ipPacketOf(frame)!.toString('hex')).sort()],
    'one realserver got them all, unchanged, once',
  )
}
