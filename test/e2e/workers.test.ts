/**
 * Several workers as one director, over a real wire: clients of many addresses, whose shares the
 * workers take, and decisions that are fair over all of them.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import t, { type Test } from 'tap'
import type { EngineName } from '../../src/daemon/messages.js'
import { words } from '../../src/port/bpf-filter.js'
import { workerOf } from '../../src/port/share.js'
import { build, buildFragments } from '../../src/wire/build.js'
import { ipPacketOf, packets } from './frames.js'
import { BANNER, CHAT, ECHO } from './realserver-program.js'
import { engineMissing, makeSegment, type Segment, tally, until, VIP, VIP6 } from './segment.js'

t.setTimeout(240_000)

const CLIENTS = Array.from({ length: 24 }, (_, i) => `192.168.1.${100 + (i < 10 ? i : i + 1)}`)
const CLIENTS6 = Array.from({ length: 8 }, (_, i) => `2001:db8:1::c${i}`)
const FINE = { mask4: -1, prefix6: 128 }

async function start(t: Test, engine: EngineName, workers: number, queues = 1) {
  const segment = await makeSegment(t, { realservers: 3, vipOnDirector: true, queues })
  if (segment === undefined) return undefined
  segment.inShell('client', [
    ...CLIENTS.map((address) => `ip addr add ${address}/24 dev eth0`),
    ...CLIENTS6.map((address) => `ip addr add ${address}/64 dev eth0 nodad`),
  ])
  const all = ['-i', 'eth0', '--engine', engine, '--workers', String(workers)]
  const director = await segment.startDirector(all)
  t.match(director.said(), new RegExp(`ready: ${engine} .*${workers} workers`))
  return { segment, director }
}

/** `each` connections from every address, all at once. */
async function askFromAll(
  segment: Segment,
  from: readonly string[],
  address: string,
  each: number,
) {
  const asked = from.map((client) =>
    segment.client('banners', {
      address,
      port: BANNER,
      from: client,
      count: each,
      parallel: 2,
      fromPort: 10_000,
    }),
  )
  return (await Promise.all(asked)).flat()
}

/** How many clients each worker has to have. */
function sharesOf(clients: readonly string[], count: number): number[] {
  const shares = Array<number>(count).fill(0)
  for (const client of clients) shares[workerOf(words(client), { count, ...FINE })]++
  return shares
}

const TRIALS: readonly [EngineName, number, number][] = [
  ['af_packet', 2, 1],
  ['af_packet', 3, 1],
  ['af_xdp', 2, 2],
]
for (const [engine, workers, queues] of TRIALS) {
  const name = `${engine}, ${workers} workers, ${queues} queues`
  t.test(name, { skip: engineMissing(engine) }, async (t) => {
    const begun = await start(t, engine, workers, queues)
    if (begun === undefined) return
    const { segment, director } = begun
    await segment.addService('tcp', BANNER)
    await segment.addService('udp', ECHO)
    t.ok(Math.min(...sharesOf(CLIENTS, workers)) > 0, `shares: ${sharesOf(CLIENTS, workers)}`)
    await t.test('round robin is exact over all of them', (t) => exactly(t, segment, workers))
    if (queues > 1) {
      const text = segment.lab.run('director', 'ethtool -S eth0')
      const redirected = [...text.matchAll(/rx_queue_\d+_xdp_redirect: (\d+)/g)]
      const byQueue = redirected.map((found) => Number(found[1]))
      t.equal(byQueue.length, queues)
      t.ok(Math.min(...byQueue) > 100, `the queues share clients: ${byQueue}`)
    }
    await t.test('fragments find their first one', (t) => fragments(t, segment))
    await t.test('an ICMP error finds the connection that it is about', (t) => icmp(t, segment))
    await t.test('rules change while traffic flows', (t) => changing(t, segment))
    director.process.kill('SIGTERM')
    t.equal(await director.ended, 0, director.said())
    t.match(director.said(), /uipvs: stopped\n$/)
    t.equal(segment.nftRuleset(), '', 'no guard is left')
  })
}

