import t from 'tap'
import { Outbox } from '../../src/engine/port.js'
import { Resolver } from '../../src/engine/resolver.js'
import { HELD_MS, HELD_PER_NEIGHBOUR_MAX } from '../../src/link/held-frames.js'
import { LOCK_MS, NeighbourTable } from '../../src/link/neighbour.js'
import { VipTable } from '../../src/link/vips.js'
import type { SentFrame } from '../../src/port/memory.js'
import { viewOf } from '../../src/wire/build.js'
import { isTransportGood4, isTransportGood6 } from '../../src/wire/checksum.js'
import {
  addDestination,
  BARE_VIP6,
  build,
  CLIENT,
  CLIENT6,
  deleteDestination,
  type FrameSpec,
  hex,
  OUR_MAC,
  OWN,
  OWN6,
  realserver,
  realserver6,
  realserverMac,
  relayed,
  route,
  SECOND_MAC,
  service,
  VIP,
  VIP6,
  World,
  words,
} from './world.js'

const BROADCAST = 'ff:ff:ff:ff:ff:ff'
const one = { services: [{ to: [2] }], resolved: false }
const six = service(80, 'tcp', VIP6)
const syn = (sport = 4000, spec: FrameSpec = {}): FrameSpec => ({
  ipv4: { source: CLIENT, destination: VIP },
  tcp: { sport, dport: 80 },
  ...spec,
})

const question: FrameSpec = {
  ethernet: { source: OUR_MAC, destination: BROADCAST },
  arp: { senderMac: OUR_MAC, sender: OWN, target: realserver(2) },
}
const probe: FrameSpec = {
  ...question,
  ethernet: { source: OUR_MAC, destination: realserverMac(2) },
}
const answer: FrameSpec = {
  arp: {
    operation: 'reply',
    senderMac: realserverMac(2),
    sender: realserver(2),
    targetMac: OUR_MAC,
    target: OWN,
  },
}
const hexes = (sent: readonly SentFrame[]) => sent.map(({ bytes }) => hex(bytes))
const hexesOf = (...specs: FrameSpec[]) => specs.map((spec) => hex(build(spec)))

t.test('a realserver is resolved when it is added, not when its first client knocks', async (t) => {
  const world = new World(one)
  t.same(hexes(world.wait(10).sent), hexesOf(question))
  t.same(hexes(world.wait(980).sent), [], 'and not again for a second')
  t.same(hexes(world.wait(2100).sent), hexesOf(question, question))
  t.same(hexes(world.wait(4000).sent), [], 'failed: left alone for a while')
  t.same(hexes(world.wait(1500).sent), hexesOf(question))
})

t.test('the same by neighbour discovery', async (t) => {
  const world = new World({ services: [{ service: six, to: [2] }], resolved: false })
  const { sent } = world.wait(10)
  t.same(
    hexes(sent),
    hexesOf({
      ethernet: { source: OUR_MAC, destination: '33:33:ff:00:00:02' },
      ipv6: { source: OWN6, destination: 'ff02::1:ff00:2', hopLimit: 255 },
      icmpv6: { type: 135, target: realserver6(2), linkLayer: OUR_MAC },
    }),
  )
  world.send({
    ipv6: { source: realserver6(2), destination: OWN6, hopLimit: 255 },
    icmpv6: { type: 136, rest: 0x60000000, target: realserver6(2), linkLayer: realserverMac(2) },
  })
  const frame: FrameSpec = {
    ipv6: { source: CLIENT6, destination: VIP6 },
    tcp: { sport: 4000, dport: 80 },
  }
  t.same(hexes(world.send(frame).sent), [hex(relayed(build(frame), realserverMac(2)))])
  t.same(
    hexes(world.wait(30_000).sent),
    hexesOf({
      ethernet: { source: OUR_MAC, destination: realserverMac(2) },
      ipv6: { source: OWN6, destination: realserver6(2), hopLimit: 255 },
      icmpv6: { type: 135, target: realserver6(2), linkLayer: OUR_MAC },
    }),
    'half a minute later it is asked again, by itself',
  )
})

