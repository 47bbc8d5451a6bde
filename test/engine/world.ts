/**
 * A small segment around a director, in memory: arms, neighbours that are known, rules, and a clock
 * that the test turns. Frames built with no Ethernet addresses of their own come from the router
 * (02:00:00:00:00:fe) and go to the director's first arm (02:00:00:00:00:01).
 */
import { RuleBook } from '../../src/balance/apply.js'
import { Balancer } from '../../src/balance/balancer.js'
import type { Limits } from '../../src/balance/limits.js'
import { Region } from '../../src/balance/region.js'
import type { Rule, ServiceKey, ServiceProtocol } from '../../src/balance/rule.js'
import { SCHEDULERS } from '../../src/balance/schedulers/index.js'
import type { FollowedKernel } from '../../src/balance/thresholds.js'
import { Director } from '../../src/engine/forward.js'
import { Loop } from '../../src/engine/loop.js'
import type { Arm } from '../../src/engine/port.js'
import { ENDINGS } from '../../src/engine/verdict.js'
import type { Route } from '../../src/link/routes.js'
import {
  type FrameNotes,
  MemoryPort,
  type MemoryPortOptions,
  type SentFrame,
} from '../../src/port/memory.js'
import { formatIpv4, formatMac, parseIpv4, parseIpv6 } from '../../src/wire/address.js'
import { build, DESTINATION_MAC, type FrameSpec, SOURCE_MAC } from '../../src/wire/build.js'

export const VIP = '192.168.1.110'
export const VIP6 = '2001:db8:1::110'
/** A second VIP of each family, without any service. */
export const BARE_VIP = '192.168.1.111'
export const BARE_VIP6 = '2001:db8:1::111'
export const CLIENT = '198.51.100.7'
export const CLIENT6 = '2001:db8:99::7'
export const OUR_MAC = DESTINATION_MAC
export const ROUTER_MAC = SOURCE_MAC
export const SECOND_MAC = '02:00:00:00:01:01'
export const OWN = '192.168.1.1'
export const OWN6 = 'fe80::1'

/** Realserver n: 192.168.1.n, 2001:db8:1::n, MAC 02:00:00:00:00:n. */
export const realserver = (n: number) => `192.168.1.${n}`
export const realserver6 = (n: number) => `2001:db8:1::${n}`
export const realserverMac = (n: number) => formatMac(0x0200, n)

export function words(address: string): Int32Array {
  const out = new Int32Array(4)
  if (address.includes(':')) parseIpv6(address, out)
  else out[0] = parseIpv4(address) as number
  return out
}

const familyOf = (address: string) => (address.includes(':') ? 6 : 4)

export function service(port = 80, protocol: ServiceProtocol = 'tcp', address = VIP): ServiceKey {
  return { protocol, address, port }
}

export interface ServiceSpec {
  readonly service?: ServiceKey
  readonly scheduler?: string
  readonly persistent?: number
  readonly ops?: boolean
  /** Numbers of realservers; with a weight, a method and thresholds where they matter. */
  readonly to?: readonly (number | DestinationSpec)[]
}

export interface DestinationSpec {
  readonly n: number
  readonly weight?: number
  readonly method?: 'route' | 'tunnel' | 'masq'
  readonly upper?: number
  readonly lower?: number
  /** An address of its own instead of realserver n's. */
  readonly address?: string
}

export function addService(spec: ServiceSpec): Rule {
  const key = spec.service ?? service()
  const isSix = 'address' in key ? key.address.includes(':') : key.family === 'inet6'
  return {
    op: 'add-service',
    service: key,
    settings: {
      scheduler: spec.scheduler ?? 'rr',
      persistent: spec.persistent ?? 0,
      netmask: isSix ? '128' : '255.255.255.255',
      ops: spec.ops ?? false,
      pe: '',
      schedulerFlags: 0,
    },
  }
}

export function addDestination(key: ServiceKey, given: number | DestinationSpec): Rule {
  const spec = typeof given === 'number' ? { n: given } : given
  const isSix = 'address' in key && key.address.includes(':')
  const address = spec.address ?? (isSix ? realserver6(spec.n) : realserver(spec.n))
  return {
    op: 'add-destination',
    service: key,
    destination: { address, port: 'port' in key ? key.port : 0 },
    settings: {
      method: spec.method ?? 'route',
      weight: spec.weight ?? 1,
      upperThreshold: spec.upper ?? 0,
      lowerThreshold: spec.lower ?? 0,
    },
  }
}

export function deleteDestination(key: ServiceKey, n: number): Rule {
  const rule = addDestination(key, n)
  if (!('destination' in rule)) throw new Error('no destination')
  return { op: 'delete-destination', service: key, destination: rule.destination }
}

export function rulesOf(services: readonly ServiceSpec[]): Rule[] {
  return services.flatMap((spec) => [
    addService(spec),
    ...(spec.to ?? []).map((each) => addDestination(spec.service ?? service(), each)),
  ])
}

export function route(network: string, prefixBits: number, changes: Partial<Route> = {}): Route {
  return {
    family: familyOf(network) as 4 | 6,
    network: words(network),
    prefixBits,
    kind: 'unicast',
    arm: 0,
    gateway: null,
    mtu: 0,
    ...changes,
  }
}

export interface WorldOptions {
  readonly mode?: 'textbook' | 'kernel'
  readonly quiet?: boolean
  readonly answersPerSecond?: number
  readonly arms?: readonly Partial<Arm>[]
  readonly services?: readonly ServiceSpec[]
  readonly rules?: readonly Rule[]
  readonly routes?: readonly Route[]
  /** VIPs that the kernel of the director holds too. */
  readonly onKernel?: readonly string[]
  readonly announced?: boolean
  /** False: no MAC address of a realserver is known at first. */
  readonly resolved?: boolean
  readonly limits?: Partial<Limits>
  readonly kernel?: FollowedKernel
  /** Its options, or one that was made already. */
  readonly port?: MemoryPortOptions | MemoryPort
  readonly seed?: number
}

