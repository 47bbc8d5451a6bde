/**
 * Random rules and packets through the director and through the model. After each batch: the same
 * verdicts and realservers, the same active and inactive counts, the same connections; and what
 * must hold whatever the model says: a live connection keeps its destination, every frame is
 * counted once.
 *
 * The seed is a new one each day, and printed.
 */
import t from 'tap'
import type { Rule } from '../../src/balance/rule.js'
import { Chance } from '../fuzz/chance.js'
import { ModelDirector, type ModelPacket } from './model-director.js'
import {
  addDestination,
  addService,
  deleteDestination,
  numberOf,
  realserver,
  service,
  VIP,
  World,
} from './world.js'

const DAY_MS = 86_400_000
const seed = Number(process.env.UIPVS_TEST_SEED ?? Math.floor(Date.now() / DAY_MS))
const RUNS = 40
const BATCHES = 120

const KEYS = ['tcp 80', 'tcp 81', 'udp 53'] as const
const CLIENTS = ['198.51.100.1', '198.51.100.2', '203.0.113.9']
const FLAGS = ['S', 'S', 'A', 'A', 'A', 'FA', 'R', 'SA', 'PA', '.', 'F', 'RA', 'SF']
/** Just before, at and after what times out. */
const WAITS_MS = [10, 10, 20, 990, 3000, 9_990, 10_000, 59_990, 60_000, 120_010, 300_000, 900_010]

function keyOf(key: string) {
  const [protocol, port] = key.split(' ') as ['tcp' | 'udp', string]
  return service(Number(port), protocol)
}

/** The same change for both; whether they agree that it makes sense. */
function change(world: World, model: ModelDirector, chance: Chance): string | null {
  const key = chance.pick(KEYS)
  const n = 2 + chance.below(4)
  const weight = chance.pick([0, 1, 1, 2, 3, 4, 6])
  const upper = chance.pick([0, 0, 0, 1, 2, 4])
  const add = addDestination(keyOf(key), { n, weight, upper })
  const scheduler = chance.pick(['rr', 'wrr', 'lc', 'wlc'])
  const changes: [name: string, rule: Rule, expected: () => boolean][] = [
    [
      'add-service',
      addService({ service: keyOf(key), scheduler }),
      () => model.addService(key, scheduler),
    ],
    ['add', add, () => model.add(key, n, weight, upper)],
    ['add', add, () => model.add(key, n, weight, upper)],
    ['edit', { ...add, op: 'edit-destination' } as Rule, () => model.edit(key, n, weight, upper)],
    ['delete', deleteDestination(keyOf(key), n), () => model.delete(key, n)],
  ]
  if (chance.oneIn(8)) {
    changes.push([
      'delete-service',
      { op: 'delete-service', service: keyOf(key) },
      () => model.deleteService(key),
    ])
  }
  const [name, rule, expected] = chance.pick(changes)
  let isAccepted = true
  try {
    world.apply(rule)
    world.resolve()
  } catch {
    isAccepted = false
  }
  return expected() === isAccepted
    ? null
    : `${name} ${key} ${n}: ${isAccepted ? 'accepted' : 'refused'}`
}

function anyPacket(chance: Chance): ModelPacket {
  const protocol = chance.pick(['tcp', 'tcp', 'udp'] as const)
  return {
    protocol,
    client: chance.pick(CLIENTS),
    sport: 4000 + chance.below(4),
    dport: protocol === 'udp' ? chance.pick([53, 54]) : chance.pick([80, 80, 81, 82]),
    flags: protocol === 'udp' ? '' : chance.pick(FLAGS),
  }
}

