/** What the side roads do to counters, timers and states; their answers: journeys-ipv4.ts. */
import t from 'tap'
import { STAT_IN_BYTES, STAT_IN_PACKETS } from '../../src/balance/destination.js'
import { buildPacket } from '../../src/wire/build.js'
import { CLIENT, type FrameSpec, numberOf, service, VIP, World, words } from './world.js'

const syn: FrameSpec = {
  ipv4: { source: CLIENT, destination: VIP },
  tcp: { sport: 4000, dport: 80 },
}
const reply: FrameSpec = {
  ipv4: { source: VIP, destination: CLIENT },
  tcp: { sport: 80, dport: 4000, flags: 'A' },
}
const about = (quote: Uint8Array | FrameSpec, type = 3): FrameSpec => ({
  ipv4: { source: '203.0.113.1', destination: VIP },
  icmp: { type, code: 0, quote },
})

t.test('an ICMP error counts for its connection, and restarts no timer', async (t) => {
  const world = new World()
  const [first] = world.send(syn).sent
  const { connections4, destinations } = world.book.balancer
  const [client, vip] = [CLIENT, VIP].map((address) => words(address)[0] as number)
  const slot = connections4.find4(6, client as number, vip as number, (4000 << 16) | 80)
  t.ok(slot >= 0)
  const [due, state] = [connections4.due(slot), connections4.state(slot)]
  world.now += 5000
  const error = about(reply)
  const { sent } = world.send(error)
  t.equal(numberOf(sent[0]!), numberOf(first!))
  t.same([connections4.due(slot), connections4.state(slot)], [due, state])
  t.equal(connections4.packets(slot), 2)
  const d = connections4.destination(slot)
  t.equal(destinations.statistic(d, STAT_IN_PACKETS), 2)
  t.equal(destinations.statistic(d, STAT_IN_BYTES), 40 + buildPacket(error).length)
})

t.test('the quoted packet may be cut behind its ports, and have options', async (t) => {
  const world = new World()
  world.send(syn)
  const withOptions = { ...reply, ipv4: { ...reply.ipv4!, options: [7, 7, 4, 0, 0, 0, 0, 0] } }
  const verdictOf = (quote: Uint8Array) => world.send(about(quote)).verdicts[0]
  t.equal(verdictOf(buildPacket(reply).slice(0, 24)), 'forwarded')
  t.equal(verdictOf(buildPacket(reply).slice(0, 23)), 'icmp-ignored', 'no ports')
  t.equal(verdictOf(buildPacket(withOptions).slice(0, 32)), 'forwarded')
  t.equal(verdictOf(buildPacket(withOptions).slice(0, 31)), 'icmp-ignored')
  t.equal(verdictOf(new Uint8Array(0)), 'icmp-ignored')
  t.equal(verdictOf(buildPacket(reply).slice(0, 19)), 'icmp-ignored', 'no whole header')
})

t.test('only errors follow: 3, 4 and 11', async (t) => {
  const world = new World()
  world.send(syn)
  const followed = [...Array(20).keys()].filter((type) => {
    return world.send(about(reply, type)).verdicts[0] === 'forwarded'
  })
  t.same(followed, [3, 4, 11])
})

t.test('a quoted packet in the direction of the client is none of ours', async (t) => {
  const world = new World()
  world.send(syn)
  t.same(world.send(about(syn)).verdicts, ['icmp-ignored'])
})

t.test('errors of other protocols of the same ports are told apart', async (t) => {
  const world = new World({ services: [{ to: [2] }, { service: service(80, 'udp'), to: [3] }] })
  world.send(syn)
  const udp = { ipv4: reply.ipv4!, udp: { sport: 80, dport: 4000 } }
  t.same(world.send(about(udp)).verdicts, ['icmp-ignored'])
  world.send({ ipv4: syn.ipv4!, udp: { sport: 4000, dport: 80 } })
  t.equal(numberOf(world.send(about(udp)).sent[0]!), 3)
  t.equal(numberOf(world.send(about(reply)).sent[0]!), 2)
})

t.test('nothing that is refused leaves a connection behind', async (t) => {
  const world = new World({ services: [{ to: [{ n: 2, weight: 0 }] }] })
  for (const flags of ['S', 'A', 'R', 'F']) world.send({ ...syn, tcp: { ...syn.tcp!, flags } })
  world.send({ ...syn, tcp: { ...syn.tcp!, dport: 81 } })
  t.equal(world.book.balancer.connections4.count, 0)
  t.equal(world.book.balancer.services.statistic(0, 0), 0)
})
