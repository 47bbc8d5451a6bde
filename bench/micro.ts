/**
 * ns per frame of the director through the memory port: parse, find the connection, account,
 * rewrite. Nothing of a kernel, nothing copied.
 *
 *   npm run bench -- [--frames N] [--rounds N] [--repeats N] [--flows A,B,…]
 *
 * For each number of flows: a director with one TCP service (wlc, three destinations), a connection
 * for each flow, then frames of those flows in random order from a preloaded ring. Each number has
 * a process of its own (three directors in one share type feedback, which no real director does),
 * and they take turns, so that a slow minute of the machine hits all alike. What is printed is CPU
 * time of the process, which a busy machine disturbs less than the clock on the wall.
 */
import { execFileSync } from 'node:child_process'
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { RuleBook } from '../src/balance/apply.js'
import { Balancer } from '../src/balance/balancer.js'
import { Region } from '../src/balance/region.js'
import { SCHEDULERS } from '../src/balance/schedulers/index.js'
import { allowInlining } from '../src/daemon/inlining.js'
import { Director } from '../src/engine/forward.js'
import { Loop } from '../src/engine/loop.js'
import { FORWARDED } from '../src/engine/verdict.js'
import { MemoryPort } from '../src/port/memory.js'
import { parseIpv4 } from '../src/wire/address.js'
import { build } from '../src/wire/build.js'

const VIP = '192.168.1.110'
const RING_FRAMES_MAX = 1 << 16

allowInlining()
const { values } = parseArgs({
  options: {
    frames: { type: 'string', default: '4000000' },
    rounds: { type: 'string', default: '5' },
    flows: { type: 'string', default: '256,100000,1000000' },
    repeats: { type: 'string', default: '3' },
    child: { type: 'boolean', default: false },
  },
})

/** A director over a memory port whose neighbours are known, with `flows` connections. */
function prepare(flows: number): { loop: Loop; port: MemoryPort } {
  const limits = {
    services: 16,
    destinations: 64,
    connections4: 1_100_000,
    connections6: 16,
    templates: 16,
  }
  const rules = new RuleBook(
    new Region(new ArrayBuffer(Balancer.bytes(limits))),
    limits,
    0x5eed,
    SCHEDULERS,
  )
  const port = new MemoryPort({ discard: true, batch: 64 })
  const director = new Director({
    rules,
    arms: port.arms,
    outbox: port.outbox,
    mode: 'textbook',
  })
  const network = Int32Array.of(parseIpv4('192.168.1.0') as number, 0, 0, 0)
  director.setRoutes([
    { family: 4, network, prefixBits: 24, kind: 'unicast', arm: 0, gateway: null, mtu: 0 },
  ])
  director.setVips([
    {
      family: 4,
      words: Int32Array.of(parseIpv4(VIP) as number, 0, 0, 0),
      onKernel: false,
      announced: false,
    },
  ])
  const service = { protocol: 'tcp', address: VIP, port: 80 } as const
  const settings = {
    scheduler: 'wlc',
    persistent: 0,
    netmask: '255.255.255.255',
    ops: false,
    pe: '',
    schedulerFlags: 0,
  }
  director.apply({ op: 'add-service', service, settings })
  for (let n = 2; n <= 4; n++) {
    const destination = { address: `192.168.1.${n}`, port: 80 }
    director.apply({
      op: 'add-destination',
      service,
      destination,
      settings: { method: 'route', weight: 1, upperThreshold: 0, lowerThreshold: 0 },
    })
  }
  // The ring hands out the same frames again and again: "realservers" with the director's own MAC
  // address leave them addressed to it.
  const { macHigh, macLow } = port.arms[0]
  for (let slot = 0; slot < director.neighbours.highWater; slot++)
    director.neighbours.pin(slot, macHigh, macLow)

  // Time stands still: no connection ends while we measure.
  const loop = new Loop(port, director, () => 1000)
  const open = frameOf(0, 'S')
  let ring: Uint8Array[] = []
  for (let flow = 0; flow < flows; flow++) {
    ring.push(flowed(open, flow))
    if (ring.length === 4096 || flow === flows - 1) {
      run(loop, port, ring, ring.length)
      ring = []
    }
  }
  const data = frameOf(0, 'A')
  const order = Array.from({ length: Math.min(flows, RING_FRAMES_MAX) }, (_, k) =>
    flowed(data, flows <= RING_FRAMES_MAX ? k : Math.floor(Math.random() * flows)),
  )
  for (let k = order.length - 1; k > 0; k--) {
    const other = Math.floor(Math.random() * (k + 1))
    ;[order[k], order[other]] = [order[other], order[k]]
  }
  port.preload(order)
  return { loop, port }
}

