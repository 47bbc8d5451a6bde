import t from 'tap'
import { STAT_IN_BYTES, STAT_IN_PACKETS } from '../../src/balance/destination.js'
import { HELD_MS } from '../../src/link/held-frames.js'
import { buildFragments } from '../../src/wire/build.js'
import {
  CLIENT,
  CLIENT6,
  type FrameSpec,
  hex,
  numberOf,
  realserverMac,
  relayed,
  service,
  VIP,
  VIP6,
  World,
} from './world.js'

const four: FrameSpec = {
  ipv4: { source: CLIENT, destination: VIP },
  udp: { sport: 4000, dport: 53 },
  payload: 2000,
}
const six: FrameSpec = {
  ipv6: { source: CLIENT6, destination: VIP6 },
  udp: { sport: 4000, dport: 53 },
  payload: 3000,
}
const withId = (id: number): FrameSpec => ({ ...four, ipv4: { ...four.ipv4!, id } })

function makeWorld(options = {}): World {
  return new World({
    services: [
      { service: service(53, 'udp'), to: [2, 3] },
      { service: service(53, 'udp', VIP6), to: [2, 3] },
    ],
    ...options,
  })
}

const frames = { IPv4: buildFragments(four, 800), IPv6: buildFragments(six, 1200) }

for (const [family, pieces] of Object.entries(frames)) {
  t.test(
    `${family}: pieces follow the first one byte for byte, counted as one packet`,
    async (t) => {
      const world = makeWorld()
      const { sent, verdicts } = world.send(...pieces)
      t.same(
        verdicts,
        pieces.map(() => 'forwarded'),
      )
      t.same(
        sent.map(({ bytes }) => hex(bytes)),
        pieces.map((piece) => hex(relayed(piece, realserverMac(3)))),
      )
      const slot = world.book.balancer.services.head(family === 'IPv4' ? 0 : 1)
      const { destinations } = world.book.balancer
      t.equal(destinations.statistic(slot, STAT_IN_PACKETS), 1)
      // The datagram as Linux counts it, put together: the first fragment as it came, the later
      // ones without their headers.
      const first = pieces[0]!.length - 14
      const headers = family === 'IPv4' ? 34 : 14 + 40 + 8
      const rest = pieces.slice(1).reduce((sum, piece) => sum + piece.length - headers, 0)
      t.equal(destinations.statistic(slot, STAT_IN_BYTES), first + rest)
    },
  )

  t.test(`${family}: pieces ahead of the first wait for it, in any order`, async (t) => {
    const world = makeWorld()
    const [first, ...rest] = pieces as [Uint8Array, ...Uint8Array[]]
    const early = world.send(...rest.toReversed())
    t.same(
      early.verdicts,
      rest.map(() => 'fragment-held'),
    )
    t.same(early.sent, [])
    const { sent, verdicts } = world.send(first)
    t.same(verdicts, ['forwarded'])
    const to = realserverMac(numberOf(sent[0]!))
    const later = world.wait(20).sent
    t.same(
      later.map(({ bytes }) => hex(bytes)).sort(),
      rest.map((piece) => hex(relayed(piece, to))).sort(),
    )
    t.same(world.wait(1000).sent, [], 'once each')
    t.equal(world.director.fragments.kept.count, 0)
    const slot = world.book.balancer.services.head(family === 'IPv4' ? 0 : 1)
    t.equal(world.book.balancer.destinations.statistic(slot, STAT_IN_PACKETS), 1)
  })
}

t.test('pieces whose first one never comes are given up', async (t) => {
  const world = makeWorld()
  world.send(frames.IPv4[1]!)
  t.equal(world.director.fragments.kept.count, 1)
  t.same(world.wait(HELD_MS + 20).sent, [])
  t.equal(world.director.fragments.kept.count, 0)
  t.same(world.send(frames.IPv4[0]!).verdicts, ['forwarded'])
  t.same(world.wait(20).sent, [])
})

t.test('datagrams do not mix: each follows its own first fragment', async (t) => {
  const world = makeWorld()
  const [one, two] = [1, 2].map((id) =>
    buildFragments({ ...withId(id), udp: { sport: 4000 + id, dport: 53 } }, 800),
  )
  const { sent } = world.send(one![0]!, two![0]!)
  const [first, second] = sent.map(numberOf)
  t.not(first, second)
  const rest = world.send(two![1]!, one![1]!, two![2]!, one![2]!).sent.map(numberOf)
  t.same(rest, [second, first, second, first])
})

t.test('pieces of what was refused are not forwarded', async (t) => {
  const world = new World({ services: [{ service: service(53, 'udp'), to: [] }] })
  t.same(world.send(frames.IPv4[0]!).verdicts, ['no-destination'])
  t.same(world.send(frames.IPv4[1]!).verdicts, ['fragment-held'])
  t.same(world.wait(HELD_MS + 20).sent, [])
})

t.test('pieces for a realserver that has not answered wait with the first one', async (t) => {
  const world = makeWorld({ services: [{ service: service(53, 'udp'), to: [2] }], resolved: false })
  world.wait(10)
  t.same(
    world.send(...frames.IPv4).verdicts,
    frames.IPv4.map(() => 'neighbour-held'),
  )
  world.resolve()
  world.send({
    arp: {
      operation: 'reply',
      senderMac: realserverMac(2),
      sender: '192.168.1.2',
      target: '192.168.1.1',
    },
  })
  t.same(
    world.wait(20).sent.map(({ bytes }) => hex(bytes)),
    frames.IPv4.map((piece) => hex(relayed(piece, realserverMac(2)))),
  )
})

t.test('after half a minute an identification is another datagram', async (t) => {
  const world = makeWorld()
  world.send(frames.IPv4[0]!)
  world.now += 30_000
  t.same(world.send(frames.IPv4[1]!).verdicts, ['fragment-held'])
})
