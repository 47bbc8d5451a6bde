import t from 'tap'
import { STAT_OUT_BYTES, STAT_OUT_PACKETS } from '../../src/balance/destination.js'
import { TCP_STATES } from '../../src/balance/tcp-state.js'
import type { FrameSpec } from '../../src/wire/frame-spec.js'
import { CLIENT, CLIENT6, OWN, service, VIP, VIP6, World, type WorldOptions } from './world.js'

const OWN_ADDRESS6 = '2001:db8:1::1'

/** A director whose only realserver is itself. */
function makeWorld(options: WorldOptions = {}): World {
  const to = [{ n: 1, address: OWN }]
  const to6 = [{ n: 1, address: OWN_ADDRESS6 }]
  return new World({
    services: [
      { to },
      { service: service(53, 'udp'), to },
      { service: service(80, 'tcp', VIP6), to: to6 },
    ],
    routes: [OWN, OWN_ADDRESS6].map((own) => ({
      family: own === OWN ? (4 as const) : (6 as const),
      network: new Int32Array(4),
      prefixBits: 0,
      kind: 'local' as const,
      arm: 0,
      gateway: null,
      mtu: 0,
    })),
    ...options,
  })
}

const syn: FrameSpec = {
  ipv4: { source: CLIENT, destination: VIP },
  tcp: { sport: 40_000, dport: 80, flags: 'S' },
}

t.test(
  'nobody listens: the reset counts as a packet of the connection, and closes it',
  async (t) => {
    const world = makeWorld()
    const { verdicts, sent } = world.send(syn)
    t.same(verdicts, ['no-service'])
    t.equal(sent.length, 1)
    const { balancer } = world.director
    t.equal(TCP_STATES[balancer.connections4.state(0)], 'CLOSE')
    t.equal(balancer.destinations.statistic(0, STAT_OUT_PACKETS), 1)
    t.equal(balancer.destinations.statistic(0, STAT_OUT_BYTES), 40)
    t.equal(balancer.destinations.active(0), 0)
    t.equal(balancer.destinations.inactive(0), 1)
    world.wait(9_900, 100)
    t.equal(balancer.connections4.count, 1)
    world.wait(200)
    t.equal(balancer.connections4.count, 0, 'after the 10 s of CLOSE')
  },
)

t.test('the same over IPv6, and an ICMP error for a datagram', async (t) => {
  const world = makeWorld()
  const { ipv4: _, ...rest } = syn
  const six = world.send({ ...rest, ipv6: { source: CLIENT6, destination: VIP6 } })
  t.same(six.verdicts, ['no-service'])
  const { balancer } = world.director
  t.equal(TCP_STATES[balancer.connections6.state(0)], 'CLOSE')
  const udp = { ipv4: { source: CLIENT, destination: VIP }, udp: { sport: 7, dport: 53 } }
  t.same(world.send({ ...udp, payload: 10 }).verdicts, ['no-service'])
  const bytes = [0, 1, 2].map((d) => balancer.destinations.statistic(d, STAT_OUT_BYTES))
  t.same(bytes, [0, 20 + 8 + 38, 60])
})

t.test('a reset from the client is not answered, and nothing is counted', async (t) => {
  const world = makeWorld()
  world.send(syn)
  const reset = { ...syn, tcp: { sport: 40_000, dport: 80, flags: 'R' } }
  t.same(world.send(reset).verdicts, ['unanswerable'])
  t.equal(world.director.balancer.destinations.statistic(0, STAT_OUT_PACKETS), 1)
})

t.test('where the kernel holds the VIP it is left to it', async (t) => {
  const world = makeWorld({ onKernel: [VIP] })
  const { verdicts, sent } = world.send(syn)
  t.same(verdicts, ['local-destination'])
  t.equal(sent.length, 0)
  t.equal(TCP_STATES[world.director.balancer.connections4.state(0)], 'SYN_RECV')
})

t.test(
  'an error about a packet of no lasting connection is not counted, as in Linux',
  async (t) => {
    const world = new World({
      services: [
        { service: service(53, 'udp'), ops: true, to: [2] },
        { service: service(54, 'udp'), to: [2] },
      ],
      mode: 'kernel',
    })
    const dying = (sport: number, dport: number): FrameSpec => ({
      ipv4: { source: CLIENT, destination: VIP, ttl: 1 },
      udp: { sport, dport },
    })
    const frames = [dying(7, 53), dying(0, 54), dying(7, 54)]
    t.same(world.send(...frames).verdicts, ['ttl-exceeded', 'ttl-exceeded', 'ttl-exceeded'])
    const { destinations } = world.director.balancer
    t.same(
      [0, 1].map((d) => destinations.statistic(d, STAT_OUT_PACKETS)),
      [0, 1],
      'neither the one of one packet (-o) nor that from port 0 is ever found again',
    )
  },
)

t.test('that nobody is there counts for the connection that a SYN has just ended', async (t) => {
  for (const [header, key] of [
    [{ ipv4: { source: CLIENT, destination: VIP } }, service()],
    [{ ipv6: { source: CLIENT6, destination: VIP6 } }, service(80, 'tcp', VIP6)],
  ] as const) {
    const world = new World({ services: [{ service: key, to: [{ n: 2, upper: 1 }] }] })
    const segment = (flags: string): FrameSpec => ({
      ...header,
      tcp: { sport: 40_000, dport: 80, flags },
    })
    t.same(world.send(segment('S'), segment('.')).verdicts, ['forwarded', 'forwarded'])
    t.same(world.send(segment('S')).verdicts, ['no-destination'], 'the old one still counts')
    const { destinations } = world.director.balancer
    t.equal(destinations.statistic(0, STAT_OUT_PACKETS), 1)
    t.equal(destinations.statistic(0, STAT_OUT_BYTES), 'ipv4' in header ? 68 : 108)
    world.wait(20)
    t.same(world.send(segment('S')).verdicts, ['forwarded'])
  }
})
