/**
 * How smooth the live page is: the times between the pictures that a real Chromium draws, without
 * traffic and with as much as a director at a rate tells. The director and the wires are played, as
 * the page hears the same of real ones: a moment twice a second, and samples of the frames.
 *
 *   npm run bench:page -- [--rate 100000] [--seconds 10]
 */
import { parseArgs } from 'node:util'
import { ENDINGS } from '../src/engine/verdict.js'
import { macOf } from '../src/lab/topology.js'
import type { LabFeed, Live } from '../src/web/live.js'
import type { LabHost, WireEvent, WireFrame } from '../src/web/moment.js'
import { WebServer } from '../src/web/server.js'
import { build } from '../src/wire/build.js'
import { whyNoBrowser, withPage } from '../test/web/browser.js'

const TELL_MS = 250
/** What a lab tells in that time when there is always more: lab-feed.ts. */
const FRAMES_TOLD = 40
const MORE_TOLD = 160
/** 200 a second: live.ts. */
const TRACED_TOLD = 50
const PACKET_BYTES = 64

const ADDRESSES: Readonly<Record<string, string>> = {
  client: '192.168.1.254',
  router: '192.168.1.253',
  director: '192.168.1.1',
  rs1: '192.168.1.2',
  rs2: '192.168.1.3',
  rs3: '192.168.1.4',
}
const REALSERVERS = ['rs1', 'rs2', 'rs3'] as const

/** A director that has forwarded `rate` packets in each second since it was made. */
function playedDirector(rate: number): Live {
  const begun = performance.now()
  const seconds = () => (performance.now() - begun) / 1000
  const statistics = (share: number) => ({
    connections: Math.floor((rate * seconds()) / 10 / share),
    inPackets: Math.floor((rate * seconds()) / share),
    outPackets: 0,
    inBytes: Math.floor((rate * seconds() * PACKET_BYTES) / share),
    outBytes: 0,
  })
  const rates = {
    connectionsPerSecond: rate / 10,
    inPacketsPerSecond: rate,
    outPacketsPerSecond: 0,
    inBytesPerSecond: rate * PACKET_BYTES,
    outBytesPerSecond: 0,
  }
  const destinations = () =>
    REALSERVERS.map((name) => ({
      address: ADDRESSES[name],
      port: 80,
      method: 'route' as const,
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
      active: 1000,
      inactive: 1000,
      persistent: 0,
      statistics: statistics(3),
      rates,
      mac: macOf(ADDRESSES[name]),
    }))
  const service = { protocol: 'tcp', address: '192.168.1.110', port: 80 } as const
  const settings = {
    scheduler: 'rr',
    persistent: 0,
    netmask: '255.255.255.255',
    ops: false,
    pe: '',
    schedulerFlags: 0,
  }
  const played = {
    status: async () => ({
      pid: process.pid,
      engine: 'played',
      interfaces: ['eth0'],
      mode: 'textbook',
      uptimeSeconds: Math.floor(seconds()),
      connections: 2000,
      templates: 0,
    }),
    table: async () => ({
      services: [
        { service, settings, statistics: statistics(1), rates, destinations: destinations() },
      ],
    }),
    counters: async () => ({
      verdicts: Object.fromEntries(
        ENDINGS.map(({ name }) => [name, name === 'forwarded' ? rate * seconds() : 0]),
      ),
      engine: {},
      loop: { breaths: [rate * seconds(), seconds(), 0], busyMs: 0, gaps: 0, longestGapMs: 0 },
    }),
    connections: async (most: number) =>
      Array.from({ length: most }, (_, i) => ({
        protocol: 'tcp',
        expires: 900,
        state: 'ESTABLISHED',
        client: ADDRESSES.client,
        clientPort: 40_000 + i,
        vip: '192.168.1.110',
        vport: 80,
        destination: ADDRESSES.rs1,
        destinationPort: 80,
        template: false,
      })),
    apply: async () => null,
    marks: async () => [],
    sysctls: async () => ({}),
    next: async () => null,
    trace: async (listener: (frames: readonly object[]) => void) => {
      const some = playedFrames().filter(({ to }) => to === 'director')
      const tell = () => {
        const told = Math.min(TRACED_TOLD, (rate * TELL_MS) / 1000)
        const frames = Array.from({ length: told }, (_, i) => {
          const { hex, bytes } = some[i % some.length]
          const played = { type: 'frame', worker: 0, arm: 'eth0', oneOf: rate / 200 }
          const told = { verdict: 'forwarded', action: 'forward', realserver: null, mac: null }
          const time = Date.now() / 1000
          return { ...played, ...told, egress: null, time, length: bytes, before: hex, after: hex }
        })
        listener(frames)
      }
      const timer = setInterval(tell, TELL_MS)
      return () => clearInterval(timer)
    },
  }
  return played as unknown as Live
}

