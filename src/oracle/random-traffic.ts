/** Clients of random services: what they send, in order or not, and what goes wrong on the way. */
import type { Extension, Send } from '../conform/recording.js'
import type { Chance } from './chance.js'
import type { Point, RandomService } from './random-service.js'

type Phase = 'new' | 'open' | 'closing' | 'closed'

interface Flow {
  readonly point: Point
  readonly src: string
  readonly sport: number
  readonly dport: number
  phase: Phase
}

/** What may follow in a phase; words are TCP flags, or SCTP chunks with spaces between them. */
const TCP: Readonly<Record<Phase, readonly string[]>> = {
  new: ['A', 'A', 'A', 'A', 'S', 'PA', 'RA'],
  open: ['A', 'PA', 'PA', 'PA', 'FA', 'FA', 'R', 'S'],
  closing: ['A', 'A', 'FA', 'RA', 'S'],
  closed: ['S', 'S', 'A', 'RA', 'FA'],
}
const SCTP: Readonly<Record<Phase, readonly string[]>> = {
  new: ['COOKIE-ECHO', 'COOKIE-ECHO', 'COOKIE-ECHO DATA', 'INIT', 'ABORT', 'DATA'],
  open: ['DATA', 'DATA', 'SACK', 'SACK DATA', 'HEARTBEAT', 'SHUTDOWN', 'ABORT', 'INIT', 'ERROR'],
  closing: ['SHUTDOWN-ACK', 'SHUTDOWN-COMPLETE', 'SHUTDOWN-COMPLETE', 'DATA', 'ABORT', 'INIT'],
  closed: ['INIT', 'INIT', 'DATA', 'ABORT', 'SHUTDOWN-COMPLETE'],
}
const AFTER: Readonly<Record<string, Phase>> = {
  S: 'new',
  INIT: 'new',
  FA: 'closing',
  SHUTDOWN: 'closing',
  RA: 'closed',
  R: 'closed',
  ABORT: 'closed',
  'SHUTDOWN-COMPLETE': 'closed',
}
const SIZES = [0, 1, 40, 200, 200, 700, 1400]
const EXTENSIONS: readonly Extension['kind'][][] = [['hop'], ['dest'], ['routing'], ['hop', 'dest']]
/** Only the last so many flows go on. */
const RECENT = 25
const HEADER_BYTES = { tcp: 20, udp: 8, sctp: 28 } as const

export class RandomTraffic {
  readonly #chance: Chance
  readonly #services: readonly RandomService[]
  readonly #clients: Readonly<Record<4 | 6, readonly string[]>>
  readonly #flows: Flow[] = []
  readonly #hasFragments: boolean
  readonly #hasExtensions: boolean
  #identification = 40_000

  constructor(chance: Chance, services: readonly RandomService[]) {
    this.#chance = chance
    this.#services = services
    this.#clients = { 4: clients4(chance), 6: clients6(chance) }
    this.#hasFragments = chance.is(0.2)
    this.#hasExtensions = chance.is(0.3)
  }

