import t from 'tap'
import { STAT_OUT_BYTES, STAT_OUT_PACKETS } from '../../src/balance/destination.js'
import type { FrameSpec } from '../../src/wire/frame-spec.js'
import * as icmp from '../../src/wire/icmp.js'
import * as ipv4 from '../../src/wire/ipv4.js'
import * as ipv6 from '../../src/wire/ipv6.js'
import {
  CLIENT,
  CLIENT6,
  ROUTES,
  realserver,
  realserver6,
  route,
  service,
  VIP,
  VIP6,
  World,
  type WorldOptions,
} from './world.js'

const IP = 14
const NARROW_MTU = 1000

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** One realserver, to which only packets of 1000 bytes (IPv6: 1300) get through. */
function makeWorld(options: WorldOptions = {}): World {
  return new World({
    mode: 'kernel',
    services: [
      { service: service(53, 'udp'), to: [2] },
      { service: service(53, 'udp', VIP6), to: [2] },
    ],
    routes: [
      ...ROUTES,
      route(realserver(2), 32, { mtu: NARROW_MTU }),
      route(realserver6(2), 128, { mtu: 1300 }),
    ],
    ...options,
  })
}

function datagram4(payload: number, changes: Partial<NonNullable<FrameSpec['ipv4']>> = {}) {
  const header = { source: CLIENT, destination: VIP, ...changes }
  return { ipv4: header, udp: { sport: 1000, dport: 53 }, payload }
}

function datagram6(payload: number, hopLimit = 64) {
  const header = { source: CLIENT6, destination: VIP6, hopLimit }
  return { ipv6: header, udp: { sport: 1000, dport: 53 }, payload }
}

t.test('the TTL goes down by one, and ends at one', async (t) => {
  const world = makeWorld()
  for (const [ttl, verdict] of [
    [255, 'forwarded'],
    [2, 'forwarded'],
    [1, 'ttl-exceeded'],
    [0, 'ttl-exceeded'],
  ] as const) {
    const four = world.send(datagram4(10, { ttl }))
    t.same(four.verdicts, [verdict], `TTL ${ttl}`)
    const bytes = view((four.sent[0] as { bytes: Uint8Array }).bytes)
    if (verdict === 'forwarded') t.equal(ipv4.ttl(bytes, IP), ttl - 1)
    t.ok(ipv4.isChecksumGood(bytes, IP))
    const six = world.send(datagram6(10, ttl))
    t.same(six.verdicts, [verdict], `hop limit ${ttl}`)
    const out = view((six.sent[0] as { bytes: Uint8Array }).bytes)
    if (verdict === 'forwarded') t.equal(ipv6.hopLimit(out, IP), ttl - 1)
  }
})

t.test('IPv4 at the edge of the MTU: as it is, answered with DF, cut without', async (t) => {
  const fitting = NARROW_MTU - 28
  t.same(makeWorld().send(datagram4(fitting)).verdicts, ['forwarded'])
  const world = makeWorld()
  const { verdicts, sent } = world.send(datagram4(fitting + 1))
  t.same(verdicts, ['too-big'])
  const answer = view((sent[0] as { bytes: Uint8Array }).bytes)
  t.equal(icmp.nextHopMtu(answer, IP + 20), NARROW_MTU)
  t.equal(ipv4.ttl(answer, IP + 28), 63, 'quoted as it would have left')
  const { destinations } = world.director.balancer
  t.equal(destinations.statistic(0, STAT_OUT_PACKETS), 1, 'counts as a packet of the connection')
  t.equal(destinations.statistic(0, STAT_OUT_BYTES), 576)
  const cut = world.send(datagram4(fitting + 1, { df: false }))
  t.same(cut.verdicts, ['fragmented'])
  t.same(
    cut.sent.map(({ bytes }) => bytes.length - IP),
    [20 + 976, 20 + 5],
  )
})

t.test('IPv6 is never cut', async (t) => {
  const world = makeWorld()
  t.same(world.send(datagram6(1300 - 48)).verdicts, ['forwarded'])
  t.same(world.send(datagram6(1300 - 47)).verdicts, ['too-big'])
})

t.test('an aggregate is measured by its segments, and leaves as it is', async (t) => {
  const world = makeWorld({ port: { slotBytes: 4096 } })
  const big = datagram4(3000)
  t.same(world.sendOn(0, { segmentBytes: NARROW_MTU - 28 }, big).verdicts, ['forwarded'])
  t.same(world.sendOn(0, { segmentBytes: NARROW_MTU - 27 }, big).verdicts, ['too-big'])
})

t.test('a checksum that the sender left to hardware is finished before the cut', async (t) => {
  const world = makeWorld()
  const spec = datagram4(1400, { df: false })
  const whole = world.send(spec).sent[0] as { bytes: Uint8Array }
  const unfinished = { ...spec, badChecksum: true }
  const partial = world.sendOn(0, { partialChecksum: true }, unfinished)
  t.same(partial.verdicts, ['fragmented'])
  t.same((partial.sent[0] as { bytes: Uint8Array }).bytes, whole.bytes)
})

t.test('textbook mode does none of it', async (t) => {
  const world = makeWorld({ mode: 'textbook' })
  for (const spec of [
    datagram4(1400),
    datagram4(10, { ttl: 1 }),
    datagram6(1400),
    datagram6(1, 0),
  ]) {
    t.same(world.send(spec).verdicts, ['forwarded'])
  }
})
