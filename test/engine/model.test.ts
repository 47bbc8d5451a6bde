/**
 * Random rules, settings and packets through the director and through the model, in both families
 * and as both kernels. After each batch: the same verdicts and realservers, the same active,
 * inactive and persistent counts, the same connections and templates; and what must hold whatever
 * the model says: a live connection keeps its destination, active counts are those of the table,
 * every frame is counted once.
 *
 * The seed is a new one each day, and printed.
 */
import t from 'tap'
import { FLAG_INACTIVE } from '../../src/balance/connection.js'
import type { Rule } from '../../src/balance/rule.js'
import type { FollowedKernel } from '../../src/balance/thresholds.js'
import { Chance } from '../fuzz/chance.js'
import { ModelDirector, type ModelPacket, SCTP_EVENTS } from './model-director.js'
import { MODEL_SCHEDULERS } from './model-schedulers.js'
import {
  addDestination,
  addService,
  deleteDestination,
  type FrameSpec,
  numberOf,
  realserver,
  realserver6,
  service,
  VIP,
  VIP6,
  World,
} from './world.js'

const DAY_MS = 86_400_000
const seed = Number(process.env.UIPVS_TEST_SEED ?? Math.floor(Date.now() / DAY_MS))
const RUNS = 40
const BATCHES = 150

const KEYS = ['tcp 80', 'tcp 81', 'udp 53', 'sctp 90'] as const
const FLAGS = ['S', 'S', 'A', 'A', 'A', 'FA', 'R', 'SA', 'PA', '.', 'F', 'RA', 'SF']
const CHUNKS: Record<string, { type: number; value: number }> = {
  DATA: { type: 0, value: 16 },
  INIT: { type: 1, value: 16 },
  ECHO: { type: 10, value: 8 },
  SHUT: { type: 7, value: 4 },
  'SHUT-ACK': { type: 8, value: 0 },
  'SHUT-DONE': { type: 14, value: 0 },
  ABORT: { type: 6, value: 0 },
}
/** Just before, at and after what times out. */
const WAITS_MS = [
  10, 10, 10, 10, 10, 10, 20, 20, 100, 990, 3000, 4000, 9_990, 10_000, 19_990, 59_990, 60_000,
  120_010, 300_000, 900_010,
]
const SETTINGS: readonly [name: string, values: readonly number[]][] = [
  ['conn_reuse_mode', [0, 1, 1, 2, 3]],
  ['expire_nodest_conn', [0, 1]],
  ['expire_quiescent_template', [0, 1]],
  ['sloppy_tcp', [0, 0, 1]],
]

/** What is different in the two families. */
const FAMILIES = {
  IPv4: {
    clients: ['198.51.100.1', '198.51.100.2', '203.0.113.9'],
    network: (client: string) => client.replace(/\.\d+$/, ''),
    netmask: '255.255.255.0',
    vip: VIP,
    realserver,
    header: (client: string): FrameSpec => ({ ipv4: { source: client, destination: VIP } }),
  },
  IPv6: {
    clients: ['2001:db8:99::7', '2001:db8:99::8', '2001:db8:98::1'],
    network: (client: string) => client.replace(/::.*$/, ''),
    netmask: '64',
    vip: VIP6,
    realserver: realserver6,
    header: (client: string): FrameSpec => ({ ipv6: { source: client, destination: VIP6 } }),
  },
}
type Family = keyof typeof FAMILIES

/** One director and its model. */
class Pair {
  readonly world: World
  readonly model: ModelDirector
  readonly family: (typeof FAMILIES)[Family]
  /** Where each live connection went, by its slot and use. */
  readonly homes = new Map<string, number>()
  readonly isSix: boolean

  constructor(family: Family, kernel: FollowedKernel) {
    this.family = FAMILIES[family]
    this.isSix = family === 'IPv6'
    this.world = new World({ rules: [], kernel })
    this.model = new ModelDirector(kernel, this.family.network)
  }

  keyOf(key: string) {
    const [protocol, port] = key.split(' ') as ['tcp' | 'udp' | 'sctp', string]
    return service(Number(port), protocol, this.family.vip)
  }

  /** A service of each kind with three destinations: there is traffic from the beginning. */
  begin(chance: Chance): void {
    for (const key of KEYS) {
      const scheduler = chance.pick(MODEL_SCHEDULERS)
      const persistent = chance.pick([0, 0, 20])
      this.apply(this.addService(key, scheduler, persistent))
      this.model.addService(key, scheduler, persistent)
      for (const n of [2, 3, 4]) {
        const limits = { weight: chance.pick([1, 1, 2, 5]), upper: chance.pick([0, 3]), lower: 0 }
        this.apply(addDestination(this.keyOf(key), { n, ...limits }))
        this.model.add(key, n, limits)
      }
    }
  }