async function exactly(t: Test, segment: Segment, workers: number): Promise<void> {
  const answers = await askFromAll(segment, CLIENTS, VIP, 20)
  t.same(tally(answers), { rs1: 160, rs2: 160, rs3: 160 })
  const answers6 = await askFromAll(segment, CLIENTS6, VIP6, 6)
  t.same(tally(answers6), { rs1: 16, rs2: 16, rs3: 16 }, 'IPv6')
  for (const client of CLIENTS) {
    const said = await segment.client('datagram', {
      address: VIP,
      port: ECHO,
      from: client,
      text: 'hello',
    })
    t.match(said.text, /^rs[123] hello$/, `UDP of ${client}`)
  }
  const stats = await segment.adm(['-Ln', '--stats', '--exact'])
  t.match(stats, new RegExp(`TCP  ${VIP}:${BANNER} +480 `), 'every connection is counted once')
  t.match(stats, new RegExp(`UDP  ${VIP}:${ECHO} +24 +24 `), 'and every datagram')
  const listed = (await segment.adm(['-Lnc'])).split('\n')
  const tcp = listed.filter((line) => line.startsWith('TCP') && line.includes(`${VIP}:${BANNER}`))
  t.equal(tcp.length, 480, 'all are listed, whoever has them')
  await until('the counts of all workers', async () => {
    const { verdicts, engine } = await segment.counters()
    return engine.frames === Object.values(verdicts).reduce((sum, n) => sum + n)
  })
  const { framesByWorker, engine } = (await segment.counters()) as unknown as {
    framesByWorker: number[]
    engine: { frames: number; ringDrops: number; sendErrors: number }
  }
  t.equal(framesByWorker.length, workers)
  t.ok(Math.min(...framesByWorker) > 20, `each had frames: ${framesByWorker}`)
  t.same([engine.ringDrops, engine.sendErrors], [0, 0])
}

/** From a client of each worker, in the wrong order: whoever gets the first one gets all. */
async function fragments(t: Test, segment: Segment): Promise<void> {
  const peers = segment.realservers.map((name) => segment.tap(t, name))
  const sender = segment.tap(t, 'client')
  for (const [i, client] of CLIENTS.slice(0, 8).entries()) {
    const id = 5000 + i
    const sent = buildFragments(
      {
        ethernet: {
          source: segment.lab.macOf('client:eth0'),
          destination: segment.lab.macOf('director:eth0'),
        },
        ipv4: { source: client, destination: VIP, id, df: false },
        udp: { sport: id, dport: ECHO },
        payload: 4000,
      },
      1480,
    )
    for (const frame of [sent[2], sent[1], sent[0]]) sender.send(frame)
    const got = peers.map((peer) =>
      peer
        .drain()
        .flatMap((frame) => ipPacketOf(frame) ?? [])
        .filter((packet) => packet.readUInt16BE(4) === id && packet[9] === 17),
    )
    t.same(got.map(({ length }) => length).sort(), [0, 0, 3], `fragments of ${client}`)
  }
}

/** A router says that an answer of the VIP was too long for a client. */
async function icmp(t: Test, segment: Segment): Promise<void> {
  const peers = segment.realservers.map((name) => segment.tap(t, name))
  const sender = segment.tap(t, 'client')
  for (const [i, client] of CLIENTS.slice(0, 8).entries()) {
    const said = await segment.client('datagram', {
      address: VIP,
      port: ECHO,
      from: client,
      text: 'x',
    })
    for (const peer of peers) peer.drain(0)
    const answer = ipPacketOf(
      build({ ipv4: { source: VIP, destination: client }, udp: { sport: ECHO, dport: said.port } }),
    )!
    sender.send(
      build({
        ethernet: {
          source: segment.lab.macOf('client:eth0'),
          destination: segment.lab.macOf('director:eth0'),
        },
        ipv4: { source: '10.99.0.1', destination: VIP, id: 6000 + i },
        icmp: { type: 3, code: 4, rest: 1400 },
        payload: answer,
      }),
    )
    const got = peers.map(
      (peer) => packets(peer, 'source', '10.99.0.1').filter((packet) => packet[9] === 1).length,
    )
    const chosen = Number(said.text?.[2]) - 1
    t.same(
      got,
      [0, 1, 2].map((n) => (n === chosen ? 1 : 0)),
      `about a packet for ${client}`,
    )
  }
}