function playedFrames(): WireFrame[] {
  const frame = (from: string, to: string): WireFrame => {
    const bytes = build({
      ethernet: { source: macOf(ADDRESSES[from]), destination: macOf(ADDRESSES[to]) },
      ipv4: { source: ADDRESSES.client, destination: '192.168.1.110' },
      tcp: { sport: 40_000, dport: 80, flags: 'A' },
    })
    const wire = [from, to].includes('client') ? 'client-router' : 'segment'
    return { from, to, wire, at: 0, hex: Buffer.from(bytes).toString('hex'), bytes: bytes.length }
  }
  return REALSERVERS.flatMap((name) => [
    frame('client', 'router'),
    frame('router', 'director'),
    frame('director', name),
    frame(name, 'router'),
  ])
}

class PlayedLab implements LabFeed {
  readonly #rate: number
  timer: NodeJS.Timeout | null = null

  constructor(rate: number) {
    this.#rate = rate
  }

  state() {
    const hosts = Object.entries(ADDRESSES).map(
      ([name, address]): LabHost => ({
        name,
        address,
        mac: macOf(address),
        vip: null,
        wires:
          name === 'client'
            ? ['client-router']
            : name === 'router'
              ? ['client-router', 'segment']
              : ['segment'],
        isAlive: true,
        isSilent: null,
        neighbours: [],
      }),
    )
    return { name: 'played', vip: '192.168.1.110', hosts }
  }

  onWire(listener: (event: WireEvent) => void): void {
    const some = playedFrames()
    const count = Math.min(FRAMES_TOLD, (this.#rate * TELL_MS) / 1000)
    const told = (length: number) => {
      const at = Date.now()
      return Array.from({ length }, (_, i) => ({ ...some[i % some.length], at }))
    }
    const more = Math.min(MORE_TOLD, (this.#rate * TELL_MS) / 1000)
    if (count > 0)
      this.timer = setInterval(() => listener({ frames: told(count), more: told(more) }), TELL_MS)
  }

  async act(): Promise<string> {
    return 'it is only played'
  }
}

async function measure(rate: number, seconds: number): Promise<void> {
  const lab = new PlayedLab(rate)
  const server = new WebServer({ live: playedDirector(rate), lab })
  try {
    await withPage(await server.listen('127.0.0.1', 0), async ({ page, errors }) => {
      await page.locator('.host').first().waitFor()
      await page.waitForTimeout(2000)
      const times = (await page.evaluate(`new Promise((resolve) => {
        const times = []
        let last = performance.now()
        const begun = last
        const draw = (now) => {
          times.push(now - last)
          last = now
          if (now - begun >= ${seconds * 1000}) resolve(times)
          else requestAnimationFrame(draw)
        }
        requestAnimationFrame(draw)
      })`)) as number[]
      if (errors.length > 0) throw new Error(errors[0])
      const sorted = times.slice(1).sort((a, b) => a - b)
      const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))].toFixed(1)
      process.stdout.write(
        `${String(rate).padStart(7)} packets/s: ${(sorted.length / seconds).toFixed(0)} pictures/s, ` +
          `ms between two: median ${at(0.5)}, 99 of 100 ${at(0.99)}, longest ${at(1)}\n`,
      )
    })
  } finally {
    if (lab.timer !== null) clearInterval(lab.timer)
    await server.close()
  }
}

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '10' },
  },
})
const missing = whyNoBrowser()
if (missing !== false) {
  process.stderr.write(`bench: ${missing}\n`)
  process.exit(1)
}
await measure(0, Number(values.seconds))
await measure(Number(values.rate), Number(values.seconds))