  /** The same change for both; what they do not agree on, or null. */
  change(chance: Chance): string | null {
    const { model } = this
    if (chance.oneIn(6)) return this.set(chance)
    const key = chance.pick(KEYS)
    const n = 2 + chance.below(4)
    const weight = chance.pick([0, 0, 0, 1, 2, 3, 6])
    const upper = chance.pick([0, 0, 0, 1, 2, 4])
    const lower = chance.below(upper + 1)
    const limits = { weight, upper, lower }
    const add = addDestination(this.keyOf(key), { n, ...limits })
    const scheduler = chance.pick(MODEL_SCHEDULERS)
    const persistent = chance.pick([0, 0, 20, 300])
    const changes: [name: string, rule: Rule, expected: () => boolean][] = [
      [
        'add-service',
        this.addService(key, scheduler, persistent),
        () => model.addService(key, scheduler, persistent),
      ],
      ['add', add, () => model.add(key, n, limits)],
      ['add', add, () => model.add(key, n, limits)],
      ['edit', { ...add, op: 'edit-destination' } as Rule, () => model.edit(key, n, limits)],
      ['edit', { ...add, op: 'edit-destination' } as Rule, () => model.edit(key, n, limits)],
      ['delete', deleteDestination(this.keyOf(key), n), () => model.delete(key, n)],
    ]
    if (chance.oneIn(8)) {
      const rule: Rule = { op: 'delete-service', service: this.keyOf(key) }
      changes.push(['delete-service', rule, () => model.deleteService(key)])
    }
    const [name, rule, expected] = chance.pick(changes)
    const isAccepted = this.apply(rule)
    if (expected() === isAccepted) return null
    return `${name} ${key} ${n}: ${isAccepted ? 'accepted' : 'refused'}`
  }

  addService(key: string, scheduler: string, persistent: number): Rule {
    const rule = addService({ service: this.keyOf(key), scheduler, persistent })
    if (rule.op !== 'add-service') throw new Error('no service')
    return { ...rule, settings: { ...rule.settings, netmask: this.family.netmask } }
  }

  set(chance: Chance): null {
    const [name, values] = chance.pick(SETTINGS)
    const value = chance.pick(values)
    this.model.sysctls[name] = value
    this.world.apply({ op: 'set-sysctl', name, value: `${value}` })
    return null
  }

  apply(rule: Rule): boolean {
    try {
      this.world.apply(rule)
      this.world.resolve()
      return true
    } catch {
      return false
    }
  }

  anyPacket(chance: Chance): ModelPacket {
    const protocol = chance.pick(['tcp', 'tcp', 'tcp', 'udp', 'sctp'] as const)
    const ports = { tcp: [80, 80, 81, 82], udp: [53, 54], sctp: [90, 91] }
    const events = { tcp: FLAGS, udp: [''], sctp: [...SCTP_EVENTS, 'INIT', 'ECHO'] }
    return {
      protocol,
      client: chance.pick(this.family.clients),
      sport: 4000 + chance.below(2),
      dport: chance.pick(ports[protocol]),
      event: chance.pick(events[protocol]),
    }
  }

  frameOf({ protocol, client, sport, dport, event }: ModelPacket): FrameSpec {
    const header = this.family.header(client)
    if (protocol === 'tcp') return { ...header, tcp: { sport, dport, flags: event } }
    if (protocol === 'udp') return { ...header, udp: { sport, dport } }
    return { ...header, sctp: { sport, dport, chunks: [CHUNKS[event] as never] } }
  }

  /** Packets for both; where they went otherwise, or null. */
  send(packets: readonly ModelPacket[]): string | null {
    const { world, model } = this
    const expected = packets.map((packet) => model.packet(packet))
    const { verdicts, sent } = world.send(...packets.map((packet) => this.frameOf(packet)))
    if (packets.length === 0) world.loop.breathe()
    model.expire()
    const forwarded = sent.filter(({ origin }) => origin === 'forwarded')
    for (const [i, verdict] of verdicts.entries()) {
      const to = verdict === 'forwarded' ? ` ${numberOf(forwarded.shift() as never)}` : ''
      if (`${verdict}${to}` === expected[i]) continue
      return `${JSON.stringify(packets[i])}: ${verdict}${to}, the model says ${expected[i]}`
    }
    return null
  }

