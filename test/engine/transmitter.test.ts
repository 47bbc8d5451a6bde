import t from 'tap'
import {
  addDestination,
  build,
  CLIENT,
  CLIENT6,
  deleteDestination,
  type FrameSpec,
  macBytes,
  numberOf,
  OUR_MAC,
  realserverMac,
  route,
  service,
  VIP,
  VIP6,
  World,
} from './world.js'

const VARIANTS: Record<string, FrameSpec> = {
  plain: {},
  tagged: { ethernet: { vlan: 4000 } },
  'tagged twice': { ethernet: { vlan: [1, 2] } },
  padded: { padTo: 90 },
  'with options': { ipv4: { source: CLIENT, destination: VIP, options: [7, 7, 4, 0, 0, 0, 0] } },
  'with payload': { payload: 777 },
  'of the longest': { payload: 1460 },
}

t.test('twelve bytes change, and no other', async (t) => {
  const families: FrameSpec[] = [
    { ipv4: { source: CLIENT, destination: VIP, ttl: 7, tos: 3 }, tcp: { sport: 4000, dport: 80 } },
    { ipv6: { source: CLIENT6, destination: VIP6, hopLimit: 7 }, tcp: { sport: 4000, dport: 80 } },
  ]
  for (const spec of families) {
    for (const [name, changes] of Object.entries(VARIANTS)) {
      if (spec.ipv6 && changes.ipv4) continue
      const frame = build({ ...spec, ...changes })
      const { sent } = new World().send(frame)
      const bytes = sent[0]?.bytes as Uint8Array
      t.same(
        [...bytes.subarray(0, 12)],
        [...macBytes(realserverMac(3)), ...macBytes(OUR_MAC)],
        name,
      )
      t.same(Buffer.from(bytes.subarray(12)), Buffer.from(frame.subarray(12)), `${name}: the rest`)
    }
  }
})

t.test('the ways to realservers follow the routes, and connections with them', async (t) => {
  const world = new World()
  const frame = { ipv4: { source: CLIENT, destination: VIP }, tcp: { sport: 4000, dport: 80 } }
  t.equal(numberOf(world.send(frame).sent[0]!), 3)
  world.director.setRoutes([
    route('0.0.0.0', 0, { gateway: Int32Array.of(0xc0a801fd | 0, 0, 0, 0) }),
  ])
  t.same(world.send(frame).verdicts, ['neighbour-held'], 'the gateway is asked for first')
  world.resolve()
  t.equal(numberOf(world.send(frame).sent[0]!), 0xfd)
  world.director.setRoutes([])
  t.same(world.send(frame).verdicts, ['destination-unroutable'])
  world.director.setRoutes([route('192.168.1.0', 24)])
  world.resolve()
  t.equal(numberOf(world.send(frame).sent[0]!), 3)
})

t.test('neighbours are used by as many destinations as there are, and no longer', async (t) => {
  const world = new World({ services: [{ to: [2] }, { service: service(81), to: [2] }] })
  const { neighbours } = world.director
  t.equal(neighbours.highWater, 1)
  world.apply(deleteDestination(service(), 2), { op: 'reap', slots: [0] })
  t.ok(neighbours.isUsable(0), 'another destination still uses it')
  world.apply(deleteDestination(service(81), 2))
  t.ok(neighbours.isUsable(0), 'and one in the trash')
  world.apply({ op: 'reap', slots: [1] })
  t.notOk(neighbours.isUsable(0))
  world.apply(addDestination(service(), 5))
  t.equal(neighbours.highWater, 1, 'its slot is used again')
  t.equal(world.director.hops[world.book.balancer.services.head(0)], 0)
})