t.test(
  'frames that came too early leave in order, with the right MAC, when it answers',
  async (t) => {
    const world = new World(one)
    world.wait(10)
    const frames = [4000, 4001, 4002].map((sport) => syn(sport, { payload: sport - 3990 }))
    const { verdicts, sent } = world.send(...frames)
    t.same(verdicts, ['neighbour-held', 'neighbour-held', 'neighbour-held'])
    t.same(sent, [])
    t.same(world.send(answer).verdicts, ['neighbour-learned'])
    const released = world.wait(20).sent
    const expected = frames.map((frame) => hex(relayed(build(frame), realserverMac(2))))
    t.same(hexes(released), expected)
    t.equal(world.director.resolver.held.count, 0)
    t.same(hexes(world.wait(1000).sent), [], 'once each')
  },
)

t.test(
  'a checksum that hardware was to finish is finished before a held frame leaves',
  async (t) => {
    const world = new World({
      services: [{ to: [2] }, { service: six, to: [2] }],
      resolved: false,
    })
    const four = build(syn(4000, { badChecksum: true, ethernet: { vlan: 4 }, payload: 33 }))
    const other = build({
      ipv6: { source: CLIENT6, destination: VIP6, extensions: [{ kind: 'destination-options' }] },
      tcp: { sport: 4000, dport: 80 },
      badChecksum: true,
    })
    world.sendOn(0, { partialChecksum: true }, four, other)
    world.resolve()
    world.send(answer)
    const sent = world.wait(20).sent.filter(({ bytes }) => bytes.length !== 42)
    t.equal(sent.length, 2)
    for (const { bytes } of sent) {
      const view = viewOf(bytes)
      if (bytes[12] === 0x81) t.ok(isTransportGood4(view, 18, 38, bytes.length, 6))
      else t.ok(isTransportGood6(view, 14, 62, bytes.length, 6))
    }
    // Nothing but the two bytes of the checksum differs from what came, beside the MAC addresses.
    const [first] = sent as [SentFrame]
    const expected = relayed(four, realserverMac(2))
    const differing = [...expected.keys()].filter((i) => expected[i] !== first.bytes[i])
    t.ok(differing.length > 0 && differing.every((i) => i === 38 + 16 || i === 38 + 17))
  },
)

t.test('the queue is bounded, and frames do not wait for ever', async (t) => {
  const world = new World(one)
  world.wait(10)
  const names: string[] = []
  for (let sport = 1000; sport < 1000 + HELD_PER_NEIGHBOUR_MAX + 3; sport++) {
    names.push(...world.send(syn(sport)).verdicts)
  }
  t.equal(names.filter((name) => name === 'neighbour-held').length, HELD_PER_NEIGHBOUR_MAX)
  t.same(names.slice(-3), Array(3).fill('neighbour-queue-full'))
  world.wait(HELD_MS + 20)
  t.equal(world.director.resolver.held.count, 0)
  world.send(answer)
  t.same(world.wait(20).sent, [], 'what waited too long does not leave any more')
})

t.test('more held frames than the outbox takes at once leave one after the other', async (t) => {
  const world = new World({ ...one, port: { batch: 16 } })
  world.wait(10)
  for (let sport = 1000; sport < 1040; sport++) world.send(syn(sport))
  world.send(answer)
  const ports = world.wait(100).sent.map(({ bytes }) => viewOf(bytes).getUint16(34))
  t.same(
    ports,
    Array.from({ length: 40 }, (_, i) => 1000 + i),
  )
})

t.test('known neighbours are probed while frames go on, and fail when they are gone', async (t) => {
  const world = new World(one)
  world.send(answer)
  t.same(hexes(world.wait(29_900).sent), [])
  t.same(hexes(world.wait(200).sent), hexesOf(probe))
  t.same(world.send(syn()).verdicts, ['forwarded'])
  t.same(hexes(world.wait(2100).sent), hexesOf(probe, probe))
  t.same(hexes(world.wait(3000).sent), hexesOf(question, question, question))
  t.same(world.send(syn(4001)).verdicts, ['neighbour-held'])
  world.wait(1000)
  t.same(world.send(syn(4002)).verdicts, ['destination-unroutable'])
  world.send(answer)
  t.same(world.send(syn(4003)).verdicts, ['forwarded'])
})

