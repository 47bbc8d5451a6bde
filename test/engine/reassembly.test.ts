import t from 'tap'
import { FRAGMENT_POOL_BYTES } from '../../src/engine/fragment-queues.js'
import { WAIT_MS_4, WAIT_MS_6 } from '../../src/engine/reassembly.js'
import { buildFragments, buildPacket } from '../../src/wire/build.js'
import type { FrameSpec } from '../../src/wire/frame-spec.js'
import * as icmp from '../../src/wire/icmp.js'
import * as ipv4 from '../../src/wire/ipv4.js'
import * as ipv6 from '../../src/wire/ipv6.js'
import { CLIENT, CLIENT6, numberOf, service, VIP, VIP6, World, type WorldOptions } from './world.js'

const IP = 14

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

function kernelWorld(options: WorldOptions = {}): World {
  return new World({
    mode: 'kernel',
    services: [
      { service: service(53, 'udp'), to: [2, 3] },
      { service: service(53, 'udp', VIP6), to: [2, 3] },
    ],
    port: { batch: 128, slots: 1024 },
    ...options,
  })
}

function datagram4(payload: number, id = 1): FrameSpec {
  return {
    ipv4: { source: CLIENT, destination: VIP, id },
    udp: { sport: 1000 + id, dport: 53 },
    payload,
  }
}

function datagram6(payload: number): FrameSpec {
  return {
    ipv6: { source: CLIENT6, destination: VIP6 },
    udp: { sport: 1000, dport: 53 },
    payload,
  }
}

/** What the fragments say when they are put together; fails if they do not follow each other. */
function together(frames: readonly Uint8Array[], isIpv6: boolean): Uint8Array {
  const bytes: number[] = []
  for (const [i, frame] of frames.entries()) {
    const v = view(frame)
    const data = isIpv6 ? IP + 48 : IP + ipv4.headerBytes(v, IP)
    const offset = isIpv6 ? ipv6.fragmentHeaderOffset(v, IP + 40) : ipv4.fragmentOffset(v, IP)
    const more = isIpv6 ? ipv6.fragmentHeaderMore(v, IP + 40) : ipv4.moreFragments(v, IP)
    if (offset !== bytes.length) throw new Error(`fragment ${i} begins at ${offset}`)
    if (more !== i + 1 < frames.length) throw new Error(`fragment ${i}: more is ${more}`)
    bytes.push(...frame.subarray(data))
  }
  return Uint8Array.from(bytes)
}

t.test('IPv4: in any order, decided when the last has come, nothing lost', async (t) => {
  for (const order of [
    [0, 1, 2, 3],
    [3, 2, 1, 0],
    [2, 0, 3, 1],
  ]) {
    const world = kernelWorld()
    const spec = datagram4(1200)
    const pieces = buildFragments(spec, 400)
    t.equal(pieces.length, 4)
    const { verdicts, sent } = world.send(...order.map((n) => pieces[n] as Uint8Array))
    t.same(verdicts, ['fragment-held', 'fragment-held', 'fragment-held', 'fragmented'])
    t.ok(sent.every((frame) => numberOf(frame) === 3))
    const whole = buildPacket(spec).slice(20)
    t.same(
      together(
        sent.map(({ bytes }) => bytes),
        false,
      ),
      whole,
    )
    for (const { bytes } of sent) {
      t.ok(ipv4.isChecksumGood(view(bytes), IP))
      t.equal(ipv4.ttl(view(bytes), IP), 63)
    }
    t.equal(world.director.balancer.connections4.count, 1)
  }
})

t.test('IPv6: in the pieces in which they came, with a new identification', async (t) => {
  const world = kernelWorld()
  const spec = datagram6(3000)
  const pieces = buildFragments(spec, 1400)
  const { verdicts, sent } = world.send(...pieces)
  t.same(verdicts, ['fragment-held', 'fragment-held', 'fragmented'])
  t.same(
    sent.map(({ bytes }) => bytes.length),
    pieces.map((piece) => piece.length),
  )
  t.same(
    together(
      sent.map(({ bytes }) => bytes),
      true,
    ),
    buildPacket(spec).slice(40),
  )
  const ids = sent.map(({ bytes }) => ipv6.fragmentHeaderIdentification(view(bytes), IP + 40))
  t.equal(new Set(ids).size, 1)
  t.not(ids[0], 0)
  const again = world.send(...pieces).sent[0] as { bytes: Uint8Array }
  t.not(ipv6.fragmentHeaderIdentification(view(again.bytes), IP + 40), ids[0], 'each its own')
})

t.test('a fragment that overlaps costs the datagram', async (t) => {
  const world = kernelWorld()
  const [first, second] = buildFragments(datagram4(600), 400) as [Uint8Array, Uint8Array]
  const evil = first.slice()
  ipv4.setFragment(view(evil), IP, ipv4.FLAG_MORE_FRAGMENTS, 200)
  ipv4.updateChecksum(view(evil), IP)
  t.same(world.send(first, evil).verdicts, ['fragment-held', 'fragment-dropped'])
  t.same(world.send(second).verdicts, ['fragment-held'], 'it begins anew, and lacks the first')
  t.same(world.send(first).verdicts, ['fragmented'])
})

