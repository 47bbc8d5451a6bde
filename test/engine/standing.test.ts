import t from 'tap'
import { GONE, LIVE, OVER, standing } from '../../src/engine/standing.js'
import { build, CLIENT, deleteDestination, service, VIP, World, words } from './world.js'

const [SYN, ACK] = [2, 16]
const ip = { source: CLIENT, destination: VIP }
const open = build({ ipv4: ip, tcp: { sport: 4000, dport: 80 } })
const close = build({ ipv4: ip, tcp: { sport: 4000, dport: 80, flags: '.' } })

/** A world with one connection, and how that stands for TCP flags. */
function make() {
  const world = new World()
  world.send(open)
  const { balancer } = world.book
  const table = balancer.connections4
  const [client, vip] = [words(CLIENT)[0] as number, words(VIP)[0] as number]
  const slot = table.find4(6, client, vip, (4000 << 16) | 80)
  const home = balancer.destinations.address(table.destination(slot)) & 0xff
  return { world, table, slot, home, stands: (f: number) => standing(balancer, table, slot, 6, f) }
}

t.test('an opening on a connection that has ended is a new one', async (t) => {
  const { world, stands } = make()
  t.same([stands(SYN), stands(ACK)], [LIVE, LIVE])
  world.send(close)
  t.same([stands(ACK), stands(-1), stands(SYN)], [LIVE, LIVE, OVER])
})

t.test('without its destination it is gone, or over with expire_nodest_conn', async (t) => {
  const { world, table, slot, home, stands } = make()
  world.apply(deleteDestination(service(), home))
  t.same([stands(SYN), stands(ACK)], [GONE, GONE])
  world.apply({ op: 'set-sysctl', name: 'expire_nodest_conn', value: '1' })
  t.same(stands(ACK), OVER)
  t.equal(table.due(slot), world.book.balancer.tick, 'and ends with this tick')
})

t.test('without any service of its family it is over, whatever else', async (t) => {
  const { world, stands } = make()
  world.apply({ op: 'delete-service', service: service() })
  t.same([stands(SYN), stands(ACK)], [OVER, OVER])
})