function run(runSeed: number): string | null {
  const chance = new Chance(runSeed)
  const world = new World({ rules: [] })
  const model = new ModelDirector()
  const { balancer } = world.book
  /** Where each live connection went, by its slot and use. */
  const homes = new Map<string, number>()
  for (let batch = 0; batch < BATCHES; batch++) {
    for (let i = chance.below(3); i > 0; i--) {
      const difference = change(world, model, chance)
      if (difference !== null) return `batch ${batch}: ${difference}`
    }
    world.now += chance.pick(WAITS_MS)
    model.tick = world.now / 10
    const packets = Array.from({ length: chance.below(12) }, () => anyPacket(chance))
    const expected = packets.map((packet) => model.packet(packet))
    const { verdicts, sent } = world.send(
      ...packets.map(({ protocol, client, sport, dport, flags }) => ({
        ipv4: { source: client, destination: VIP },
        [protocol]: { sport, dport, flags: flags || '.' },
      })),
    )
    if (packets.length === 0) world.loop.breathe()
    model.expire()
    const forwarded = sent.filter(({ origin }) => origin === 'forwarded')
    const got = verdicts.map((name) =>
      name === 'forwarded' ? `${name} ${numberOf(forwarded.shift() as never)}` : name,
    )
    for (const [i, each] of got.entries()) {
      if (each === expected[i]) continue
      return `batch ${batch}, ${JSON.stringify(packets[i])}: ${each}, the model says ${expected[i]}`
    }
    for (const [name, destination] of model.destinations) {
      const slot = slotOf(world, name)
      const { destinations } = balancer
      const counts = [destinations.active(slot), destinations.inactive(slot)]
      const active = model.active(destination)
      const wanted = [active, model.total(destination) - active]
      if (counts.join() !== wanted.join()) {
        return `batch ${batch}: ${name} has ${counts}, the model says ${wanted}`
      }
    }
    const table = balancer.connections4
    if (table.count !== model.connections.length) {
      return `batch ${batch}: ${table.count} connections, the model has ${model.connections.length}`
    }
    const live = new Set<string>()
    for (let slot = 0; slot < table.highWater; slot++) {
      if (!table.isUsed(slot)) continue
      const id = `${slot} ${table.ports(slot)} ${table.client(slot)} ${table.use(slot)}`
      live.add(id)
      const home = homes.get(id)
      if (home !== undefined && home !== table.destination(slot)) return `${id} has moved`
      homes.set(id, table.destination(slot))
    }
    for (const id of homes.keys()) if (!live.has(id)) homes.delete(id)
    const sum = world.loop.counts.reduce((all, count) => all + count, 0)
    if (sum !== world.loop.frames) return `batch ${batch}: ${sum} of ${world.loop.frames} frames`
  }
  return null
}

/** The slot of a destination, by its service and number, be it in the trash. */
function slotOf(world: World, name: string): number {
  const [protocol, port, n] = name.split(' ') as [string, string, string]
  const { destinations } = world.book.balancer
  return world.book.destinationNames.findIndex(
    (names, slot) =>
      names?.address === realserver(Number(n)) &&
      destinations.port(slot) === Number(port) &&
      destinations.protocol(slot) === (protocol === 'tcp' ? 6 : 17),
  )
}

t.comment(`seed ${seed}; UIPVS_TEST_SEED=${seed} gives the same runs again`)

t.test('director and model agree', async (t) => {
  for (let i = 0; i < RUNS; i++) {
    const difference = run(Math.imul(seed, 7919) + i)
    if (difference !== null) return t.fail(`run ${i} of seed ${seed}: ${difference}`)
  }
  t.pass(`${RUNS} runs of ${BATCHES} batches`)
})

t.test('the model would notice', async (t) => {
  const model = new ModelDirector()
  model.addService('tcp 80', 'rr')
  model.add('tcp 80', 2, 1, 0)
  model.add('tcp 80', 3, 1, 0)
  const syn = (sport: number) =>
    model.packet({ protocol: 'tcp', client: 'a', sport, dport: 80, flags: 'S' })
  t.same([syn(1), syn(2), syn(1)], ['forwarded 3', 'forwarded 2', 'forwarded 3'])
  model.tick = 6000
  model.expire()
  t.equal(model.connections.length, 0)
})