t.test('a datagram that is not finished in time is given up, and IPv4 is told', async (t) => {
  const world = kernelWorld()
  const four = buildFragments(datagram4(600), 400)
  const six = buildFragments(datagram6(600), 400)
  world.send(four[0] as Uint8Array, six[0] as Uint8Array)
  t.equal(world.wait(WAIT_MS_4 - 2000, 100).sent.length, 0)
  const { sent } = world.wait(4000, 100)
  t.equal(sent.length, 1)
  const answer = view((sent[0] as { bytes: Uint8Array }).bytes)
  t.equal(icmp.type(answer, IP + 20), icmp.TYPE_TIME_EXCEEDED)
  t.equal(icmp.code(answer, IP + 20), icmp.CODE_REASSEMBLY_TIME_EXCEEDED)
  t.equal(ipv4.protocol(answer, IP + 28), ipv4.PROTO_UDP, 'it quotes the first fragment')
  t.same(world.send(four[1] as Uint8Array).verdicts, ['fragment-held'])
  t.equal(world.wait(WAIT_MS_6 - WAIT_MS_4, 100).sent.length, 0, 'no word about IPv6')
  t.same(world.send(six[1] as Uint8Array).verdicts, ['fragment-held'])
})

t.test('without the first fragment nobody is told', async (t) => {
  const world = kernelWorld()
  world.send(buildFragments(datagram4(600), 400)[1] as Uint8Array)
  t.equal(world.wait(WAIT_MS_4 + 2000, 100).sent.length, 0)
})

t.test('when the pool is full new fragments are dropped, until there is room again', async (t) => {
  const world = kernelWorld()
  const chunks = Math.floor(FRAGMENT_POOL_BYTES / 1536)
  let held = 0
  for (let id = 0; id < chunks + 10; id++) {
    const piece = buildFragments(datagram4(600, id), 400)[0] as Uint8Array
    if (world.send(piece).verdicts[0] === 'fragment-held') held++
  }
  t.equal(held, chunks)
  t.equal(world.counts()['fragment-dropped'], 10)
  world.wait(WAIT_MS_4 + 2000, 100)
  const pieces = buildFragments(datagram4(600, 7), 400)
  t.same(world.send(...pieces).verdicts, ['fragment-held', 'fragmented'])
})

t.test('marks of congestion add up, and impossible ones cost the datagram', async (t) => {
  const cases: [number, number, string, number][] = [
    [2, 2, 'fragmented', 2],
    [2, 3, 'fragmented', 3],
    [1, 3, 'fragmented', 3],
    [3, 3, 'fragmented', 3],
    [0, 2, 'fragment-dropped', 0],
    [0, 3, 'fragment-dropped', 0],
  ]
  for (const [a, b, verdict, mark] of cases) {
    const world = kernelWorld()
    const pieces = buildFragments(datagram4(600), 400)
    for (const [i, piece] of pieces.entries()) {
      ipv4.setTos(view(piece), IP, 0xb8 | (i === 0 ? a : b))
      ipv4.updateChecksum(view(piece), IP)
    }
    const outcome = world.send(...pieces)
    t.equal(outcome.verdicts[1], verdict, `${a} and ${b}`)
    for (const { bytes } of outcome.sent) t.equal(ipv4.tos(view(bytes), IP), 0xb8 | mark)
  }
})

t.test('what is no datagram, and what is nobody of ours', async (t) => {
  const world = kernelWorld({ onKernel: [VIP] })
  const elsewhere = buildFragments(
    { ...datagram4(600), ipv4: { source: CLIENT, destination: '192.168.1.99' } },
    400,
  )
  t.same(world.send(...elsewhere).verdicts, ['not-vip', 'not-vip'])
  const echo = buildFragments(
    { ipv4: { source: CLIENT, destination: VIP }, icmp: { type: 8 }, payload: 600 },
    400,
  )
  t.same(world.send(...echo).verdicts, ['left-to-kernel', 'left-to-kernel'], 'VIP on the kernel')
  const [empty] = buildFragments(datagram4(600), 400) as [Uint8Array]
  ipv4.setTotalLength(view(empty), IP, 20)
  ipv4.updateChecksum(view(empty), IP)
  t.same(world.send(empty).verdicts, ['fragment-dropped'], 'a fragment of nothing')
  const last = buildFragments(datagram4(600), 400)[1] as Uint8Array
  ipv4.setFragment(view(last), IP, 0, 65_528)
  ipv4.updateChecksum(view(last), IP)
  t.same(world.send(last).verdicts, ['fragment-held'], 'who knows')
  t.equal(world.director.balancer.connections4.count, 0)
})

t.test('an echo request in pieces is put together and answered', async (t) => {
  const world = kernelWorld()
  const spec = { ipv4: { source: CLIENT, destination: VIP }, icmp: { type: 8 }, payload: 600 }
  t.same(world.send(...buildFragments(spec, 400)).verdicts, ['fragment-held', 'echo-answered'])
})
