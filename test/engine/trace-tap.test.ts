import t from 'tap'
import { Region } from '../../src/balance/region.js'
import type { Tap } from '../../src/engine/loop.js'
import {
  TRACE_RING_BYTES,
  TraceReader,
  TraceRecord,
  TraceWriter,
} from '../../src/engine/trace-ring.js'
import { isRewritten, type TraceOrder, TraceTap } from '../../src/engine/trace-tap.js'
import { ENDINGS, verdictOf } from '../../src/engine/verdict.js'
import { formatIpv4 } from '../../src/wire/address.js'
import type { Journey } from './journey.js'
import { ipv4Journeys } from './journeys-ipv4.js'
import { ipv6Journeys } from './journeys-ipv6.js'
import { kernelJourneys } from './journeys-kernel.js'
import { linkJourneys } from './journeys-link.js'
import { markJourneys } from './journeys-marks.js'
import { build, CLIENT, type FrameSpec, hex, VIP, World } from './world.js'

const JOURNEYS = [
  ...linkJourneys,
  ...ipv4Journeys,
  ...ipv6Journeys,
  ...kernelJourneys,
  ...markJourneys,
]
const EPOCH = 1e12

interface Shown {
  readonly trace: number
  readonly verdict: string
  readonly before: string
  readonly after: string
  readonly destination: number
  readonly weight: number
  readonly time: number
}

/** A world that is traced, and what was shown since the last look. */
function traced(world: World, orders: readonly Partial<TraceOrder>[]) {
  const memory = new ArrayBuffer(TRACE_RING_BYTES)
  const writer = new TraceWriter(new Region(memory))
  const reader = new TraceReader(new Region(memory))
  const whole = orders.map((order, i) => {
    return { id: i + 1, place: i, filter: '', rate: 20_000, ...order }
  })
  world.director.begin(world.now)
  world.loop.tap = new TraceTap(whole, writer, world.director, EPOCH)
  const look = (): Shown[] => {
    const record = new TraceRecord()
    const list: Shown[] = []
    while (reader.read(record)) {
      const { trace, verdict, before, after, kept, destination, weight, time } = record
      list.push({
        trace,
        verdict: ENDINGS[verdict]?.name ?? '',
        before: hex(before.subarray(0, kept)),
        after: hex(after.subarray(0, kept)),
        destination,
        weight,
        time,
      })
    }
    return list
  }
  return { look, reader }
}

/** The world in which a journey's frame comes next. */
function before({ world: options, before = [] }: Journey): World {
  const world = new World(options)
  for (const each of before) {
    if (typeof each === 'function') each(world)
    else world.send(each)
  }
  world.loop.breathe()
  return world
}

const bytesOf = (frame: Journey['frame']) => (frame instanceof Uint8Array ? frame : build(frame))

t.test('every journey is shown as it came and as it left, whatever its verdict', async (t) => {
  for (const journey of JOURNEYS) {
    const world = before(journey)
    const { look } = traced(world, [
      {},
      { filter: `verdict ${journey.verdict}` },
      { filter: `not verdict ${journey.verdict}` },
    ])
    const frame = bytesOf(journey.frame)
    const { sent } = world.sendOn(journey.arm ?? 0, journey.notes ?? {}, frame)
    const shown = look()
    const [all, named, ...others] = shown
    const { sentence, verdict } = journey
    t.same([all?.verdict, named?.verdict, others], [verdict, verdict, []], sentence)
    const came = hex(frame.subarray(0, 1856))
    for (const each of [all, named])
      if (each?.before !== came) t.equal(each?.before, came, sentence)
    if (all?.time !== EPOCH + world.now) t.fail(`${sentence}: ${all?.time}`)
    if (all?.destination !== named?.destination) t.fail(`${sentence}: ${named?.destination}`)
    if (verdict !== 'forwarded') continue
    const left = sent.find(({ origin }) => origin === 'forwarded')
    if (journey.notes?.partialChecksum !== true) {
      t.equal(all?.after, hex((left?.bytes ?? frame).subarray(0, 1856)), sentence)
    }
  }
})

t.test('the destination shown is the one that it left for', async (t) => {
  for (const mode of ['textbook', 'kernel'] as const) {
    const world = new World({ mode })
    const { look } = traced(world, [{}, { filter: 'realserver 192.168.1.3:80' }])
    const open = (sport: number): FrameSpec => ({
      ipv4: { source: CLIENT, destination: VIP },
      tcp: { sport, dport: 80 },
    })
    world.send(open(1000), open(1001), open(1002), open(1003))
    const { destinations } = world.book.balancer
    const shown = look()
    const all = shown.filter(({ trace }) => trace === 1)
    const to = (slot: number) => formatIpv4(destinations.address(slot, 0))
    // MAC address of realserver n: its last byte is n, as is that of its address.
    for (const { after, destination } of all) {
      t.equal(to(destination), `192.168.1.${Number.parseInt(after.slice(10, 12), 16)}`)
    }
    const three = all.filter(({ destination }) => to(destination) === '192.168.1.3')
    t.equal(three.length, 2)
    const named = shown.filter(({ trace }) => trace === 2)
    t.same(
      named.map(({ before }) => before),
      three.map(({ before }) => before),
    )
    const bare = { ipv4: { source: CLIENT, destination: VIP }, tcp: { sport: 5, dport: 5 } }
    world.send(bare)
    t.match(look(), [{ verdict: 'no-service', destination: -1 }], 'none is left from before')
  }
})

