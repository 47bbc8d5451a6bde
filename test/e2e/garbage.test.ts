/**
 * A client that sends everything a network card can carry: the director accounts for each frame,
 * lives, sends no garbage on, and serves others meanwhile.
 */
import t, { type Test } from 'tap'
import { ENDINGS } from '../../src/engine/verdict.js'
import { build, type FrameSpec } from '../../src/wire/build.js'
import { BANNER, ECHO } from './realserver-program.js'
import { CLIENT, CLIENT6, makeSegment, type Segment, tally, until, VIP, VIP6 } from './segment.js'

const SEED = 20_240_607
const ROUNDS = 1500

/** A small generator of chance that a failure can be repeated with (xorshift32). */
function chance(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Kinds of frames that are wrong in one way each, or right and unusual. */
function kinds(ethernet: { source: string; destination: string }): FrameSpec[] {
  const ipv4 = { source: CLIENT, destination: VIP }
  const ipv6 = { source: CLIENT6, destination: VIP6 }
  const tcp = { sport: 2000, dport: BANNER }
  const udp = { sport: 2000, dport: ECHO }
  const inner = { ipv4: { source: VIP, destination: CLIENT }, tcp: { sport: BANNER, dport: 2000 } }
  const both = (spec: FrameSpec): FrameSpec[] => [
    { ethernet, ipv4, ...spec },
    { ethernet, ipv6, ...spec },
  ]
  const truncated = [14, 20, 33, 34, 37, 40, 47, 53, 57, 60]
  return [
    ...truncated.flatMap((truncate) => both({ tcp, truncate })),
    ...both({ tcp, badChecksum: true }),
    ...both({ udp, badChecksum: true }),
    ...both({ tcp: { ...tcp, dataOffset: 1 } }),
    ...both({ tcp: { ...tcp, dataOffset: 15 } }),
    ...['.', 'A', 'F', 'R', 'SF', 'SR', 'FSRPAUEC'].flatMap((flags) =>
      both({ tcp: { ...tcp, flags } }),
    ),
    ...both({ udp: { ...udp, length: 3 }, payload: 20 }),
    ...both({ udp: { ...udp, length: 9000 }, payload: 20 }),
    ...both({ sctp: { sport: 1, dport: 2, chunks: [{ type: 1, length: 2 }] } }),
    { ethernet, ipv4: { ...ipv4, version: 5 }, tcp },
    { ethernet, ipv4: { ...ipv4, headerLength: 4 }, tcp },
    { ethernet, ipv4: { ...ipv4, headerLength: 15 }, tcp },
    { ethernet, ipv4: { ...ipv4, totalLength: 10 }, tcp },
    { ethernet, ipv4: { ...ipv4, totalLength: 9000 }, tcp },
    { ethernet, ipv4: { ...ipv4, totalLength: 23 }, tcp },
    { ethernet, ipv4: { ...ipv4, totalLength: 30 }, tcp },
    { ethernet, ipv4: { ...ipv4, totalLength: 26 }, udp },
    { ethernet, ipv4: { ...ipv4, badChecksum: true }, tcp },
    { ethernet, ipv4: { ...ipv4, ttl: 0 }, tcp },
    { ethernet, ipv4: { ...ipv4, options: [0x83, 3, 4, 0] }, tcp },
    { ethernet, ipv4: { ...ipv4, frag: 65_528, mf: false }, payload: 100 },
    { ethernet, ipv4: { ...ipv4, frag: 8, mf: true }, payload: 16 },
    { ethernet, ipv4: { ...ipv4, mf: true }, tcp },
    { ethernet, ipv4: { ...ipv4, protocol: 253 }, payload: 8 },
    ...['127.0.0.1', '224.0.0.1', '255.255.255.255', '0.0.0.0', VIP].map((source) => ({
      ethernet,
      ipv4: { source, destination: VIP },
      tcp,
    })),
    { ethernet, ipv6: { ...ipv6, version: 4 }, tcp },
    { ethernet, ipv6: { ...ipv6, payloadLength: 9000 }, tcp },
    { ethernet, ipv6: { ...ipv6, nextHeader: 0 }, payload: 1 },
    {
      ethernet,
      ipv6: {
        ...ipv6,
        extensions: Array.from({ length: 12 }, () => ({ kind: 'routing' as const })),
      },
      tcp,
    },
    {
      ethernet,
      ipv6: { ...ipv6, extensions: [{ kind: 'fragment', offset: 65_528 }] },
      payload: 64,
    },
    ...['::1', 'ff02::1', VIP6].map((source) => ({
      ethernet,
      ipv6: { source, destination: VIP6 },
      tcp,
    })),
    { ethernet, ipv4, icmp: { type: 3, code: 1, quote: inner }, truncate: 50 },
    { ethernet, ipv4, icmp: { type: 3, code: 1, quote: inner } },
    { ethernet, ipv4, icmp: { type: 8 }, badChecksum: true },
    { ethernet, ipv4, icmp: { type: 99 } },
    { ethernet, ipv6, icmpv6: { type: 135, target: VIP6 } },
    { ethernet, ipv6, icmpv6: { type: 136, target: 'ff02::1' }, truncate: 60 },
    {
      ethernet,
      ipv6,
      icmpv6: { type: 1, quote: { ipv6: { source: VIP6, destination: CLIENT6 } } },
    },
    {
      ethernet,
      arp: { operation: 'request', senderMac: 'ff:ff:ff:ff:ff:ff', sender: VIP, target: VIP },
    },
    { ethernet, arp: { operation: 7, senderMac: ethernet.source, sender: '0.0.0.0', target: VIP } },
    {
      ethernet,
      arp: { operation: 'reply', senderMac: ethernet.source, sender: '10.9.9.9', target: VIP },
      truncate: 30,
    },
    { ethernet: { ...ethernet, type: 0x1234 }, payload: 60 },
    { ethernet: { ...ethernet, vlan: [1, 2, 3, 4] }, ipv4, tcp },
    { ethernet: { ...ethernet, destination: 'ff:ff:ff:ff:ff:ff' }, ipv4, tcp },
    { ethernet: { ...ethernet, source: 'ff:ff:ff:ff:ff:ff' }, ipv4, tcp: { ...tcp, flags: 'A' } },
  ]
}

async function accounted(t: Test, segment: Segment): Promise<void> {
  const { verdicts, engine } = await segment.counters()
  const sum = ENDINGS.reduce((total, { name }) => total + verdicts[name], 0)
  t.equal(sum, engine.frames, `every frame has its verdict: ${sum}`)
}

t.test('garbage', async (t) => {
  const segment = await makeSegment(t)
  if (segment === undefined) return
  const director = await segment.startDirector()
  await segment.addService('tcp', BANNER)
  await segment.addService('udp', ECHO)
  const client = segment.tap(t, 'client')
  const ethernet = {
    source: segment.lab.macOf('client:eth0'),
    destination: segment.lab.macOf('director:eth0'),
  }
  const frames = kinds(ethernet).map((spec) => build(spec))
  t.comment(`${frames.length} kinds of frames, seed ${SEED}`)

  const load = segment.client('keepAsking', {
    id: 'load',
    address: VIP,
    port: BANNER,
    parallel: 2,
  })
  await until('others are served', async () => (await segment.counters()).verdicts.forwarded > 100)
  for (const frame of frames) client.send(frame)
  const random = chance(SEED)
  for (let round = 0; round < ROUNDS; round++) {
    const frame = frames[random(frames.length)].slice()
    for (let n = random(4); n >= 0; n--) frame[14 + random(frame.length - 14)] = random(256)
    const cut = random(4) === 0 ? frame.slice(0, 14 + random(frame.length)) : frame
    // Most damage to an IPv4 packet would end at its checksum.
    if (random(3) > 0) repairHeader(cut)
    client.send(cut)
    if (round % 100 === 0) await until('the director is there', () => segment.counters())
  }
  await segment.client('stop', { id: 'load' })
  const counts = tally(await load)
  t.comment(JSON.stringify(counts))
  t.same(Object.keys(counts).sort(), ['rs1', 'rs2'], 'the other clients noticed nothing')
  await until('all frames have been looked at', async () => {
    const { frames: before } = (await segment.counters()).engine
    await new Promise((resolve) => setTimeout(resolve, 100))
    return (await segment.counters()).engine.frames === before
  })
  await accounted(t, segment)
  const { verdicts } = await segment.counters()
  const seen = Object.keys(verdicts).filter((name) => verdicts[name] > 0)
  t.comment(seen.map((name) => `${name} ${verdicts[name]}`).join(', '))
  for (const name of ['malformed-ip', 'bad-ip-checksum', 'truncated-transport', 'martian-source']) {
    t.ok(verdicts[name] > 0, name)
  }
  t.same(
    tally(
      await segment.client('banners', {
        address: VIP,
        port: BANNER,
        count: 10,
        parallel: 1,
      }),
    ),
    { rs1: 5, rs2: 5 },
  )
  t.equal(director.process.exitCode, null)
  t.equal(director.said().split('\n').length, 2, 'it said nothing but that it is ready')
})

/** Gives an IPv4 packet the length and the checksum that fit it, if it has room for a header. */
function repairHeader(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  if (frame.length < 34 || view.getUint16(12) !== 0x0800) return
  const end = Math.min(14 + 4 * (view.getUint8(14) & 15), frame.length & ~1)
  view.setUint16(16, frame.length - 14)
  view.setUint16(24, 0)
  let sum = 0
  for (let at = 14; at < end; at += 2) sum += view.getUint16(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  view.setUint16(24, ~sum & 0xffff)
}
