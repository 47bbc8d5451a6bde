import t from 'tap'
import { DEFAULT_LIMITS } from '../../../src/balance/limits.js'
import { type Look, report } from '../../../src/cli/top/report.js'
import type { DestinationListing, Statistics } from '../../../src/control/listing.js'

interface Numbers {
  readonly connections?: number
  readonly packets?: number
  readonly bytes?: number
}

function statistics({ connections = 0, packets = 0, bytes = 0 }: Numbers): Statistics {
  return { connections, inPackets: packets, inBytes: bytes, outPackets: 0, outBytes: 0 }
}

const RATES = {
  connectionsPerSecond: 3,
  inPacketsPerSecond: 30,
  inBytesPerSecond: 300,
  outPacketsPerSecond: 0,
  outBytesPerSecond: 0,
}

function destination(address: string, numbers: Numbers = {}): DestinationListing {
  return {
    address,
    port: 80,
    method: 'route',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    active: 2,
    inactive: 5,
    persistent: 0,
    mac: null,
    rates: RATES,
    statistics: statistics(numbers),
  }
}

interface Made {
  readonly at: number
  readonly pid?: number
  readonly service?: Numbers
  readonly destinations?: readonly DestinationListing[]
  readonly verdicts?: Readonly<Record<string, number>>
  readonly engine?: Readonly<Record<string, number>>
  readonly busyMs?: number
}

function makeLook(made: Made): Look {
  const settings = {
    scheduler: 'wlc',
    persistent: 0,
    netmask: '255.255.255.255',
    ops: false,
    pe: '',
    schedulerFlags: 0,
  }
  return {
    at: made.at,
    table: {
      version: '1.2.1',
      size: 4096,
      timeouts: { tcp: 900, tcpfin: 120, udp: 300 },
      daemons: [],
      services: [
        {
          service: { protocol: 'tcp', address: '192.168.1.110', port: 80 },
          settings,
          statistics: statistics(made.service ?? {}),
          rates: RATES,
          destinations: made.destinations ?? [destination('10.0.0.2'), destination('10.0.0.1')],
        },
      ],
    },
    counters: {
      verdicts: made.verdicts ?? {},
      engine: made.engine ?? {},
      loop: { breaths: [], busyMs: made.busyMs ?? 0, gaps: 0, longestGapMs: 1.5 },
      framesByWorker: [],
    },
    status: {
      pid: made.pid ?? 1,
      engine: 'af_packet',
      interfaces: ['eth0'],
      mode: 'textbook',
      linux: '6.1.176',
      arp: true,
      quiet: false,
      guard: null,
      uptimeSeconds: 5,
      vips: [],
      services: 1,
      workers: 1,
      connections: 7,
      templates: 0,
      limits: DEFAULT_LIMITS,
    },
  }
}

t.test("the first look has Linux's averages, and no rates of frames", async (t) => {
  const first = report(null, makeLook({ at: 0, engine: { frames: 100, ringDrops: 4 } }))
  t.match(first, { seconds: null, framesPerSecond: 0, frames: 100, ringDrops: 4 })
  t.match(first.services, [
    {
      name: 'TCP  192.168.1.110:80',
      how: 'wlc',
      active: 4,
      inactive: 10,
      connectionsPerSecond: 3,
      packetsPerSecond: 30,
      bytesPerSecond: 300,
      destinations: [
        { name: '10.0.0.1:80', address: '10.0.0.1', port: 80, packetsPerSecond: 30 },
        { name: '10.0.0.2:80' },
      ],
    },
  ])
})

t.test('two looks: what went on between them, for each second', async (t) => {
  const before = makeLook({
    at: 1000,
    service: { connections: 10, packets: 100, bytes: 1000 },
    destinations: [destination('10.0.0.1', { connections: 10, packets: 100, bytes: 1000 })],
    verdicts: { forwarded: 100, 'no-service': 1, 'not-vip': 5 },
    engine: { frames: 106, ringDrops: 4, sendErrors: 1, aliveMs: 10_000 },
    busyMs: 500,
  })
  const now = makeLook({
    at: 5000,
    service: { connections: 30, packets: 500, bytes: 9000 },
    destinations: [
      destination('10.0.0.1', { connections: 12, packets: 140, bytes: 1400 }),
      destination('10.0.0.2', { connections: 8, packets: 40, bytes: 80 }),
    ],
    verdicts: { forwarded: 300, 'no-service': 3, 'not-vip': 5, 'connections-full': 8 },
    engine: { frames: 316, ringDrops: 12, sendErrors: 1, aliveMs: 14_000, ringOccupancy: 0.5 },
    busyMs: 1500,
  })
  const found = report(before, now)
  t.match(found, {
    seconds: 4,
    framesPerSecond: 52.5,
    actionsPerSecond: { forward: 50, answer: 0.5, pass: 0, hold: 0, drop: 2 },
    ringDropsPerSecond: 2,
    sendErrorsPerSecond: 0,
    busy: 0.25,
    ringOccupancy: 0.5,
  })
  t.same(found.verdictsPerSecond, { 'no-service': 0.5, 'connections-full': 2, forwarded: 50 })
  const service = found.services[0]
  t.match(service, { connectionsPerSecond: 5, packetsPerSecond: 100, bytesPerSecond: 2000 })
  t.match(service?.destinations, [
    { connectionsPerSecond: 0.5, packetsPerSecond: 10, bytesPerSecond: 100 },
    // A newcomer: all it has, it got since.
    { connectionsPerSecond: 2, packetsPerSecond: 10, bytesPerSecond: 20 },
  ])
})

t.test('counters that were set to zero meanwhile give no negative rate', async (t) => {
  const before = makeLook({ at: 0, service: { connections: 100, packets: 100, bytes: 100 } })
  const now = makeLook({ at: 1000, service: { connections: 3, packets: 4, bytes: 5 } })
  t.match(report(before, now).services[0], {
    connectionsPerSecond: 3,
    packetsPerSecond: 4,
    bytesPerSecond: 5,
  })
})

t.test('another director than before: nothing can be compared', async (t) => {
  const before = makeLook({ at: 0, engine: { frames: 5 } })
  const now = makeLook({ at: 1000, pid: 2, engine: { frames: 9 } })
  t.match(report(before, now), { seconds: null, framesPerSecond: 0 })
})

t.test('what is stored and not served', async (t) => {
  const look = makeLook({
    at: 0,
    destinations: [
      { ...destination('10.0.0.1'), method: 'masq' },
      { ...destination('10.0.0.2'), method: 'tunnel' },
      destination('10.0.0.3'),
    ],
  })
  const daemons = [{ role: 'backup', interface: 'eth0' } as never]
  const found = report(null, { ...look, table: { ...look.table, daemons } })
  t.same(found.notServed, { destinations: 2, daemons: ['backup'] })
  t.same(
    found.services[0]?.destinations.map(({ isServed }) => isServed),
    [false, false, true],
  )
})
