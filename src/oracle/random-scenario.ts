/** Random scenarios: kind and seed fix all of one. */
import type { Arguments, Listing, MarkRule } from '../conform/recording.js'
import { Chance } from './chance.js'
import { type Point, RandomService, SCHEDULERS } from './random-service.js'
import { RandomTraffic } from './random-traffic.js'
import type { Scenario, ScenarioStep } from './scenario.js'

export const KINDS = ['ipv4', 'ipv6', 'sctp', 'fwmark'] as const
export type Kind = (typeof KINDS)[number]

/** Settings that decide about packets. What says how is set first. */
const SETTINGS: readonly Readonly<Record<string, string>>[] = [
  { conn_reuse_mode: '0' },
  { conn_reuse_mode: '2' },
  { expire_nodest_conn: '1' },
  { expire_quiescent_template: '1' },
  { sloppy_tcp: '1' },
  { sloppy_sctp: '1' },
  { schedule_icmp: '1' },
  { secure_tcp: '3' },
  { am_droprate: '3', drop_packet: '3' },
  { am_droprate: '1', drop_packet: '3' },
]
const SERVERS = Array.from({ length: 58 }, (_, i) => i + 2)
/** A connection of one INIT lasts four seconds: scenarios with SCTP are short. */
const PACKETS = { ipv4: [40, 160], ipv6: [40, 120], sctp: [40, 80], fwmark: [40, 110] } as const

export function generate(kind: Kind, seed: number): Scenario {
  return new Maker(kind, seed).scenario()
}

class Maker {
  readonly #kind: Kind
  readonly #seed: number
  readonly #chance: Chance
  readonly #scheduler: string
  readonly #vips: readonly string[]
  readonly #marks: MarkRule[] = []
  readonly #services: RandomService[] = []
  readonly #setup: Arguments[] = []
  readonly #steps: ScenarioStep[] = []
  /**
   * Counters began anew. Linux begins at what it had when it last summed them up, up to two seconds
   * before, so nobody can tell what it will show.
   */
  #isZeroed = false
  /** Servers that services have, or may get. */
  readonly #servers: readonly number[]

