import fc from 'fast-check'
import t from 'tap'
import { Batch } from '../../src/engine/batch.js'
import { Glance } from '../../src/engine/glance.js'
import { fold, sum } from '../../src/wire/internet-sum.js'
import {
  addDestination,
  build,
  CLIENT,
  deleteDestination,
  type FrameSpec,
  service,
  VIP,
  VIP6,
  World,
} from './world.js'

const syn = (sport: number, source = CLIENT): FrameSpec => ({
  ipv4: { source, destination: VIP },
  tcp: { sport, dport: 80 },
})

const syn6 = (sport: number): FrameSpec => ({
  ipv6: { source: '2001:db8::7', destination: VIP6 },
  tcp: { sport, dport: 80 },
})

/** Ten thousand IPv6 connections of somebody else. */
function fill6({ book }: World): void {
  const { connections6, services } = book.balancer
  const words = new DataView(new ArrayBuffer(32))
  for (let i = 0; i < 10_000; i++) {
    words.setInt32(12, i)
    connections6.insert6(6, words, 0, 16, (1 << 16) | 1, services.head(0), 0, 1 << 20)
  }
}

t.test('so does a large table of IPv6, also with frames of both', async (t) => {
  const large = new World({ limits: { connections6: 32_768 } })
  const small = new World({ limits: { connections6: 32_768 } })
  fill6(large)
  const frames = Array.from({ length: 40 }, (_, i) => [
    build(syn6(1000 + (i % 30))),
    build(syn(1000 + (i % 30))),
    build({ ...syn6(7), ethernet: { vlan: 5 } }),
    build({ ...syn6(8), truncate: 14 + 43 }),
  ]).flat()
  const [first, second] = [large, small].map((world) => world.send(...frames))
  t.ok(large.book.balancer.connections6.count > 10_000)
  t.same(first?.verdicts, second?.verdicts)
  t.same(first?.sent, second?.sent)
})

/** A director that lets every frame make the whole journey. */
function wholeJourneys(world: World): World {
  const { director } = world
  Object.assign(director, { plain4: (batch: Batch, i: number) => director.forward(batch, i) })
  return world
}

const rarely = <T>(some: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 8, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: some })

/** Frames of a few flows, most of them plain; damaged anywhere up to their ports and flags. */
const anyFrame = fc
  .record({
    protocol: fc.constantFrom('tcp', 'tcp', 'udp', 'icmp'),
    sport: fc.integer({ min: 1000, max: 1004 }),
    flags: fc.constantFrom('S', 'A', 'A', 'PA', 'FA', 'R', 'SA', ''),
    payload: fc.nat(40),
    padding: fc.nat(3),
    vlan: rarely(fc.constant(7)),
    // Options that read like ports, and add up to nothing: the first five words' sum is right, too.
    odd: rarely(
      fc.constantFrom(
        { options: [0x03, 0xe8, 0, 80, 0xfc, 0x17, 0xff, 0xaf] },
        { mf: true },
        { frag: 8 },
        { totalLength: 27 },
        { totalLength: 38 },
      ),
    ),
    cut: rarely(fc.nat(60)),
    flip: rarely(fc.record({ at: fc.nat(53), mask: fc.integer({ min: 1, max: 255 }) })),
  })
  .map(({ protocol, sport, flags, payload, padding, vlan, odd, cut, flip }) => {
    const spec: FrameSpec = {
      ...(vlan === null ? {} : { ethernet: { vlan } }),
      ipv4: { source: CLIENT, destination: VIP, ...odd },
      ...(protocol === 'tcp' ? { tcp: { sport, dport: 80, flags } } : {}),
      ...(protocol === 'udp' ? { udp: { sport, dport: 53 } } : {}),
      ...(protocol === 'icmp' ? { icmp: { type: 8 } } : {}),
      payload: new Uint8Array(payload),
    }
    const whole = build(spec)
    const frame = new Uint8Array(whole.length + padding)
    frame.set(whole)
    if (flip !== null && flip.at < frame.length) frame[flip.at] ^= flip.mask
    return cut === null ? frame : frame.subarray(0, Math.min(cut, frame.length))
  })

