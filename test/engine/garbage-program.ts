/**
 * Runs the loop over a preloaded ring, in phases, for garbage.test.ts, which reads what the
 * collector says between the marks that are printed here. Run it with --expose-gc --trace-gc.
 *
 *   node --expose-gc --trace-gc --max-semi-space-size=1 garbage-program.js PHASE FRAMES
 */
import { writeSync } from 'node:fs'
import { buildFragments, type FrameSpec } from '../../src/wire/build.js'
import { ipv4Journeys } from './journeys-ipv4.js'
import { ipv6Journeys } from './journeys-ipv6.js'
import { linkJourneys } from './journeys-link.js'
import {
  addService,
  build,
  CLIENT,
  CLIENT6,
  type ServiceSpec,
  service,
  VIP,
  VIP6,
  World,
} from './world.js'

const [, , phase = 'flows', frameCount = '1000000'] = process.argv
const FRAMES = Number(frameCount)
/** Frames before the measurement: all that is to be compiled is compiled. */
const WARM_UP_FRAMES = 400_000
const ROUNDS = 3

const SERVICES: readonly ServiceSpec[] = [
  { scheduler: 'wlc', to: [2, 3, 4] },
  { service: service(81), scheduler: 'wrr', to: [{ n: 2, weight: 3 }, 3] },
  { service: service(53, 'udp'), scheduler: 'rr', to: [2, 3] },
  { service: service(82, 'sctp'), scheduler: 'lc', to: [2, 3] },
  { service: service(80, 'tcp', VIP6), scheduler: 'wlc', to: [2, 3] },
  { service: service(53, 'udp', VIP6), scheduler: 'rr', to: [2, 3] },
  { service: service(83), persistent: 300, to: [2, 3] },
]

/** One flow of each kind for each source port: its first packet, and one that follows. */
function flowsOf(sport: number): [first: FrameSpec, next: FrameSpec][] {
  const [four, six] = [
    { source: CLIENT, destination: VIP },
    { source: CLIENT6, destination: VIP6 },
  ]
  const tcp = (ip: FrameSpec, dport: number): [FrameSpec, FrameSpec] => [
    { ...ip, tcp: { sport, dport } },
    { ...ip, tcp: { sport, dport, flags: 'A' }, payload: 64 },
  ]
  const twice = (spec: FrameSpec): [FrameSpec, FrameSpec] => [spec, spec]
  const extensions = [{ kind: 'destination-options' } as const]
  return [
    tcp({ ipv4: four }, 80),
    tcp({ ipv4: { ...four, options: [7, 7, 4, 0, 0, 0, 0] } }, 81),
    tcp({ ipv4: four, ethernet: { vlan: 5 } }, 83),
    tcp({ ipv6: six }, 80),
    tcp({ ipv6: { ...six, extensions } }, 80),
    twice({ ipv4: four, udp: { sport, dport: 53 }, payload: 30 }),
    twice({ ipv6: six, udp: { sport, dport: 53 }, payload: 30 }),
    [
      { ipv4: four, sctp: { sport, dport: 82 } },
      { ipv4: four, sctp: { sport, dport: 82, chunks: [{ type: 0, value: 20 }] } },
    ],
  ]
}

const ports = (count: number) => Array.from({ length: count }, (_, i) => 1024 + i)

/** The frames of a phase, what opens their connections first, and how far a lap turns the clock. */
function prepare(): { world: World; first: Uint8Array[]; ring: Uint8Array[]; lapMs: number } {
  const mode = phase.endsWith('kernel') ? 'kernel' : 'textbook'
  const limits = { connections4: 16_384, connections6: 16_384, templates: 1024 }
  // A limit that is never reached, but reckoned with.
  const answersPerSecond = 1e9
  const port = { discard: true }
  const world = new World({ mode, services: SERVICES, limits, answersPerSecond, port })
  // Frames come around again: realservers with our own address leave them addressed to us.
  const { neighbours } = world.director
  const { macHigh, macLow } = world.port.arms[0] as { macHigh: number; macLow: number }
  for (let slot = 0; slot < neighbours.highWater; slot++) neighbours.pin(slot, macHigh, macLow)
  const toBytes = (specs: FrameSpec[]) => specs.map((spec) => build(spec))
  if (phase.startsWith('flows')) {
    const flows = ports(128).flatMap(flowsOf)
    const pieces = buildFragments(
      { ipv4: { source: CLIENT, destination: VIP }, udp: { sport: 9, dport: 53 }, payload: 900 },
      400,
    )
    const first = [...toBytes(flows.map(([each]) => each)), ...(mode === 'kernel' ? [] : pieces)]
    const ring = [...toBytes(flows.map(([, next]) => next)), ...(mode === 'kernel' ? [] : pieces)]
    return { world, first, ring, lapMs: 10 }
  }
  if (phase.startsWith('openings')) {
    // A lap later all of them have timed out: every frame opens a connection, and one ends.
    const ring = toBytes(ports(150).flatMap((port) => flowsOf(port).map(([each]) => each)))
    return { world, first: [], ring, lapMs: 310_000 }
  }
  world.apply(addService({ service: service(84) }))
  const journeys = [...linkJourneys, ...ipv4Journeys, ...ipv6Journeys].filter(
    ({ verdict }) => verdict !== 'forwarded' && verdict !== 'neighbour-learned',
  )
  const ring = journeys.map(({ frame }) => (frame instanceof Uint8Array ? frame : build(frame)))
  const none = { ipv4: { source: CLIENT, destination: VIP }, tcp: { sport: 9, dport: 84 } }
  return { world, first: [], ring: [...ring, build(none)], lapMs: 10 }
}

const { world, first, ring, lapMs } = prepare()
const { loop, port } = world

/** Frames until `count` are done; the clock moves on whenever the ring has come around. */
function run(count: number): void {
  let left = count
  let lap = 0
  while (left > 0) {
    const done = loop.breathe()
    left -= done
    lap += done
    if (lap >= ring.length) {
      lap -= ring.length
      world.now += lapMs
      port.rewind()
    }
  }
}

for (const frame of first) {
  port.inject(frame)
  loop.breathe()
}
port.preload(ring)
run(WARM_UP_FRAMES)

for (let round = 0; round < ROUNDS; round++) {
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  writeSync(1, `\nbegin ${round}\n`)
  run(FRAMES)
  writeSync(1, `\nend ${round}\n`)
  globalThis.gc?.()
  writeSync(1, `\ngrown ${process.memoryUsage().heapUsed - before}\n`)
}
writeSync(1, `\ncounts ${JSON.stringify(world.counts())}\n`)
