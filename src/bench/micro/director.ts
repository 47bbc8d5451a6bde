/** A director over a memory port, with one TCP service and three realservers of known MACs. */
import { RuleBook } from '../../balance/apply.js'
import { Balancer } from '../../balance/balancer.js'
import type { Limits } from '../../balance/limits.js'
import { Region } from '../../balance/region.js'
import type { ServiceKey } from '../../balance/rule.js'
import { SCHEDULERS } from '../../balance/schedulers/index.js'
import { Director } from '../../engine/forward.js'
import { Loop } from '../../engine/loop.js'
import { FORWARDED } from '../../engine/verdict.js'
import { mapPrivate } from '../../native/mapping.js'
import { MemoryPort } from '../../port/memory.js'
import { parseIpv4, parseIpv6 } from '../../wire/address.js'
import { inOrder, VIP, VIP6 } from './frames.js'

export const SEED = 0x5eed

export interface Bench {
  readonly loop: Loop
  readonly port: MemoryPort
  readonly director: Director
  readonly book: RuleBook
  /** The clock of the loop, in ms: it stands still unless it is moved. */
  readonly clock: { now: number }
}

export function limitsFor(connections: number): Limits {
  return {
    services: 16,
    destinations: 64,
    connections4: connections,
    connections6: 16,
    templates: 16,
  }
}

/** Memory as the thread engine has it. */
export function tableMemory(bytes: number, hugePages: boolean): ArrayBuffer {
  return mapPrivate(bytes, 'tables', hugePages).buffer
}

const SERVICE = { protocol: 'tcp', address: VIP, port: 80 } as const
const SERVICE6 = { protocol: 'tcp', address: VIP6, port: 80 } as const
const rip = (n: number) => `192.168.1.${n}`
const rip6 = (n: number) => `2001:db8:1::${n}`

export function addRules(
  apply: (rule: Parameters<RuleBook['apply']>[0]) => void,
  service: ServiceKey = SERVICE,
  addressOf = rip,
): void {
  const settings = {
    scheduler: 'wlc',
    persistent: 0,
    netmask: service === SERVICE6 ? '128' : '255.255.255.255',
    ops: false,
    pe: '',
    schedulerFlags: 0,
  }
  apply({ op: 'add-service', service, settings })
  for (let n = 2; n <= 4; n++) {
    apply({
      op: 'add-destination',
      service,
      destination: { address: addressOf(n), port: 80 },
      settings: { method: 'route', weight: 1, upperThreshold: 0, lowerThreshold: 0 },
    })
  }
}

/**
 * `region` holds `Balancer.bytes(limits)`; `ring`: the frames that come when no others wait. The
 * batch that they come in is then the usual one of the loop, as those of a wire are.
 */
export function makeDirector(
  region: Region,
  limits: Limits,
  ring: readonly Uint8Array[] = [],
  clock = { now: 1000 },
): Bench {
  const book = new RuleBook(region, limits, SEED, SCHEDULERS)
  const port = new MemoryPort({ discard: true, batch: 64 })
  if (ring.length > 0) port.preload(ring)
  const director = new Director({
    rules: book,
    arms: port.arms,
    outbox: port.outbox,
    mode: 'textbook',
  })
  const words = (address: string) => Int32Array.of(parseIpv4(address) as number, 0, 0, 0)
  const network = words('192.168.1.0')
  const words6 = (address: string) => {
    const out = new Int32Array(4)
    parseIpv6(address, out)
    return out
  }
  const onLink = { kind: 'unicast', arm: 0, gateway: null, mtu: 0 } as const
  director.setRoutes([
    { family: 4, network, prefixBits: 24, ...onLink },
    { family: 6, network: words6('2001:db8:1::'), prefixBits: 64, ...onLink },
  ])
  director.setVips([
    { family: 4, words: words(VIP), onKernel: false, announced: false },
    { family: 6, words: words6(VIP6), onKernel: false, announced: false },
  ])
  addRules((rule) => director.apply(rule))
  addRules((rule) => director.apply(rule), SERVICE6, rip6)
  // The ring hands out the same frames again and again: "realservers" with the director's own MAC
  // address leave them addressed to it.
  const { macHigh, macLow } = port.arms[0]
  for (let slot = 0; slot < director.neighbours.highWater; slot++)
    director.neighbours.pin(slot, macHigh, macLow)
  return { loop: new Loop(port, director, () => clock.now), port, director, book, clock }
}

export interface Room {
  readonly connections: number
  readonly connections6?: number
  readonly hugePages: boolean
}

/** A director of its own memory, with room for so many connections; `ring` and `clock` as above. */
export function directorFor(
  { connections, connections6 = 16, hugePages }: Room,
  ring?: readonly Uint8Array[],
  clock?: { now: number },
): Bench {
  const limits = { ...limitsFor(connections), connections6 }
  const memory = tableMemory(Balancer.bytes(limits), hugePages)
  return makeDirector(new Region(memory), limits, ring, clock)
}

/** As many as the port's queue has room for. */
const OPENED_AT_ONCE = 1024

/** Opens the connections of flows `from` to `to`, with a SYN each; `flags` 'A' establishes them. */
export function open(
  { loop, port }: Bench,
  from: number,
  to: number,
  flags = 'S',
  frame?: Uint8Array,
): void {
  for (let flow = from; flow < to; flow += OPENED_AT_ONCE) {
    const count = Math.min(OPENED_AT_ONCE, to - flow)
    for (const each of inOrder(flags, flow, count, frame)) port.inject(each)
    breatheFor(loop, count)
  }
}

/** Breathes until so many frames have passed. */
export function breatheFor(loop: Loop, frames: number): void {
  let left = frames
  while (left > 0) left -= loop.breathe()
}

/** CPU ns for each of `frames` frames, all of which must be forwarded. */
export function nsPerFrame(loop: Loop, frames: number): number {
  const before = loop.counts[FORWARDED]
  const start = process.cpuUsage()
  breatheFor(loop, frames)
  const { user, system } = process.cpuUsage(start)
  const forwarded = loop.counts[FORWARDED] - before
  if (forwarded < frames) throw new Error(`only ${forwarded} of ${frames} frames were forwarded`)
  return ((user + system) * 1000) / forwarded
}