  constructor(kind: Kind, seed: number) {
    this.#kind = kind
    this.#seed = seed
    this.#chance = new Chance(`${kind} ${seed}`)
    const chance = this.#chance
    this.#scheduler = chance.of(SCHEDULERS)
    this.#servers = chance.some(SERVERS, 8)
    const isIpv6 = kind === 'ipv6' || (kind !== 'ipv4' && chance.is(0.35))
    // What remembers destination addresses has something to remember.
    const count = chance.is(['dh', 'lblc', 'lblcr'].includes(this.#scheduler) ? 0.7 : 0.15)
      ? chance.between(2, 5)
      : 1
    this.#vips = Array.from({ length: count }, (_, i) =>
      isIpv6 ? `2001:db8:1::${(0x100 + i).toString(16)}` : `192.168.1.${100 + i}`,
    )
    if (kind === 'fwmark') this.#addMarked()
    else this.#addPlain()
    for (const service of this.#services) {
      this.#setup.push(service.add())
      for (const server of chance.some(this.#servers, chance.between(2, 6))) {
        this.#setup.push(service.addServer(server))
      }
    }
  }

  scenario(): Scenario {
    const chance = this.#chance
    if (chance.is(0.35)) this.#steps.push({ sysctl: chance.of(SETTINGS) })
    const traffic = new RandomTraffic(chance, this.#services)
    const [low, high] = PACKETS[this.#kind]
    const target = chance.between(low, high)
    const isWithTimeouts = this.#kind === 'ipv4' && chance.is(0.04)
    if (isWithTimeouts) this.#run(['--set', '6', '6', '6'])
    let packets = 0
    while (packets < target) {
      if (chance.is(0.05)) this.#change()
      if (chance.is(0.02)) this.#list(chance.of(['Ln', 'Lnc']))
      for (const send of traffic.next()) {
        const { dst, ...rest } = send
        this.#steps.push({ send: dst === this.#vips[0] ? rest : send })
        packets++
      }
    }
    if (isWithTimeouts) this.#steps.push({ sleep_ms: 7500 })
    for (const listing of ['Ln', 'Lnc', 'Sn', 'thresholds', 'persistent', 'timeout'] as const) {
      this.#list(listing)
    }
    if (!this.#isZeroed && chance.is(0.3)) this.#list('stats')
    return {
      name: `${this.#kind}-${this.#scheduler}-${this.#seed}`,
      about: `random, ${this.#kind}, seed ${this.#seed}: ${this.#setup[0].join(' ')}`,
      seed: this.#seed,
      vip: this.#vips[0],
      ...(this.#vips.length > 1 ? { more_vips: this.#vips.slice(1) } : {}),
      ...(this.#marks.length > 0 ? { marks: this.#marks } : {}),
      setup: this.#setup,
      steps: this.#steps,
    }
  }

  #addPlain(): void {
    const chance = this.#chance
    const proto =
      this.#kind === 'sctp' ? 'sctp' : chance.of<Point['proto']>(['tcp', 'tcp', 'tcp', 'udp'])
    const port = chance.of([80, 443, 8080, 53, 5060])
    for (const vip of this.#vips) this.#add({ proto, vip, low: port, high: port }, this.#scheduler)
    const [vip] = this.#vips
    if (chance.is(0.5)) {
      const other = proto === 'tcp' ? chance.of<Point['proto']>(['udp', 'sctp']) : 'tcp'
      this.#add({ proto: other, vip, low: port, high: port }, chance.of(SCHEDULERS))
    }
    if (chance.is(0.3)) {
      this.#add({ proto, vip, low: port + 1, high: port + 1 }, chance.of(SCHEDULERS))
    }
  }

  #add(point: Point, scheduler: string): void {
    this.#services.push(new RandomService(this.#chance, [point], scheduler))
  }

  #addMarked(): void {
    const chance = this.#chance
    const ranges = chance.of([
      [
        [80, 80],
        [443, 443],
      ],
      [[8000, 8015]],
      [[53, 53]],
      [
        [21, 21],
        [1024, 1034],
      ],
    ])
    const count = chance.is(0.4) ? 2 : 1
    for (let i = 0; i < count; i++) {
      const mark = chance.of([1, 100, 0x7fffffff]) - i
      if (mark === 0) continue
      const protos = chance.of<Point['proto'][]>([
        ['tcp'],
        ['tcp', 'udp'],
        ['udp'],
        ['tcp', 'sctp'],
      ])
      const points = protos.flatMap((proto) =>
        this.#vips.flatMap((vip) =>
          ranges.map(([low, high]) => ({
            proto,
            vip,
            low: low + i * 10_000,
            high: high + i * 10_000,
          })),
        ),
      )
      for (const { proto, vip, low, high } of points) {
        this.#marks.push({ proto, dst: vip, dports: [low, high], mark })
      }
      const scheduler = i === 0 ? this.#scheduler : chance.of(SCHEDULERS)
      this.#services.push(new RandomService(chance, points, scheduler, mark))
    }
    if (chance.is(0.4)) {
      const [{ vip, low }] = this.#services[0].points
      this.#add({ proto: 'tcp', vip, low, high: low }, chance.of(SCHEDULERS))
    }
  }

  #change(): void {
    const chance = this.#chance
    const service = chance.of([this.#services[0], ...this.#services])
    const present = [...service.servers]
    const spare = this.#servers.filter((server) => !service.servers.has(server))
    chance.weighed<() => void>([
      [45, () => present.length > 0 && this.#run(service.editServer(chance.of(present)))],
      [20, () => present.length > 0 && this.#removeServer(service, chance.of(present))],
      [25, () => spare.length > 0 && this.#run(service.addServer(chance.of(spare)))],
      [6, () => this.#run(service.edit())],
      [3, () => this.#run(service.edit(chance.of(SCHEDULERS)))],
      [2, () => this.#again(service, present)],
      [1, () => this.#zero()],
    ])()
  }

  /** Takes a service away, and makes it again with its servers. */
  #again(service: RandomService, servers: readonly number[]): void {
    this.#isZeroed = true
    this.#run(service.remove())
    this.#run(service.add())
    for (const server of servers) this.#run(service.addServer(server))
  }

  #removeServer(service: RandomService, server: number): void {
    this.#isZeroed = true
    this.#run(service.removeServer(server))
  }

  #zero(): void {
    this.#isZeroed = true
    this.#run(['-Z'])
  }

  #run(args: Arguments): void {
    this.#steps.push({ run: args })
  }

  #list(listing: Listing): void {
    this.#steps.push({ snapshot: listing })
  }
}