async function changing(t: Test, segment: Segment): Promise<void> {
  const asking = CLIENTS.slice(0, 6).map((from, i) =>
    segment.client('keepAsking', { address: VIP, port: BANNER, from, id: `a${i}`, parallel: 2 }),
  )
  const service = ['-t', `${VIP}:${BANNER}`]
  // A deleted realserver's connections would wait for it, as in Linux: so weights go to 0 instead.
  for (let round = 0; round < 3; round++) {
    await segment.adm(['-e', ...service, '-r', segment.rip(3), '-g', '-w', '0'])
    await segment.adm(['-E', ...service, '-s', round % 2 === 0 ? 'wrr' : 'rr'])
    await segment.adm(['-A', '-t', `${VIP}:8080`])
    await segment.adm(['-e', ...service, '-r', segment.rip(3), '-g', '-w', '2'])
    await segment.adm(['-D', '-t', `${VIP}:8080`])
  }
  for (let i = 0; i < 6; i++) await segment.client('stop', { id: `a${i}` })
  const answers = (await Promise.all(asking)).flat()
  const got = tally(answers)
  t.same(
    Object.keys(got).sort(),
    ['rs1', 'rs2', 'rs3'],
    `nobody was refused: ${JSON.stringify(got)}`,
  )
}

t.test('those that take frames come before others, unless it is said otherwise', async (t) => {
  const segment = await makeSegment(t, { realservers: 1 })
  if (segment === undefined) return
  const run = ['-i', 'eth0', '--engine', 'af_packet', '--workers', '2']
  // Whoever runs the tests may have a priority already.
  const own = getPriority()
  const director = segment.launchDirector(run, ['nice', '-n', String(-own)])
  await director.ready
  const nices = (pid: number) =>
    readdirSync(`/proc/${pid}/task`).map((tid) => {
      const stat = readFileSync(`/proc/${pid}/task/${tid}/stat`, 'utf8')
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
    })
  const got = nices(director.pid)
  t.equal(got.filter((nice) => nice === -10).length, 2, `a thread for each worker: ${got}`)
  t.equal(got.filter((nice) => nice === 0).length, got.length - 2, 'and no other')
  director.process.kill('SIGTERM')
  await director.ended
  const polite = segment.launchDirector(run, ['nice', '-n', String(3 - own)])
  await polite.ready
  t.same([...new Set(nices(polite.pid))], [3])
})

t.test('least-connection and persistence by what all workers have', async (t) => {
  const begun = await start(t, 'af_packet', 2)
  if (begun === undefined) return
  const { segment } = begun
  await segment.addService('tcp', CHAT, { scheduler: 'lc' })
  const opened: string[] = []
  for (const [i, from] of CLIENTS.entries()) {
    const { text } = await segment.client('open', { id: `c${i}`, address: VIP, port: CHAT, from })
    opened.push(text?.slice(0, 3) ?? '')
  }
  const list = await segment.adm(['-Ln'])
  const active = [1, 2, 3].map((n) =>
    Number(new RegExp(`${segment.rip(n)}:${CHAT} +Route +1 +(\\d+)`).exec(list)?.[1]),
  )
  t.same(active, [8, 8, 8], `each worker knows the other's connections: ${opened}`)
  const refusal = segment.adm([
    '-A',
    '-t',
    `${VIP}:${BANNER}`,
    '-s',
    'rr',
    '-p',
    '60',
    '-M',
    '255.255.255.0',
  ])
  await t.rejects(refusal, /divides clients among the workers anew/)
})

t.test('clients that persistence ties together have one worker', async (t) => {
  const begun = await start(t, 'af_packet', 3)
  if (begun === undefined) return
  const { segment } = begun
  await segment.rules([
    `-A -t ${VIP}:${BANNER} -s rr -p 60 -M 255.255.255.0`,
    ...[1, 2, 3].map((n) => `-a -t ${VIP}:${BANNER} -r ${segment.rip(n)} -g -w 1`),
  ])
  const answers = await askFromAll(segment, CLIENTS, VIP, 2)
  const got = tally(answers)
  t.same(Object.values(got), [48], `one realserver has all: ${JSON.stringify(got)}`)
})

t.test('an engine that can not be shared', async (t) => {
  const segment = await makeSegment(t, { realservers: 1 })
  if (segment === undefined) return
  const options = ['-i', 'eth0', '--engine', 'libpcap', '--workers', '2']
  const { status, stderr } = await segment.runToEnd(options)
  t.equal(status, 2)
  t.match(
    stderr,
    'uipvs: libpcap has one worker (--workers 2); several share the frames with af_xdp and af_packet',
  )
})