  /** What the tables say otherwise than the model, or null. */
  compare(): string | null {
    const { world, model } = this
    const { balancer } = world.book
    const { destinations, templates } = balancer
    for (const [name, destination] of model.destinations) {
      const slot = this.slotOf(name)
      const counts = [destinations.active(slot), destinations.inactive(slot)]
      const active = model.active(destination)
      const wanted = [active, model.total(destination) - active, model.persistent(destination)]
      counts.push(destinations.persistent(slot))
      if (counts.join() !== wanted.join()) return `${name} has ${counts}, the model says ${wanted}`
    }
    const table = this.isSix ? balancer.connections6 : balancer.connections4
    const [ours, theirs] = [
      [table.count, templates.count],
      [model.connections.length, model.templates.length],
    ]
    if (ours.join() === theirs.join()) return null
    return `${ours} connections and templates, the model has ${theirs}`
  }

  /** What must hold by itself; what does not, or null. */
  invariants(): string | null {
    const { world, homes } = this
    const { balancer } = world.book
    const table = this.isSix ? balancer.connections6 : balancer.connections4
    const live = new Set<string>()
    const active = new Map<number, number>()
    for (let slot = 0; slot < table.highWater; slot++) {
      if (!table.isUsed(slot)) continue
      const id = `${slot} ${table.ports(slot)} ${table.client(slot)} ${table.use(slot)}`
      const destination = table.destination(slot)
      live.add(id)
      if ((homes.get(id) ?? destination) !== destination) return `${id} has moved`
      homes.set(id, destination)
      const one = table.hasFlag(slot, FLAG_INACTIVE) ? 0 : 1
      active.set(destination, (active.get(destination) ?? 0) + one)
    }
    for (const id of homes.keys()) if (!live.has(id)) homes.delete(id)
    for (const [destination, count] of active) {
      if (balancer.destinations.active(destination) !== count) return `active of ${destination}`
    }
    const sum = world.loop.counts.reduce((all, count) => all + count, 0)
    return sum === world.loop.frames ? null : `${sum} of ${world.loop.frames} frames`
  }

  /** The slot of a destination, by its service and number, be it in the trash. */
  slotOf(name: string): number {
    const [protocol, port, n] = name.split(' ') as [string, string, string]
    const { destinations } = this.world.book.balancer
    const number = { tcp: 6, udp: 17, sctp: 132 }[protocol]
    return this.world.book.destinationNames.findIndex(
      (names, slot) =>
        names?.address === this.family.realserver(Number(n)) &&
        destinations.port(slot) === Number(port) &&
        destinations.protocol(slot) === number,
    )
  }
}

function run(family: Family, kernel: FollowedKernel, runSeed: number): string | null {
  const chance = new Chance(runSeed)
  const pair = new Pair(family, kernel)
  pair.begin(chance)
  for (let batch = 0; batch < BATCHES; batch++) {
    let wrong: string | null = null
    if (chance.oneIn(2)) wrong = pair.change(chance)
    pair.world.now += chance.pick(WAITS_MS)
    pair.model.tick = pair.world.now / 10
    const packets = Array.from({ length: chance.below(16) }, () => pair.anyPacket(chance))
    wrong ??= pair.send(packets) ?? pair.compare() ?? pair.invariants()
    if (wrong !== null) return `batch ${batch}: ${wrong}`
  }
  return null
}

t.comment(`seed ${seed}; UIPVS_TEST_SEED=${seed} gives the same runs again`)

for (const family of ['IPv4', 'IPv6'] as const) {
  for (const kernel of ['6.1.176', '6.1.192'] as const) {
    t.test(`director and model agree: ${family}, Linux ${kernel}`, async (t) => {
      for (let i = 0; i < RUNS; i++) {
        const difference = run(family, kernel, Math.imul(seed, 7919) + i)
        if (difference !== null) return t.fail(`run ${i} of seed ${seed}: ${difference}`)
      }
      t.pass(`${RUNS} runs of ${BATCHES} batches`)
    })
  }
}

t.test('the model would notice', async (t) => {
  const model = new ModelDirector()
  const limits = { weight: 1, upper: 0, lower: 0 }
  model.addService('tcp 80', 'rr', 0)
  model.add('tcp 80', 2, limits)
  model.add('tcp 80', 3, limits)
  const syn = (sport: number) =>
    model.packet({ protocol: 'tcp', client: 'a', sport, dport: 80, event: 'S' })
  t.same([syn(1), syn(2), syn(1)], ['forwarded 3', 'forwarded 2', 'forwarded 3'])
  model.tick = 6000
  model.expire()
  t.equal(model.connections.length, 0)
})