for (const mode of ['textbook', 'kernel'] as const) {
  t.test(`plain frames end as on the whole journey, ${mode} mode`, async (t) => {
    const options = {
      mode,
      services: [
        { to: [2, 3], scheduler: 'wlc' },
        { service: service(53, 'udp'), to: [2, { n: 3, method: 'tunnel' as const }], ops: true },
      ],
    }
    let plain = 0
    const lists = fc.sample(fc.array(anyFrame, { minLength: 1, maxLength: 60 }), {
      numRuns: 700,
      seed: 11,
    })
    const [quick, whole] = [new World(options), wholeJourneys(new World(options))]
    const { plain4 } = quick.director
    Object.assign(quick.director, {
      plain4: (batch: Batch, i: number) => {
        plain++
        return plain4(batch, i)
      },
    })
    for (const [n, frames] of lists.entries()) {
      const [first, second] = [quick, whole].map((world) => {
        // A destination goes, and comes back, while connections to it stand.
        if (n % 7 === 3) world.apply(deleteDestination(service(), 2))
        if (n % 7 === 5) world.apply(addDestination(service(), 2))
        world.resolve()
        const outcome = world.send(...frames)
        world.wait(n % 50 === 0 ? 130_000 : 10, 1000)
        const { connections4, destinations, services } = world.book.balancer
        const slots = Array.from({ length: connections4.highWater }, (_, slot) => [
          connections4.use(slot),
          connections4.state(slot),
          connections4.due(slot) - world.book.balancer.tick,
          connections4.packets(slot),
        ])
        const first = services.head(0)
        const counts = [destinations.active(first), destinations.inactive(first)]
        return JSON.stringify([outcome, slots, counts])
      })
      if (first === second) continue
      t.same(JSON.parse(first as string), JSON.parse(second as string), `batch ${n}`)
      break
    }
    t.same(quick.counts(), whole.counts())
    t.ok(plain > 1000, `${plain} were plain`)
  })
}

t.test('connections that come and go within a batch', async (t) => {
  const [quick, whole] = [new World(), wholeJourneys(new World())]
  const frame = fc.record({
    sport: fc.integer({ min: 1000, max: 1007 }),
    flags: fc.constantFrom('S', 'A', 'FA', 'R', 'S'),
  })
  const batches = fc.sample(fc.array(frame, { minLength: 1, maxLength: 60 }), {
    numRuns: 100,
    seed: 7,
  })
  for (const [n, list] of batches.entries()) {
    const frames = list.map(({ sport, flags }) =>
      build({ ipv4: { source: CLIENT, destination: VIP }, tcp: { sport, dport: 80, flags } }),
    )
    const [first, second] = [quick, whole].map((world) => world.send(...frames))
    if (JSON.stringify(first) === JSON.stringify(second)) continue
    t.same(first, second, `batch ${n}`)
    break
  }
  t.equal(quick.book.balancer.connections4.count, whole.book.balancer.connections4.count)
})

t.test('checksums that the port knows nothing of', async (t) => {
  const world = new World()
  const glance = new Glance(world.director)
  const specs: FrameSpec[] = [
    { ipv4: { source: CLIENT, destination: VIP }, tcp: { sport: 1, dport: 80, flags: 'A' } },
    { ipv4: { source: CLIENT, destination: VIP }, udp: { sport: 1, dport: 53 } },
    { ...syn(9), ethernet: { vlan: 3 } },
    { ipv6: { source: '2001:db8::7', destination: VIP6 }, tcp: { sport: 1, dport: 80 } },
  ]
  for (const spec of specs) {
    const right = build({ ...spec, payload: new Uint8Array([1, 2, 3, 4, 5]) })
    const isTcp = spec.tcp !== undefined
    const ip = 14 + (spec.ethernet?.vlan === undefined ? 0 : 4)
    const isSix = spec.ipv6 !== undefined
    const segment = ip + (isSix ? 40 : 20)
    const field = segment + (isTcp ? 16 : 6)
    const partial = right.slice()
    const view = new DataView(partial.buffer)
    const transport = sum(view, ip + (isSix ? 8 : 12), isSix ? 32 : 8)
    view.setUint16(field, fold(transport + (isTcp ? 6 : 17) + partial.length - segment))
    for (const isUnknown of [false, true]) {
      const batch = new Batch(partial.slice().buffer as ArrayBuffer, 1)
      batch.length[0] = partial.length
      batch.count = 1
      batch.hasUnknownChecksums = isUnknown
      glance.look(batch)
      t.same(Buffer.from(batch.bytes), Buffer.from(isUnknown ? right : partial))
      glance.look(batch)
      t.same(Buffer.from(batch.bytes), Buffer.from(isUnknown ? right : partial), 'and once only')
    }
  }
})

t.test('a frame at the very end of the arena, cut anywhere', async (t) => {
  const world = new World({ limits: { connections4: 32_768, connections6: 32_768 } })
  fill6(world)
  const glance = new Glance(world.director)
  const udp = build({ ipv4: { source: CLIENT, destination: VIP }, udp: { sport: 1, dport: 53 } })
  for (const frame of [build(syn(5)), udp, build(syn6(5))]) {
    for (let length = 0; length <= frame.length; length++) {
      const batch = new Batch(frame.slice(0, length).buffer as ArrayBuffer, 1)
      batch.length[0] = length
      batch.count = 1
      batch.hasUnknownChecksums = true
      t.doesNotThrow(() => glance.look(batch), `${length} bytes`)
    }
  }
})

t.test('more IPv6 frames than it remembers', async (t) => {
  const world = new World({ limits: { connections6: 32_768 } })
  fill6(world)
  const frame = build(syn6(5))
  const batch = new Batch(frame.slice().buffer as ArrayBuffer, 5000)
  batch.length.fill(frame.length)
  batch.count = 5000
  t.doesNotThrow(() => new Glance(world.director).look(batch))
})
