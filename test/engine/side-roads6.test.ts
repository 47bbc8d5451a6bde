/** What the side roads do to counters, timers and states; their answers: journeys-ipv6.ts. */
import t from 'tap'
import { STAT_IN_BYTES, STAT_IN_PACKETS } from '../../src/balance/destination.js'
import { buildPacket } from '../../src/wire/build.js'
import { CLIENT6, type FrameSpec, numberOf, service, VIP6, World } from './world.js'

const syn: FrameSpec = {
  ipv6: { source: CLIENT6, destination: VIP6 },
  tcp: { sport: 4000, dport: 80 },
}
const reply: FrameSpec = {
  ipv6: { source: VIP6, destination: CLIENT6 },
  tcp: { sport: 80, dport: 4000, flags: 'A' },
}
const about = (quote: Uint8Array | FrameSpec, type = 1): FrameSpec => ({
  ipv6: { source: '2001:db8:5::1', destination: VIP6 },
  icmpv6: { type, quote },
})

t.test('an ICMPv6 error counts for its connection, and restarts no timer', async (t) => {
  const world = new World()
  const [first] = world.send(syn).sent
  const { connections6, destinations } = world.book.balancer
  const [due, state] = [connections6.due(0), connections6.state(0)]
  world.now += 5000
  const error = about(reply)
  const { sent } = world.send(error)
  t.equal(numberOf(sent[0]!), numberOf(first!))
  t.same([connections6.due(0), connections6.state(0)], [due, state])
  t.equal(connections6.packets(0), 2)
  const d = connections6.destination(0)
  t.equal(destinations.statistic(d, STAT_IN_PACKETS), 2)
  t.equal(destinations.statistic(d, STAT_IN_BYTES), 60 + buildPacket(error).length)
})

t.test('the quoted packet may be cut behind its ports, and have extension headers', async (t) => {
  const world = new World()
  world.send(syn)
  const extended = {
    ...reply,
    ipv6: { ...reply.ipv6!, extensions: [{ kind: 'destination-options', bytes: 16 } as const] },
  }
  const verdictOf = (quote: Uint8Array) => world.send(about(quote)).verdicts[0]
  t.equal(verdictOf(buildPacket(reply).slice(0, 44)), 'forwarded')
  t.equal(verdictOf(buildPacket(reply).slice(0, 43)), 'icmp-ignored')
  t.equal(verdictOf(buildPacket(extended).slice(0, 60)), 'forwarded')
  t.equal(verdictOf(buildPacket(extended).slice(0, 50)), 'icmp-ignored')
  t.equal(verdictOf(new Uint8Array(39)), 'icmp-ignored')
})

t.test('every type below 128 is an error', async (t) => {
  const world = new World()
  world.send(syn)
  for (const type of [0, 1, 2, 3, 4, 5, 100, 127]) {
    t.same(world.send(about(reply, type)).verdicts, ['forwarded'], `type ${type}`)
  }
  for (const type of [129, 130, 143, 200, 255]) {
    t.same(world.send(about(reply, type)).verdicts, ['icmp-ignored'], `type ${type}`)
  }
})

t.test('a quoted later fragment has no ports to go by', async (t) => {
  const world = new World()
  world.send(syn)
  const fragment = {
    ipv6: {
      ...reply.ipv6!,
      nextHeader: 6,
      extensions: [{ kind: 'fragment', offset: 64 } as const],
    },
    payload: buildPacket(reply).slice(40),
  }
  t.same(world.send(about(fragment)).verdicts, ['icmp-ignored'])
})

t.test('nothing that is refused leaves a connection behind', async (t) => {
  const six = service(80, 'tcp', VIP6)
  const world = new World({ services: [{ service: six, to: [{ n: 2, weight: 0 }] }] })
  for (const flags of ['S', 'A', 'R', 'F']) world.send({ ...syn, tcp: { ...syn.tcp!, flags } })
  t.equal(world.book.balancer.connections6.count, 0)
})