t.test('a frame whose verdict says so is as it came', async (t) => {
  const seen = new Set<string>()
  const changed = new Set<string>()
  for (const journey of JOURNEYS) {
    for (const mode of ['textbook', 'kernel'] as const) {
      const world = before({ ...journey, world: { ...journey.world, mode } })
      let came = ''
      const tap: Tap = {
        arrived(batch) {
          if (batch.count > 0)
            came = hex(batch.bytes.subarray(batch.offset[0], batch.offset[0]! + batch.length[0]!))
        },
        decided(batch) {
          if (batch.count === 0) return
          const verdict = batch.verdict[0]!
          const { name } = ENDINGS[verdict]!
          const left = hex(
            batch.bytes.subarray(batch.offset[0], batch.offset[0]! + batch.length[0]!),
          )
          seen.add(name)
          if (left !== came) changed.add(`${mode} ${name}`)
          const isSame = left === came
          if (!isSame && !isRewritten(verdict, mode === 'kernel')) {
            t.fail(`${journey.sentence}, ${mode}: ${name} was changed`)
          }
          // Whatever is changed is within what is kept of a frame's beginning.
          if (left.slice(256) !== came.slice(256)) t.fail(`${journey.sentence}: behind its head`)
        },
      }
      world.loop.tap = tap
      world.sendOn(journey.arm ?? 0, journey.notes ?? {}, bytesOf(journey.frame))
    }
  }
  t.ok(seen.size > 35, `${seen.size} verdicts`)
  t.ok(changed.has('textbook forwarded') && changed.has('kernel neighbour-held'))
  t.notOk(isRewritten(verdictOf('no-service'), true))
})

/** A busy second: 2,000 frames a tick of one client, and among them a few others. */
function rush(world: World, rare: (tick: number) => Uint8Array | null): number {
  const common = build({ ipv4: { source: CLIENT, destination: VIP }, tcp: { sport: 9, dport: 80 } })
  let others = 0
  for (let tick = 0; tick < 100; tick++) {
    for (let batch = 0; batch < 4; batch++) {
      for (let i = 0; i < 500; i++) world.port.inject(common)
      const other = batch === 2 ? rare(tick) : null
      if (other !== null) {
        world.port.inject(other)
        others++
      }
      while (world.loop.breathe() > 0) world.port.sent.length = 0
    }
    world.now += 10
  }
  return others
}

t.test('at full rate a part is shown, and it says of how many', async (t) => {
  const world = new World()
  const { look, reader } = traced(world, [{ rate: 500 }])
  const shown: Shown[] = []
  rush(world, () => {
    shown.push(...look())
    return null
  })
  shown.push(...look())
  t.ok(shown.length > 200 && shown.length <= 500 + 256, `${shown.length} shown`)
  t.equal(reader.written(0), shown.length)
  const stoodFor = shown.reduce((all, { weight }) => all + weight, 0)
  t.ok(stoodFor <= 200_000 && stoodFor > 180_000, `${stoodFor} of 200000`)
  t.ok(Math.abs(reader.matched(0) - 200_000) < 2_000, `${reader.matched(0)} matched`)
  t.ok((shown.at(-1)?.weight ?? 0) > 20)
})

t.test(
  'at a rate where every comparison would cost too much, batches are passed over',
  async (t) => {
    const common = build({
      ipv4: { source: CLIENT, destination: VIP },
      tcp: { sport: 9, dport: 80 },
    })
    const rare = build({ ipv4: { source: CLIENT, destination: VIP }, tcp: { sport: 7, dport: 81 } })
    for (const filter of ['port 81', 'verdict no-service']) {
      const world = new World({ port: { discard: true } })
      world.port.preload([...Array.from({ length: 199 }, () => common), rare])
      const { look } = traced(world, [{ filter }])
      const shown: Shown[] = []
      let frames = 0
      for (let tick = 0; tick < 15; tick++) {
        for (let breath = 0; breath < 800; breath++) frames += world.loop.breathe()
        world.now += 10
        shown.push(...look())
      }
      const stoodFor = shown.reduce((all, { weight }) => all + weight, 0)
      t.ok(Math.abs(stoodFor - frames / 200) < frames / 2000, `${stoodFor} of ${frames / 200}`)
      t.ok(shown.length < stoodFor / 1.5 && shown.some(({ weight }) => weight > 1), filter)
    }
  },
)

t.test('a rare flow, and a rare verdict, are found at full rate, all of them', async (t) => {
  const rare = build({
    ipv4: { source: '198.51.100.99', destination: VIP },
    tcp: { sport: 7, dport: 81 },
  })
  for (const filter of ['host 198.51.100.99', 'port 81', 'verdict no-service', 'verdict answer']) {
    const world = new World()
    const { look } = traced(world, [{ filter, rate: 500 }])
    const shown: Shown[] = []
    const others = rush(world, (tick) => {
      shown.push(...look())
      return tick % 10 === 5 ? rare : null
    })
    shown.push(...look())
    t.equal(others, 10)
    t.equal(shown.length, 10, filter)
    t.ok(shown.every(({ weight, before }) => weight === 1 && before === hex(rare)))
  }
})
