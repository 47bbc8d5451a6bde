import t from 'tap'
import { HOP_LOCAL, HOP_NONE, RESOLVED_AT_ONCE } from '../../src/engine/director-state.js'
import { viewOf } from '../../src/wire/build.js'
import {
  addDestination,
  deleteDestination,
  realserver,
  route,
  rulesOf,
  service,
  VIP,
  VIP6,
  World,
  words,
} from './world.js'

const vip = (address: string, changes = {}) => ({
  family: address.includes(':') ? (6 as const) : (4 as const),
  words: words(address),
  onKernel: false,
  announced: true,
  ...changes,
})

t.test('new VIPs are announced, old ones not again', async (t) => {
  const world = new World({ rules: [] })
  const types = (ms: number) => world.wait(ms).sent.map(({ bytes }) => viewOf(bytes).getUint16(12))
  world.director.setVips([vip(VIP)])
  t.same(types(3000), [], 'this one is known')
  world.director.setVips([
    vip(VIP),
    vip('10.0.0.1'),
    vip('10.0.0.2', { announced: false }),
    vip('2001:db8::9'),
  ])
  t.same(types(3000), [0x0806, 0x86dd, 0x0806, 0x86dd], 'two, twice')
  world.director.setVips([vip(VIP)])
  t.same(types(3000), [])
  world.director.announce()
  t.same(types(3000), [0x0806, 0x0806], 'on demand')
})

t.test('the way to a destination: neighbour, MTU, or why there is none', async (t) => {
  const routes = [
    route('192.168.1.0', 24),
    route('192.168.1.3', 32, { mtu: 1400 }),
    route('192.168.1.4', 32, { kind: 'local' }),
    route('192.168.1.5', 32, { kind: 'unreachable' }),
    route('192.168.1.6', 32, { arm: -1 }),
    route('192.168.1.7', 32, { gateway: words('192.168.1.2') }),
  ]
  const to = [2, 3, 4, 5, 6, 7, { n: 8, address: '10.0.0.8' }]
  const world = new World({
    routes,
    services: [{ to }],
    arms: [{ macHigh: 0x0200, macLow: 1, mtu: 9000 }],
  })
  const { hops, mtus } = world.director
  t.same([...hops.subarray(0, 7)], [0, 1, HOP_LOCAL, HOP_NONE, HOP_NONE, 0, HOP_NONE])
  t.same([...mtus.subarray(0, 7)], [9000, 1400, 9000, 9000, 0, 9000, 0])
  world.director.setRoutes([])
  t.ok(hops.every((hop) => hop === HOP_NONE))
  t.notOk(world.director.neighbours.isUsable(0), 'nobody uses them any more')
})

t.test('a destination in the trash keeps its way, one that is reaped does not', async (t) => {
  const world = new World({ services: [{ to: [2] }] })
  world.apply(deleteDestination(service(), 2))
  t.equal(world.director.hops[0], 0)
  world.apply({ op: 'reap', slots: [0, 0, 7] })
  t.equal(world.director.hops[0], HOP_NONE)
  world.apply(addDestination(service(), 2))
  t.equal(world.director.hops[0], 0)
})

t.test('both families, each by its routes', async (t) => {
  const six = service(80, 'tcp', VIP6)
  const world = new World({ rules: rulesOf([{ to: [2] }, { service: six, to: [2] }]) })
  const { neighbours, hops } = world.director
  t.same([hops[0], hops[1]], [0, 1])
  t.same([neighbours.family(0), neighbours.family(1)], [4, 6])
  t.equal(neighbours.address(0), words(realserver(2))[0])
})

t.test('a rule that is refused leaves the ways alone', async (t) => {
  const world = new World()
  const before = [...world.director.hops]
  t.throws(() => world.apply(addDestination(service(), 2)), { code: 'EEXIST' })
  t.same([...world.director.hops], before)
})

t.test('thousands of ways are looked up a piece at a time, all of them', async (t) => {
  const count = 2 * RESOLVED_AT_ONCE + 7
  const key = service()
  const rules = Array.from({ length: count }, (_, i) =>
    addDestination(key, { n: 0, address: `192.168.${2 + (i >> 8)}.${i & 255}` }),
  )
  const services = rulesOf([{ service: key, to: [] }])
  const limits = { destinations: count }
  const world = new World({ rules: [...services, ...rules], routes: [], limits })
  const { hops } = world.director
  const gateway = { gateway: words('192.168.1.254') }
  const resolved = () => hops.subarray(0, count).filter((hop) => hop >= 0).length
  t.equal(resolved(), 0)
  world.director.setRoutes([route('192.168.1.0', 24), route('0.0.0.0', 0, gateway)])
  t.equal(resolved(), RESOLVED_AT_ONCE)
  world.wait(10)
  t.equal(resolved(), 2 * RESOLVED_AT_ONCE)
  world.wait(10)
  t.equal(resolved(), count)
  world.director.setRoutes([])
  world.wait(50)
  t.equal(resolved(), 0)
})