export const LIMITS: Limits = {
  services: 16,
  destinations: 64,
  connections4: 256,
  connections6: 256,
  templates: 32,
}

export const ROUTES: readonly Route[] = [
  route('192.168.1.0', 24),
  route('2001:db8:1::', 64),
  route('192.168.1.1', 32, { kind: 'local' }),
]

const SERVICES: readonly ServiceSpec[] = [
  { to: [2, 3] },
  { service: service(80, 'tcp', VIP6), to: [2, 3] },
]

export interface Outcome {
  readonly verdicts: string[]
  /** All that was sent, forwarded frames first. */
  readonly sent: SentFrame[]
}

export class World {
  readonly book: RuleBook
  readonly port: MemoryPort
  readonly director: Director
  readonly loop: Loop
  /** The clock in ms. */
  now = 1000

  constructor(options: WorldOptions = {}) {
    const limits = { ...LIMITS, ...options.limits }
    const region = new Region(new ArrayBuffer(Balancer.bytes(limits)))
    const kernel = options.kernel === undefined ? {} : { kernel: options.kernel }
    this.book = new RuleBook(region, limits, options.seed ?? 1, SCHEDULERS, kernel)
    const arms = options.arms ?? [{ macHigh: 0x0200, macLow: 1 }]
    this.port =
      options.port instanceof MemoryPort ? options.port : new MemoryPort({ ...options.port, arms })
    this.director = new Director({
      rules: this.book,
      arms: this.port.arms,
      outbox: this.port.outbox,
      mode: options.mode ?? 'textbook',
      quiet: options.quiet ?? false,
      answersPerSecond: options.answersPerSecond ?? Number.POSITIVE_INFINITY,
      own: arms.map(() => ({ ipv4: words(OWN)[0] as number, ipv6: words(OWN6) })),
    })
    this.loop = new Loop(this.port, this.director, () => this.now)
    this.director.setVips(
      [VIP, BARE_VIP, VIP6, BARE_VIP6].map((address) => ({
        family: familyOf(address) as 4 | 6,
        words: words(address),
        onKernel: options.onKernel?.includes(address) ?? false,
        announced: options.announced ?? true,
      })),
    )
    // New VIPs are announced; that has a test of its own, and would be in the way of all others.
    this.director.resolver.announce([], 0, this.now)
    this.director.setRoutes(options.routes ?? ROUTES)
    this.apply(...(options.rules ?? rulesOf(options.services ?? SERVICES)))
    if (options.resolved ?? true) this.resolve()
  }

  apply(...rules: readonly Rule[]): void {
    this.director.begin(this.now)
    for (const rule of rules) this.director.apply(rule)
  }

  /**
   * Makes the MAC address of every neighbour known for good: that of realserver n for 192.168.1.n.
   */
  resolve(): void {
    const { neighbours } = this.director
    for (let slot = 0; slot < neighbours.highWater; slot++) {
      const last = neighbours.address(slot, neighbours.family(slot) === 4 ? 0 : 3)
      neighbours.pin(slot, 0x0200, last & 0xff)
    }
  }

  /** Puts frames in, lets the director breathe until all are settled, and tells what came of it. */
  send(...frames: readonly (FrameSpec | Uint8Array)[]): Outcome {
    return this.sendOn(0, {}, ...frames)
  }

  sendOn(arm: number, notes: FrameNotes, ...frames: readonly (FrameSpec | Uint8Array)[]): Outcome {
    this.clear()
    for (const frame of frames) {
      this.port.inject(frame instanceof Uint8Array ? frame : build(frame), arm, notes)
    }
    const before = this.loop.frames
    while (this.loop.frames < before + frames.length) this.loop.breathe()
    return this.outcome()
  }

  /** Lets time pass in steps of 10 ms, or of `step` where much of it passes. */
  wait(ms: number, step = 10): Outcome {
    this.clear()
    const until = this.now + ms
    while (this.now < until) {
      this.now = Math.min(until, this.now + step)
      this.loop.breathe()
    }
    return this.outcome()
  }

  private clear(): void {
    this.port.sent.length = 0
    this.port.verdicts.length = 0
  }

  private outcome(): Outcome {
    const { sent, verdicts } = this.port
    const forwarded = sent.filter((each) => each.origin === 'forwarded')
    const own = sent.filter((each) => each.origin === 'own')
    return {
      verdicts: verdicts.map((each) => ENDINGS[each]?.name ?? `verdict ${each}`),
      sent: [...forwarded, ...own],
    }
  }

  /** Frames by the name of their verdict, without zeros. */
  counts(): Record<string, number> {
    const pairs = ENDINGS.map((e, i) => [e.name, this.loop.counts[i] ?? 0] as const)
    return Object.fromEntries(pairs.filter(([, count]) => count > 0))
  }
}

/** The frame as it leaves for the machine with this MAC address: 12 bytes are other ones. */
export function relayed(frame: Uint8Array, to: string, from = OUR_MAC): Uint8Array {
  const copy = frame.slice()
  copy.set(macBytes(to), 0)
  copy.set(macBytes(from), 6)
  return copy
}

export function macBytes(mac: string): number[] {
  return mac.split(':').map((digits) => Number.parseInt(digits, 16))
}

export const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Last byte of the MAC address that a frame goes to: the number of its realserver. */
export const numberOf = (frame: SentFrame) => frame.bytes[5] as number

export { build, type FrameSpec, formatIpv4 }