t.test('a realserver that moved is followed at once', async (t) => {
  const world = new World(one)
  world.send(answer)
  const gratuitous = {
    ethernet: { destination: BROADCAST },
    arp: { senderMac: realserverMac(77), sender: realserver(2), target: realserver(2) },
  }
  t.same(world.send(gratuitous).verdicts, ['neighbour-learned'])
  const [first] = hexes(world.send(syn()).sent)
  t.equal(first, hex(relayed(build(syn()), realserverMac(2))), 'but not within a second')
  world.wait(LOCK_MS)
  world.send(gratuitous)
  t.same(hexes(world.send(syn()).sent), [hex(relayed(build(syn()), realserverMac(77)))])
  const confirming = { ...probe, ethernet: { source: OUR_MAC, destination: realserverMac(77) } }
  t.same(hexes(world.wait(20).sent), hexesOf(confirming), 'and is asked')
})

t.test('a neighbour advertisement without the override flag replaces nothing', async (t) => {
  const world = new World({ services: [{ service: six, to: [2] }], resolved: false })
  world.wait(10)
  const advertise = (mac: string, flags: number): FrameSpec => ({
    ipv6: { source: realserver6(2), destination: OWN6, hopLimit: 255 },
    icmpv6: { type: 136, rest: flags, target: realserver6(2), linkLayer: mac },
  })
  const frame: FrameSpec = {
    ipv6: { source: CLIENT6, destination: VIP6 },
    tcp: { sport: 4000, dport: 80 },
  }
  world.send(advertise(realserverMac(2), 0x60000000))
  world.wait(LOCK_MS)
  world.send(advertise(realserverMac(66), 0x40000000))
  t.same(hexes(world.send(frame).sent), [hex(relayed(build(frame), realserverMac(2)))])
  world.send(advertise(realserverMac(66), 0x20000000))
  t.same(hexes(world.send(frame).sent), [hex(relayed(build(frame), realserverMac(66)))])
})

t.test(
  'with more neighbours than the outbox has room for, each is asked in its turn',
  async (t) => {
    const neighbours = new NeighbourTable(512)
    const outbox = new Outbox(new ArrayBuffer(64 * 128), 64, 128)
    const arms = [{ name: 'eth0', macHigh: 0x0200, macLow: 1, mtu: 1500, superframes: false }]
    const resolver = new Resolver(arms, outbox, neighbours, new VipTable(), [
      { ipv4: 1, ipv6: null },
    ])
    for (let host = 1; host <= 120; host++) neighbours.acquire(0, 4, host, 0, 0, 0, 0)
    const asked = new Set<number>()
    for (let now = 0; now < 50; now += 10) {
      resolver.tick(now)
      for (let slot = 0; slot < outbox.count; slot++)
        asked.add(outbox.view.getInt32(slot * 128 + 38))
      outbox.count = 0
    }
    t.equal(asked.size, 120)
    t.equal(outbox.overflows, 0)
  },
)