function frameOf(flow: number, flags: string): Uint8Array {
  return build({
    ethernet: { source: '02:00:00:00:00:fe', destination: '02:00:00:00:ff:01' },
    ipv4: { source: '10.0.0.0', destination: VIP },
    tcp: { sport: 1024 + (flow & 0x7fff), dport: 80, flags },
    payload: new Uint8Array(6),
  })
}

/** The frame with the source address and port of a flow; the director verifies no TCP checksum. */
function flowed(frame: Uint8Array, flow: number): Uint8Array {
  const copy = frame.slice()
  const view = new DataView(copy.buffer)
  const old = (view.getUint16(26) + view.getUint16(28)) >>> 0
  view.setInt32(26, (10 << 24) | (flow >>> 8))
  view.setUint16(34, 1024 + (flow & 0xff))
  let sum = (~view.getUint16(24) & 0xffff) + view.getUint16(26) + view.getUint16(28) - old
  while (sum < 0) sum += 0xffff
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  view.setUint16(24, ~sum & 0xffff)
  return copy
}

function run(loop: Loop, port: MemoryPort, ring: Uint8Array[], frames: number): void {
  port.preload(ring)
  let left = frames
  while (left > 0) left -= loop.breathe()
}

/** The rounds of one number of flows, in this process: CPU ns per forwarded frame of each. */
function measure(flows: number): number[] {
  const { loop } = prepare(flows)
  const frames = Number(values.frames)
  const rounds: number[] = []
  for (let round = 0; round <= Number(values.rounds); round++) {
    const before = loop.counts[FORWARDED]
    const start = process.cpuUsage()
    let left = frames
    while (left > 0) left -= loop.breathe()
    const { user, system } = process.cpuUsage(start)
    const forwarded = loop.counts[FORWARDED] - before
    if (forwarded < frames) throw new Error(`only ${forwarded} of ${frames} frames were forwarded`)
    if (round > 0) rounds.push(((user + system) * 1000) / forwarded)
  }
  return rounds
}

/** Runs this file once more for one number of flows. */
function measureInChild(flows: string): number[] {
  const { frames, rounds } = values
  const args = ['--child', '--flows', flows, '--frames', frames, '--rounds', rounds]
  return JSON.parse(
    execFileSync(process.execPath, [import.meta.filename, ...args], { encoding: 'utf8' }),
  )
}

/** How fast this machine is: ns for three fields of a frame through a DataView, best of five. */
function calibrate(): number {
  const view = new DataView(new ArrayBuffer(1 << 20))
  const reads = 10_000_000
  let best = Number.POSITIVE_INFINITY
  let sum = 0
  for (let round = 0; round < 5; round++) {
    const start = process.cpuUsage()
    for (let i = 0; i < reads; i++) {
      const at = ((i & 255) << 11) + 14
      sum ^= view.getInt32(at + 12) ^ view.getInt32(at + 16) ^ view.getUint16(at + 2)
    }
    const { user, system } = process.cpuUsage(start)
    best = Math.min(best, ((user + system) * 1000) / reads)
  }
  // The zeros that were read; asking for them keeps the loop from being optimised away.
  if (sum !== 0) throw new Error('memory that nobody wrote is not zero')
  return best
}

if (values.child) console.log(JSON.stringify(measure(Number(values.flows))))
else {
  const all = new Map(values.flows.split(',').map((flows) => [flows, [] as number[]]))
  for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
    for (const [flows, ns] of all) ns.push(...measureInChild(flows))
  }
  console.log(
    `${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}, load average ${loadavg()[0].toFixed(1)}`,
  )
  console.log('flows      best ns/frame   median ns/frame   million frames/s (best)')
  for (const [flows, ns] of all) {
    ns.sort((a, b) => a - b)
    const best = ns[0].toFixed(1).padStart(13)
    const median = ns[ns.length >> 1].toFixed(1).padStart(17)
    console.log(`${flows.padEnd(10)} ${best} ${median} ${(1000 / ns[0]).toFixed(1).padStart(25)}`)
  }
  console.log(`for comparison, three DataView reads: ${calibrate().toFixed(1)} ns`)
}
