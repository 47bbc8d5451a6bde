import t from 'tap'
import { BYPASS_WAYS } from '../../src/engine/bypass.js'
import { HOP_LOCAL, HOP_NONE } from '../../src/engine/director-state.js'
import { build } from '../../src/wire/build.js'
import { CLIENT, OWN, ROUTES, route, World, words } from './world.js'

const IP = 14

function packetTo(destination: string): DataView {
  const isSix = destination.includes(':')
  const frame = isSix
    ? build({ ipv6: { source: '2001:db8:99::7', destination }, udp: { sport: 1, dport: 2 } })
    : build({ ipv4: { source: CLIENT, destination }, udp: { sport: 1, dport: 2 } })
  return new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
}

t.test('the way to an address is that of the routing table', async (t) => {
  const world = new World({ routes: [...ROUTES, route('2001:db8:1::', 64)] })
  const { bypass, hops, mtus, neighbours } = world.director
  const hopTo = (address: string) => hops[bypass.wayOf(packetTo(address), IP)] as number
  const near = hopTo('192.168.1.77')
  t.equal(neighbours.address(near, 0), words('192.168.1.77')[0])
  t.equal(mtus[bypass.wayOf(packetTo('192.168.1.77'), IP)], 1500)
  t.equal(hopTo('192.168.1.77'), near, 'the same again')
  t.equal(neighbours.address(hopTo('2001:db8:1::77'), 3), 0x77)
  t.equal(hopTo(OWN), HOP_LOCAL)
  t.equal(hopTo('203.0.113.1'), HOP_NONE)
  const elsewhere = ['192.168.1.77', OWN, '224.0.0.1', 'ff02::1'].map((address) =>
    bypass.isElsewhere(packetTo(address), IP),
  )
  t.same(elsewhere, [true, false, false, false])
})

t.test('neighbours of addresses that nobody asks for any more are given up', async (t) => {
  const world = new World()
  const { bypass, neighbours, hops } = world.director
  const used = () => {
    let count = 0
    for (let n = 0; n < neighbours.highWater; n++) if (neighbours.state(n) !== 0) count++
    return count
  }
  const before = used()
  for (let i = 0; i < 250; i++) bypass.wayOf(packetTo(`192.168.1.${i + 3}`), IP)
  t.ok(used() - before <= BYPASS_WAYS, `${used() - before} neighbours`)
  world.director.setRoutes([])
  t.equal(used(), 0)
  t.ok(hops.every((hop) => hop === HOP_NONE))
})
