import fc from 'fast-check'
import t from 'tap'
import { Batch } from '../../src/engine/batch.js'
import { Glance } from '../../src/engine/glance.js'
import { build, CLIENT, type FrameSpec, VIP, VIP6, World } from './world.js'

/** So many connections of somebody else, which make the table large enough to be warmed. */
function fill4({ book }: World, count = 10_000): void {
  const { connections4, services } = book.balancer
  const slot = services.head(0)
  for (let i = 0; i < count; i++) {
    connections4.insert4(6, i, 1, (i << 16) | 1 | 0x10000, slot, 0, 1 << 20)
  }
}

const syn = (sport: number, source = CLIENT): FrameSpec => ({
  ipv4: { source, destination: VIP },
  tcp: { sport, dport: 80 },
})

t.test('a large table decides as a small one', async (t) => {
  const large = new World({ limits: { connections4: 32_768 } })
  const small = new World({ limits: { connections4: 32_768 } })
  fill4(large)
  const frames = [
    ...Array.from({ length: 40 }, (_, i) => build(syn(1000 + (i % 30)))),
    build({ ...syn(7), ethernet: { vlan: 5 } }),
    build({ ...syn(8), truncate: 37 }),
    new Uint8Array(0),
    new Uint8Array(13),
    build({
      ipv6: { source: '2001:db8::1', destination: '2001:db8:1::110' },
      tcp: { sport: 1, dport: 80 },
    }),
  ]
  const [first, second] = [large, small].map((world) => world.send(...frames))
  t.same(first?.verdicts, second?.verdicts)
  t.same(first?.sent, second?.sent)
})

t.test('connections that come and go within a batch', async (t) => {
  const large = new World({ limits: { connections4: 32_768 } })
  const small = new World({ limits: { connections4: 32_768 } })
  fill4(large)
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
    const [first, second] = [large, small].map((world) => world.send(...frames))
    if (JSON.stringify(first) === JSON.stringify(second)) continue
    t.same(first, second, `batch ${n}`)
    break
  }
  t.equal(large.book.balancer.connections4.count - 10_000, small.book.balancer.connections4.count)
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