  /** The next packets: one, or the fragments of one. */
  next(): Send[] {
    const what = this.#chance.weighed([
      [36, () => this.#begin()],
      [44, () => this.#goOn()],
      [4, () => this.#odd()],
      [4, () => this.#error()],
    ])
    return what()
  }

  #begin(): Send[] {
    const chance = this.#chance
    // The first service gets most, so that its scheduler has something to decide.
    const service = chance.of([this.#services[0], this.#services[0], ...this.#services])
    const point = chance.of(service.points)
    const flow: Flow = {
      point,
      src: chance.of(this.#clients[service.isIpv6 ? 6 : 4]),
      sport: chance.between(1024, 61_000),
      dport: chance.between(point.low, point.high),
      phase: 'new',
    }
    this.#flows.push(flow)
    if (point.proto === 'tcp') return this.#on(flow, { flags: 'S' })
    if (point.proto === 'sctp') return this.#on(flow, { chunks: ['INIT'] })
    return this.#on(flow, { len: chance.of(SIZES) })
  }

  #goOn(): Send[] {
    const chance = this.#chance
    if (this.#flows.length === 0) return this.#begin()
    const flow = chance.of(this.#flows.slice(-RECENT))
    const { proto } = flow.point
    if (proto === 'udp') return this.#on(flow, { len: this.#size() })
    const word = chance.of((proto === 'tcp' ? TCP : SCTP)[flow.phase])
    const isAckOfEnd = flow.phase === 'closing' && word === 'A'
    const [first] = word.split(' ')
    flow.phase = isAckOfEnd ? 'closed' : (AFTER[first] ?? 'open')
    if (proto === 'sctp') return this.#on(flow, { chunks: word.split(' ') })
    return this.#on(flow, { flags: word, ...(word === 'PA' ? { len: this.#size() } : {}) })
  }

  /** What belongs to no connection, or to no service. */
  #odd(): Send[] {
    const chance = this.#chance
    const point = chance.of(chance.of(this.#services).points)
    const isIpv6 = point.vip.includes(':')
    const base = { src: chance.of(this.#clients[isIpv6 ? 6 : 4]), dst: point.vip }
    const sport = chance.between(1024, 61_000)
    const ports = { sport, dport: chance.of([point.low, point.high, 9]) }
    const flags = chance.of(['A', 'R', 'FA', 'RA', 'SA', '', 'FPU', 'SF', 'SR', 'S'])
    const chunk = chance.of(['DATA', 'ABORT', 'COOKIE-ECHO', 'SHUTDOWN-ACK', 'INIT-ACK'])
    const ping = isIpv6
      ? { proto: 'icmpv6' as const, type: 128 }
      : { proto: 'icmp' as const, type: 8 }
    return [
      chance.of<Send>([
        { ...base, ...ports, proto: 'tcp', flags },
        { ...base, ...ports, proto: 'udp', dport: 9 },
        { ...base, ...ports, proto: 'sctp', chunks: [chunk] },
        { ...base, ...ping, len: chance.of([0, 56]) },
        { ...base, ...ports, proto: 'tcp', flags, truncate: chance.of([4, 12, 19]) },
      ]),
    ]
  }

  /** An error about a packet of a server, from a router on its way to the client. */
  #error(): Send[] {
    const chance = this.#chance
    if (this.#flows.length === 0) return this.#begin()
    const { point, src, sport, dport } = chance.of(this.#flows)
    const inner: Send = {
      proto: point.proto,
      src: point.vip,
      sport: dport,
      dst: src,
      dport: chance.is(0.9) ? sport : 1,
      ...(point.proto === 'tcp' ? { flags: 'A' } : {}),
    }
    if (point.vip.includes(':')) {
      const [type, code] = chance.of([
        [2, 0],
        [2, 0],
        [1, 0],
        [1, 4],
        [3, 0],
        [4, 1],
      ])
      const from = chance.of(['2001:db8:ff::1', '2a00:1::fe'])
      const mtu = type === 2 ? { mtu: 1400 } : {}
      return [{ proto: 'icmpv6', src: from, dst: point.vip, type, code, inner, ...mtu }]
    }
    const [type, code] = chance.of([
      [3, 4],
      [3, 4],
      [3, 1],
      [3, 3],
      [11, 0],
      [4, 0],
    ])
    const mtu = code === 4 ? { mtu: 1400 } : {}
    const from = chance.of(['172.16.0.1', '10.200.0.1'])
    return [{ proto: 'icmp', src: from, dst: point.vip, type, code, inner, ...mtu }]
  }

  #size(): number {
    return this.#chance.of(this.#hasFragments ? [...SIZES, 2500, 3000] : SIZES)
  }

  #on(flow: Flow, more: Partial<Send>): Send[] {
    const chance = this.#chance
    const { point, src, sport, dport } = flow
    const send: Send = { proto: point.proto, src, dst: point.vip, sport, dport, ...more }
    if (this.#hasFragments && (more.len ?? 0) >= 300) return this.#cut(send)
    const ext =
      this.#hasExtensions && point.vip.includes(':') && chance.is(0.12)
        ? { ext: chance.of(EXTENSIONS).map((kind) => ({ kind })) }
        : {}
    const ttl = chance.is(0.01) ? { ttl: chance.of([1, 2, 255]) } : {}
    return [{ ...send, ...ext, ...ttl }]
  }

  #cut(send: Send): Send[] {
    const chance = this.#chance
    const len = send.len ?? 0
    const total = len + HEADER_BYTES[send.proto as Point['proto']]
    const size = chance.of([256, 1024, 1280])
    if (total <= size) return [send]
    this.#identification++
    const pieces: Send[] = []
    for (let off = 0; off < total; off += size) {
      const frag = { off, size: Math.min(size, total - off), more: off + size < total }
      pieces.push({ ...send, id: this.#identification, frag })
    }
    return chance.is(0.3) ? chance.some(pieces, pieces.length) : pieces
  }
}

function clients4(chance: Chance): string[] {
  const far = () => [
    chance.of([11, 23, 88, 150, 203]),
    chance.below(256),
    chance.below(256),
    chance.between(1, 254),
  ]
  const near = () => [10, 7, chance.below(4), chance.between(1, 254)]
  const all = Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? far() : near()).join('.'))
  return chance.some(all, chance.of([4, 12, 30]))
}

function clients6(chance: Chance): string[] {
  const word = () => chance.between(1, 0xffff).toString(16)
  const far = () => `${chance.of(['2a00', '2600', '2400', 'fd12'])}:${word()}:${word()}::${word()}`
  const near = () => `2001:db8:2:${chance.between(1, 4)}::${word()}`
  const all = Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? far() : near()))
  return chance.some(all, chance.of([4, 12, 30]))
}