t.test('VIPs are announced on every arm, a second apart', async (t) => {
  const world = new World({
    arms: [
      { macHigh: 0x0200, macLow: 1 },
      { macHigh: 0x0200, macLow: 0x101 },
    ],
    rules: [],
  })
  const vips = [VIP, BARE_VIP6].map((address) => ({
    family: address.includes(':') ? (6 as const) : (4 as const),
    words: words(address),
    onKernel: false,
    announced: true,
  }))
  world.director.resolver.announce(vips, 2, world.now)
  const expected = [OUR_MAC, SECOND_MAC].map((mac) => ({
    four: build({
      ethernet: { source: mac, destination: BROADCAST },
      arp: { senderMac: mac, sender: VIP, target: VIP },
    }),
    six: build({
      ethernet: { source: mac, destination: '33:33:00:00:00:01' },
      ipv6: { source: BARE_VIP6, destination: 'ff02::1', hopLimit: 255 },
      icmpv6: { type: 136, rest: 0x20000000, target: BARE_VIP6, linkLayer: mac },
    }),
  }))
  const once = [
    ...expected.map(({ four }, arm) => `${arm} ${hex(four)}`),
    ...expected.map(({ six }, arm) => `${arm} ${hex(six)}`),
  ]
  const heard = () => world.wait(10).sent.map(({ arm, bytes }) => `${arm} ${hex(bytes)}`)
  t.same(heard(), once)
  t.same(world.wait(980).sent, [])
  t.same(
    world.wait(20).sent.map(({ arm, bytes }) => `${arm} ${hex(bytes)}`),
    once,
  )
  t.same(world.wait(3000).sent, [])
  const silent = vips.map((vip) => ({ ...vip, announced: false }))
  world.director.resolver.announce(silent, 1, world.now)
  t.same(world.wait(20).sent, [], 'with --no-arp nothing is announced')
})

t.test('a thousand VIPs are announced in portions', async (t) => {
  const world = new World({ rules: [], port: { batch: 32 } })
  const vips = Array.from({ length: 1000 }, (_, i) => ({
    family: 4 as const,
    words: Int32Array.of(0x0a000000 + i, 0, 0, 0),
    onKernel: false,
    announced: true,
  }))
  world.director.resolver.announce(vips, 1, world.now)
  const { sent } = world.wait(2000)
  t.equal(new Set(sent.map(({ bytes }) => viewOf(bytes).getInt32(28))).size, 1000)
  t.equal(sent.length, 1000)
  t.equal(world.port.outbox.overflows, 0)
})

t.test('two arms: each neighbour is asked for on its own, and frames cross', async (t) => {
  const world = new World({
    arms: [
      { macHigh: 0x0200, macLow: 1 },
      { macHigh: 0x0200, macLow: 0x101 },
    ],
    routes: [route('192.168.1.0', 24, { arm: 1 })],
    services: [{ to: [2] }],
    resolved: false,
  })
  const asked = world.wait(10).sent
  t.same(
    asked.map(({ arm, bytes }) => [arm, hex(bytes.subarray(6, 12))]),
    [[1, '020000000101']],
  )
  t.same(world.sendOn(0, {}, answer).verdicts, ['arp-ignored'], 'heard on the wrong arm')
  t.same(world.send(syn()).verdicts, ['neighbour-held'])
  const right = { ...answer, ethernet: { destination: SECOND_MAC } }
  t.same(world.sendOn(1, {}, right).verdicts, ['neighbour-learned'])
  const [released] = world.wait(20).sent as [SentFrame]
  t.equal(released.arm, 1)
  t.equal(hex(released.bytes), hex(relayed(build(syn()), realserverMac(2), SECOND_MAC)))
})

t.test(
  'frames held for a neighbour that is gone are not sent to the next in its slot',
  async (t) => {
    const world = new World({ ...one, services: [{ to: [2] }] })
    world.wait(10)
    world.send(syn())
    t.equal(world.director.resolver.held.count, 1)
    world.apply(deleteDestination(service(), 2))
    world.wait(20)
    // Its connection ends, and the director forgets it: slot and neighbour are free.
    world.now += 200_000
    world.apply({ op: 'reap', slots: [0] })
    world.apply(addDestination(service(), 3))
    t.equal(world.director.neighbours.highWater, 1, 'the same slot')
    world.resolve()
    world.send({
      ...answer,
      arp: { ...answer.arp!, senderMac: realserverMac(3), sender: realserver(3) },
    })
    const frames = world.wait(30).sent.filter(({ bytes }) => viewOf(bytes).getUint16(12) === 0x0800)
    t.same(frames, [])
    t.equal(world.director.resolver.held.count, 0)
  },
)
