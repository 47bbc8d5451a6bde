/**
 * What it costs to tell others: the files of `--proc`, a scrape of `--metrics`, and the measuring
 * of the worker's breaths. No frames, no privileges.
 *
 *   npm run bench:reports -- [--connections 1000000] [--destinations 10000]
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { RuleBook } from '../src/balance/apply.js'
import { Balancer } from '../src/balance/balancer.js'
import { DEFAULT_LIMITS, type Limits } from '../src/balance/limits.js'
import { Region } from '../src/balance/region.js'
import { SCHEDULERS } from '../src/balance/schedulers/index.js'
import { sourceOf } from '../src/control/accounts.js'
import type { Status } from '../src/control/listing.js'
import { Live } from '../src/control/live.js'
import { type Measured, MetricsServer } from '../src/control/metrics.js'
import type { Source } from '../src/control/readers.js'
import { LOOP_CELLS, LoopMeter, loopTimes } from '../src/daemon/loop-meter.js'
import { ProcFiles } from '../src/daemon/proc-files.js'
import { formatIpv4 } from '../src/wire/address.js'

const VIP = 0xc0a8016e | 0
const DESTINATIONS_PER_SERVICE = 10
const REPEATS = 5

/** A director with so many destinations, ten to a service, and connections to the first. */
function makeSource(connections: number, destinations: number): Source {
  const limits: Limits = { ...DEFAULT_LIMITS, connections4: Math.max(1, connections) }
  const region = new Region(new ArrayBuffer(Balancer.bytes(limits)))
  const book = new RuleBook(region, limits, 1, SCHEDULERS)
  const settings = {
    scheduler: 'rr',
    persistent: 0,
    netmask: '255.255.255.255',
    ops: false,
    pe: '',
    schedulerFlags: 0,
  }
  for (let d = 0; d < destinations; d++) {
    const port = 1 + Math.floor(d / DESTINATIONS_PER_SERVICE)
    const service = { protocol: 'tcp', address: formatIpv4(VIP), port } as const
    if (d % DESTINATIONS_PER_SERVICE === 0) book.apply({ op: 'add-service', service, settings })
    book.apply({
      op: 'add-destination',
      service,
      destination: { address: formatIpv4(0x0a000001 + d), port },
      settings: { method: 'route', weight: 1, upperThreshold: 0, lowerThreshold: 0 },
    })
  }
  const { balancer } = book
  balancer.start(0)
  for (let i = 0; i < connections; i++) {
    const ports = ((1024 + (i & 0x7fff)) << 16) | 80
    const slot = balancer.connections4.insert4(6, 0x0a000000 + i, VIP, ports, 0, 0, 90_000)
    balancer.connections4.setState(slot, 1)
  }
  return sourceOf(book, new Live([balancer]))
}

/** The longest time in ms for which nobody else got a turn while `work` was going on. */
async function longestStretch(work: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let isOver = false
  const watching = (async () => {
    for (let before = performance.now(); !isOver; ) {
      await turn()
      const now = performance.now()
      longest = Math.max(longest, now - before)
      before = now
    }
  })()
  await work()
  isOver = true
  await watching
  return longest
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

async function repeated(what: string, work: () => Promise<unknown>): Promise<void> {
  const took: number[] = []
  const spent: number[] = []
  for (let i = 0; i < REPEATS; i++) {
    const [began, cpu] = [performance.now(), cpuMs()]
    await work()
    took.push(performance.now() - began)
    spent.push(cpuMs() - cpu)
  }
  // Watching costs time itself, so it has a run of its own.
  const longest = await longestStretch(work)
  const [ms, cpu] = [median(took).toFixed(1), median(spent).toFixed(1)]
  console.log(`${what}: ${ms} ms, ${cpu} ms of CPU; longest stretch ${longest.toFixed(1)} ms`)
}

/** The four files, once; what a director does each second while that is cheap. */
async function procFiles(source: Source, what: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'uipvs-bench-'))
  const director = { read: async <T>(look: (s: Source) => T) => look(source) }
  try {
    await repeated(`--proc, ${what}`, async () => {
      const files = new ProcFiles(folder, director, console.error)
      await files.start()
      const bytes = ['ip_vs', 'ip_vs_conn'].map((name) => statSync(join(folder, 'net', name)).size)
      sizes = bytes
      await files.stop()
    })
    console.log(`  ip_vs ${sizes[0]} bytes, ip_vs_conn ${sizes[1]} bytes`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
let sizes: number[] = []

async function scrape(source: Source, what: string): Promise<void> {
  const director: Measured = {
    startedAt: 0,
    read: async (look) => look(source),
    counters: () => ({
      verdicts: {},
      engine: {},
      loop: loopTimes(new Float64Array(LOOP_CELLS)),
      framesByWorker: [],
    }),
    status: () => ({ engine: 'none', mode: 'textbook', limits: DEFAULT_LIMITS }) as Status,
    neighbours: async () => [],
  }
  const server = new MetricsServer(director, '0')
  const url = await server.listen('127.0.0.1', 0)
  let bytes = 0
  await repeated(`--metrics, ${what}`, async () => {
    bytes = 0
    await new Promise<void>((resolve) => {
      get(url, (response) => {
        response.on('data', (piece: Buffer) => {
          bytes += piece.length
        })
        response.on('end', resolve)
      })
    })
  })
  console.log(`  ${bytes} bytes`)
  await server.close()
}

/** The meter in a loop of its own, less the loop. */
function meter(): void {
  const calls = 20_000_000
  const cells = new Float64Array(LOOP_CELLS)
  const made = new LoopMeter(cells)
  const times = Float64Array.from({ length: 1024 }, (_, i) => (i % 700) / 1000)
  const costs: number[] = []
  for (let round = 0; round < REPEATS; round++) {
    let sum = 0
    const empty = performance.now()
    for (let i = 0; i < calls; i++) sum += times[i & 1023] + (i & 63)
    const began = performance.now()
    for (let i = 0; i < calls; i++) made.breath(times[i & 1023], i & 63)
    const ended = performance.now()
    if (sum < 0) throw new Error('unreachable, but V8 must not know')
    costs.push(((ended - began - (began - empty)) / calls) * 1e6)
  }
  console.log(`the meter, for each breath: ${median(costs).toFixed(1)} ns`)
}

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '1000000' },
    destinations: { type: 'string', default: '10000' },
  },
})
const [connections, destinations] = [Number(values.connections), Number(values.destinations)]
meter()
const many = makeSource(connections, DESTINATIONS_PER_SERVICE)
await procFiles(many, `${connections} connections`)
await scrape(many, `${connections} connections`)
const wide = makeSource(1, destinations)
await procFiles(wide, `${destinations} destinations`)
await scrape(wide, `${destinations} destinations`)
