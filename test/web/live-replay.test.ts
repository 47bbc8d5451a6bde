/** A frame of the wire, replayed from the last moment before it, and compared with what left. */
import t from 'tap'
import { ENDINGS } from '../../src/engine/verdict.js'
import type { Moment, WireFrame } from '../../src/web/moment.js'
import { LiveReplay } from '../../src/web/page/live-replay.js'
import { build } from '../../src/wire/build.js'
import type { FrameSpec } from '../../src/wire/frame-spec.js'

const VIP = '192.168.1.110'
const CLIENT = '192.168.1.254'
const MACS = {
  router: '02:00:c0:a8:01:fd',
  director: '02:00:c0:a8:01:01',
  rs1: '02:00:c0:a8:01:02',
  rs2: '02:00:c0:a8:01:03',
} as const
type Host = keyof typeof MACS

function wire(
  from: Host,
  to: Host | null,
  at: number,
  packet: Omit<FrameSpec, 'ethernet'>,
): WireFrame {
  const destination = to === null ? 'ff:ff:ff:ff:ff:ff' : MACS[to]
  const bytes = build({ ethernet: { source: MACS[from], destination }, ...packet })
  const hex = Buffer.from(bytes).toString('hex')
  return { from, to, wire: 'segment', at, hex, bytes: bytes.length }
}

const segment = (clientPort: number, flags: string) => ({
  ipv4: { source: CLIENT, destination: VIP },
  tcp: { sport: clientPort, dport: 80, flags },
})

function moment(from: number, changes: object = {}): Moment {
  const service = { protocol: 'tcp', address: VIP, port: 80 }
  const settings = {
    scheduler: 'rr',
    persistent: 0,
    netmask: '255.255.255.255',
    ops: false,
    pe: '',
  }
  const realserver = (n: number) => ({
    ...{ address: `192.168.1.${n + 1}`, port: 80, method: 'route', weight: 1 },
    ...{ upperThreshold: 0, lowerThreshold: 0, active: 1, inactive: 0 },
    mac: n === 1 ? MACS.rs1 : MACS.rs2,
  })
  const last = { name: 'last', realservers: ['192.168.1.3:80'] }
  return {
    ...{ at: from, from, to: from + 5, isStill: true, marks: [], sysctls: {} },
    status: { mode: 'textbook', linux: '6.1.176' },
    table: {
      services: [
        {
          service,
          settings: { ...settings, schedulerFlags: 0 },
          destinations: [realserver(2), realserver(1)],
        },
      ],
      timeouts: { tcp: 900, tcpfin: 120, udp: 300 },
    },
    connections: [
      {
        ...{ protocol: 'tcp', expires: 800, state: 'ESTABLISHED', template: false },
        ...{ client: CLIENT, clientPort: 1000, vip: VIP, vport: 80 },
        ...{ destination: '192.168.1.3', destinationPort: 80 },
      },
    ],
    counters: {
      verdicts: Object.fromEntries(ENDINGS.map(({ name }) => [name, 0])),
      engine: { frames: 0 },
    },
    next: [{ scheduler: 'rr', clues: [last] }],
    ...changes,
  } as unknown as Moment
}

function makeReplay(): LiveReplay {
  const replay = new LiveReplay(-1)
  const hosts = [{ name: 'director', wires: ['segment'] }]
  replay.addLab({ name: 'lab', vip: VIP, hosts } as unknown as Parameters<LiveReplay['addLab']>[0])
  return replay
}

const hear = (replay: LiveReplay, ...frames: WireFrame[]) => replay.addFrames({ frames, more: [] })

t.test('an opening goes on where the scheduler stands, and the next one after it', async (t) => {
  const replay = makeReplay()
  const first = wire('router', 'director', 20, segment(2000, 'S'))
  const second = wire('router', 'director', 30, segment(2001, 'S'))
  const left = wire('director', 'rs1', 20.1, segment(2000, 'S'))
  const wrong = wire('director', 'rs1', 30.1, segment(2001, 'S'))
  t.equal(replay.explain(first), null, 'nothing is known of the director yet')
  replay.addMoment(moment(0))
  hear(replay, first, left, second, wrong)
  const told = replay.explain(first)
  t.match(told, { agrees: true, isExact: true, left: { to: 'rs1' } })
  t.match(told?.replayed.explanation, {
    verdict: { name: 'forwarded' },
    choice: { chosen: '192.168.1.2:80' },
    counters: [{}, {}, {}],
  })
  t.same(
    replay.explain(left)?.replayed.explanation,
    told?.replayed.explanation,
    'asked by the other end',
  )
  const other = replay.explain(second)
  t.match(other?.replayed.explanation.choice, { chosen: '192.168.1.3:80' }, 'its turn')
  t.equal(other?.agrees, false, 'on the wire it went elsewhere, and that is told')
})

t.test('a connection that is listed is known, and the scheduler is not asked', async (t) => {
  const replay = makeReplay()
  replay.addMoment(moment(0))
  const frame = wire('router', 'director', 1005, segment(1000, 'FA'))
  hear(replay, frame)
  const told = replay.explain(frame)
  t.match(told?.replayed.explanation, {
    connection: {
      outcome: 'hit',
      before: { state: 'ESTABLISHED', expires: 799, realserver: '192.168.1.3:80' },
      after: { state: 'FIN_WAIT' },
    },
    choice: null,
  })
  t.equal(told?.agrees, null, 'it was not seen to leave: nothing is claimed')
})

t.test('what does not leave is compared with what the director has counted', async (t) => {
  const replay = makeReplay()
  replay.addMoment(moment(0))
  const frame = wire('router', 'director', 20, segment(3000, 'A'))
  hear(replay, frame)
  t.equal(replay.explain(frame)?.replayed.explanation.verdict.name, 'not-an-opening')
  t.equal(replay.explain(frame)?.agrees, null, 'not yet')
  replay.addMoment(
    moment(500, {
      counters: { verdicts: { 'not-an-opening': 1 }, engine: { frames: 1 } },
    }),
  )
  t.match(replay.explain(frame), { agrees: true, counted: 1 })
})

t.test('frames between others, and moving tables', async (t) => {
  const replay = makeReplay()
  replay.addMoment(moment(0, { isStill: false }))
  const reply = wire('rs1', 'router', 20, segment(1000, 'A'))
  const opening = wire('router', 'director', 30, segment(2000, 'S'))
  hear(replay, reply, opening)
  t.equal(replay.explain(reply), null, 'it takes another road')
  t.equal(replay.explain(opening)?.isExact, false)
})

t.test('frames that were not told: what they must have done, and that is said', async (t) => {
  const replay = makeReplay()
  replay.addMoment(moment(0))
  const known = wire('router', 'director', 20, segment(4000, 'A'))
  const opening = wire('router', 'director', 30, segment(4001, 'S'))
  hear(replay, known, opening)
  hear(replay, wire('director', 'rs2', 20.1, segment(4000, 'A')))
  hear(replay, wire('director', 'rs2', 30.1, segment(4001, 'S')))
  t.match(replay.explain(known), { agrees: false, isAssumed: false }, 'for all that is known')
  // Ten frames have come, of which two were told.
  replay.addMoment(moment(500, { counters: { verdicts: {}, engine: { frames: 10 } } }))
  t.match(replay.explain(known), {
    agrees: true,
    isExact: false,
    isAssumed: true,
    replayed: { explanation: { connection: { outcome: 'hit' } } },
  })
  t.match(replay.explain(opening), {
    agrees: true,
    isAssumed: true,
    replayed: { explanation: { choice: { chosen: '192.168.1.3:80' } } },
  })
})
