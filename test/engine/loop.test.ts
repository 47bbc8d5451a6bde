import fc from 'fast-check'
import t from 'tap'
import { TICK_INTERVAL_MS } from '../../src/engine/loop.js'
import { ACTION, ANSWER, FORWARD } from '../../src/engine/verdict.js'
import { build } from '../../src/wire/build.js'
import { ipv4Journeys } from './journeys-ipv4.js'
import { ipv6Journeys } from './journeys-ipv6.js'
import { linkJourneys } from './journeys-link.js'
import { CLIENT, VIP, World } from './world.js'

const SEED = 20261122

const FRAMES = [...linkJourneys, ...ipv4Journeys, ...ipv6Journeys].map(({ frame }) =>
  frame instanceof Uint8Array ? frame : build(frame),
)

const sum = (counts: Float64Array) => counts.reduce((all, count) => all + count, 0)

for (const mode of ['textbook', 'kernel'] as const) {
  t.test(`${mode} mode: at all times every frame is counted once, and settled once`, async (t) => {
    const damaged = fc
      .tuple(
        fc.constantFrom(...FRAMES),
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 }),
      )
      .map(([frame, changes]) => {
        const copy = frame.slice()
        for (const [at, value] of changes) if (copy.length > 0) copy[at % copy.length] = value
        return copy
      })
    const frame = fc.oneof(damaged, fc.uint8Array({ maxLength: 200 }))
    const batches = fc.array(fc.tuple(fc.array(frame, { maxLength: 20 }), fc.nat({ max: 3000 })), {
      maxLength: 12,
    })
    const property = fc.property(batches, (list) => {
      const world = new World({ mode })
      let put = 0
      for (const [frames, ms] of list) {
        world.now += ms
        for (const each of frames) world.port.inject(each)
        put += frames.length
        let left = frames.length
        while (left > 0) {
          left -= world.loop.breathe()
          if (sum(world.loop.counts) !== world.loop.frames) throw new Error('counts and frames')
          if (world.port.settledFrames !== world.loop.frames) throw new Error('settled and frames')
        }
      }
      if (world.loop.frames !== put) throw new Error(`${world.loop.frames} of ${put}`)
      // Forwarded frames left; every answer is one frame of our own.
      const byAction = (action: number) =>
        world.loop.counts.reduce((all, n, i) => all + (ACTION[i] === action ? n : 0), 0)
      if (world.port.forwardedFrames !== byAction(FORWARD)) throw new Error('forwarded')
      if (mode === 'textbook' && world.port.ownFrames < byAction(ANSWER)) throw new Error('answers')
    })
    fc.assert(property, { seed: SEED, numRuns: 300 })
    t.pass('300 lists of batches')
  })
}

t.test('more than is ended in one breath goes on in the next, without another tick', async (t) => {
  const world = new World({ limits: { connections4: 1000 } })
  for (let i = 0; i < 1000; i++) {
    world.port.inject(
      build({ ipv4: { source: CLIENT, destination: VIP }, tcp: { sport: 1000 + i, dport: 80 } }),
    )
    world.loop.breathe()
  }
  const { balancer } = world.book
  t.equal(balancer.connections4.count, 1000)
  world.now += 120_000
  world.loop.breathe()
  t.ok(
    balancer.due.isBehind && balancer.connections4.count > 0,
    `${balancer.connections4.count} left`,
  )
  for (let breaths = 0; balancer.due.isBehind && breaths < 1000; breaths++) world.loop.breathe()
  t.equal(balancer.connections4.count, 0)
})

t.test('a breath takes one batch; what is due is looked after at ticks', async (t) => {
  const world = new World()
  let ticks = 0
  const { director } = world
  const tick = director.tick.bind(director)
  director.tick = () => {
    ticks++
    tick()
  }
  t.equal(world.loop.breathe(), 0)
  t.equal(ticks, 1)
  world.loop.breathe()
  t.equal(ticks, 1, 'not again in the same tick')
  world.now += TICK_INTERVAL_MS - 1
  world.loop.breathe()
  t.equal(ticks, 1)
  world.now += 1
  world.loop.breathe()
  t.equal(ticks, 2)
  for (let i = 0; i < 70; i++) {
    world.port.inject(
      build({ ipv4: { source: CLIENT, destination: VIP }, tcp: { sport: 1000 + i, dport: 80 } }),
    )
  }
  t.equal(world.loop.breathe(), 64, 'as many as a batch holds')
  t.equal(world.loop.breathe(), 6)
})

t.test('a tap sees frames before and after, and may be taken off', async (t) => {
  const world = new World()
  const seen: string[] = []
  world.loop.tap = {
    arrived: (batch, now) =>
      seen.push(`${now} arrived ${batch.count}, to ${batch.bytes[batch.offset[0]! + 5]}`),
    decided: (batch, now) =>
      seen.push(`${now} decided ${batch.count}, to ${batch.bytes[batch.offset[0]! + 5]}`),
  }
  const frame = { ipv4: { source: CLIENT, destination: VIP }, tcp: { sport: 4000, dport: 80 } }
  world.send(frame)
  t.same(seen, ['1000 arrived 1, to 1', '1000 decided 1, to 3'])
  world.loop.tap = null
  world.send(frame)
  t.equal(seen.length, 2)
})

t.test('counts may lie in memory that others read', async (t) => {
  const world = new World()
  world.send({ ethernet: { type: 0x88cc } })
  t.same(world.counts(), { 'not-ip': 1 })
  t.equal(sum(world.loop.counts), 1)
})
