import t from 'tap'
import { IKE_PORTS, isIpsec } from '../../src/engine/ipsec-road.js'
import { build, CLIENT, CLIENT6, service, VIP, VIP6, World, words } from './world.js'

const ip = { source: CLIENT, destination: VIP }
const exchange = build({ ipv4: ip, udp: { sport: 500, dport: 500 } })
const secured = build({ ipv4: { ...ip, protocol: 50 }, payload: 72 })

t.test('AH and ESP, and nothing else', async (t) => {
  const protocols = Array.from({ length: 256 }, (_, protocol) => protocol).filter(isIpsec)
  t.same(protocols, [50, 51])
})

t.test('a packet counts for the connection of the exchange, and keeps it', async (t) => {
  const world = new World({ services: [{ service: service(500, 'udp'), to: [2] }] })
  const { connections4: table } = world.book.balancer
  world.send(exchange)
  const [client, vip] = [words(CLIENT)[0] as number, words(VIP)[0] as number]
  const slot = table.find4(17, client, vip, IKE_PORTS)
  world.now += 200_000
  world.send(secured, secured)
  t.equal(table.packets(slot), 3)
  t.equal(table.due(slot), world.book.balancer.tick + 30_000)
  t.equal(table.count, 1)
})

t.test('with the last service gone it meets the bare stack', async (t) => {
  const key = service(500, 'udp')
  const world = new World({ services: [{ service: key, to: [2] }] })
  world.send(exchange)
  world.apply({ op: 'delete-service', service: key })
  t.same(world.send(secured).verdicts, ['protocol-unreachable'])
})

t.test('where the kernel holds the VIP too they are left to it', async (t) => {
  const key = { services: [{ service: service(500, 'udp'), to: [2] }] }
  const world = new World({ ...key, onKernel: [VIP] })
  t.same(world.send(exchange, secured).verdicts, ['forwarded', 'left-to-kernel'])
  const six = { source: CLIENT6, destination: VIP6 }
  const world6 = new World({
    services: [{ service: service(500, 'udp', VIP6), to: [2] }],
    onKernel: [VIP6],
  })
  const frames = [
    build({ ipv6: six, udp: { sport: 500, dport: 500 } }),
    build({ ipv6: { ...six, nextHeader: 50 }, payload: 40 }),
  ]
  t.same(world6.send(...frames).verdicts, ['forwarded', 'left-to-kernel'])
})
