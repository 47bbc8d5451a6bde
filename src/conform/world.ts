/**
 * The network in which the recordings were made, with our director in the place of the kernel's, a
 * port without a wire, and a clock that a player sets. All neighbours are known beforehand.
 */
import { RuleBook } from '../balance/apply.js'
import { Balancer } from '../balance/balancer.js'
import type { Limits } from '../balance/limits.js'
import { Region } from '../balance/region.js'
import type { MarkProtocol, MarkRule as Rule } from '../balance/rule.js'
import { SCHEDULERS } from '../balance/schedulers/index.js'
import type { FollowedKernel } from '../balance/thresholds.js'
import { FileNames } from '../cli/ipvsadm/names.js'
import { run } from '../cli/ipvsadm/run.js'
import { ESTIMATION_MS } from '../control/estimator.js'
import { Director } from '../engine/forward.js'
import { Loop } from '../engine/loop.js'
import type { Route } from '../link/routes.js'
import type { Vip } from '../link/vips.js'
import { MemoryPort, type SentFrame } from '../port/memory.js'
import { InProcessDirector } from './in-process-director.js'
import { DIRECTOR_MAC_LOW, ipv4Of, ipv6Of, MAC_HIGH } from './packet-bytes.js'
import type { Arguments, CommandOut, MarkRule, Recording } from './recording.js'

/** The director's own addresses, and what the recordings' machine calls local besides. */
const OWN = ['192.168.1.1', '2001:db8:1::1']
const LOOPBACK = ['127.0.0.1', '::1']
const BROADCAST = ['192.168.1.255', '255.255.255.255']
const INTERFACE = 'd0'
const MTU = 1500

const LIMITS: Limits = {
  services: 256,
  destinations: 4096,
  connections4: 16_384,
  connections6: 16_384,
  templates: 4096,
}

/** Where the clock stands when a recording begins, ms: not 0, so that a forgotten one shows. */
const EPOCH_MS = 1_000_000
/** A tick of the kernel that was recorded. */
const TICK_MS = 10

export class World {
  readonly director: Director
  readonly #port: MemoryPort
  readonly #loop: Loop
  readonly #client: InProcessDirector
  #now = EPOCH_MS
  #nextEstimation = EPOCH_MS + ESTIMATION_MS

  constructor(recording: Recording, kernel: FollowedKernel) {
    const vips = [recording.vip, ...(recording.more_vips ?? [])]
    const arm = { macHigh: MAC_HIGH, macLow: DIRECTOR_MAC_LOW, mtu: MTU }
    this.#port = new MemoryPort({ arms: [arm], slots: 4, batch: 128 })
    const book = new RuleBook(
      new Region(new ArrayBuffer(Balancer.bytes(LIMITS))),
      LIMITS,
      recording.seed ?? 1,
      SCHEDULERS,
      {
        kernel,
        surroundings: {
          isBroadcast: (address) => BROADCAST.includes(address),
          isLocal: (address) => [...OWN, ...LOOPBACK, ...vips].includes(address),
          hasInterface: (name) => name === INTERFACE,
        },
      },
    )
    this.director = new Director({
      rules: book,
      arms: this.#port.arms,
      outbox: this.#port.outbox,
      mode: 'kernel',
      answersPerSecond: Number.POSITIVE_INFINITY,
    })
    this.director.setVips([...vips, ...OWN].map(vipOf))
    this.director.setRoutes(routesOf([...vips, ...OWN, ...LOOPBACK], recording.route_mtu ?? {}))
    this.#mark(recording)
    this.#loop = new Loop(this.#port, this.director, () => this.#now)
    this.#client = new InProcessDirector(this.director, () => this.#pinNeighbours())
  }

  /** Moves the clock to `atMs` after the beginning, tick by tick. It never goes back. */
  advance(atMs: number): void {
    const until = Math.max(this.#now, EPOCH_MS + atMs)
    while (this.#now < until) {
      this.#now = Math.min(until, (Math.floor(this.#now / TICK_MS) + 1) * TICK_MS)
      this.#loop.breathe()
      this.director.balancer.due.finish()
      if (this.#now >= this.#nextEstimation) {
        this.#nextEstimation += ESTIMATION_MS
        this.#client.estimate()
      }
    }
  }

  /** What came out when this frame had come in. */
  send(frame: Uint8Array): readonly SentFrame[] {
    this.#port.sent.length = 0
    this.#port.inject(frame)
    this.#loop.breathe()
    return [...this.#port.sent]
  }

  /** Runs ipvsadm, with these lines as its standard input. */
  async ipvsadm(args: Arguments, input = ''): Promise<CommandOut> {
    let stdout = ''
    const write = (text: string) => {
      stdout += text
    }
    const rc = await run(['ipvsadm', ...args], {
      input: textOf(input),
      director: this.#client,
      names: new FileNames(
        () => '',
        () => '',
        null,
      ),
      io: { out: write, err: write },
    })
    return { rc, stdout }
  }

  sysctl(name: string, value: string): void {
    this.director.apply({ op: 'set-sysctl', name, value })
  }

  /** Marks, and the ways that packets of a mark may take without the help of a server. */
  #mark({ marks = [], local_marks = [], steps }: Recording): void {
    for (const rule of marks) this.director.apply({ op: 'add-mark', rule: markRule(rule) })
    for (const mark of local_marks) this.director.apply({ op: 'add-local-mark', mark })
    if (local_marks.length === 0) return
    const named = steps.flatMap((step) => ('send' in step ? (step.send.dst ?? []) : []))
    for (const address of ['192.168.1.254', '2001:db8:1::fe', ...named]) {
      const [w0, w1, w2, w3] = wordsOf(address)
      this.director.neighbours.acquire(0, familyOf(address), w0, w1, w2, w3, this.#now)
    }
    this.#pinNeighbours()
  }

  /** Every neighbour's MAC address ends as its address does. */
  #pinNeighbours(): void {
    const { neighbours } = this.director
    for (let slot = 0; slot < neighbours.highWater; slot++) {
      const last = neighbours.address(slot, neighbours.family(slot) === 4 ? 0 : 3)
      neighbours.pin(slot, MAC_HIGH, last & 0xff)
    }
  }
}

function markRule({ mark, proto, src, dst, dports }: MarkRule): Rule {
  return { mark, protocol: proto as MarkProtocol, source: src, destination: dst, ports: dports }
}

async function* textOf(text: string): AsyncGenerator<string> {
  if (text !== '') yield text
}

function vipOf(address: string): Vip {
  const family = familyOf(address)
  return { family, words: wordsOf(address), onKernel: false, announced: false }
}

/** Both subnets, the default routes by the gateways, and what is special to this recording. */
function routesOf(local: readonly string[], mtus: Readonly<Record<string, number>>): Route[] {
  const gateway4 = wordsOf('192.168.1.254')
  const gateway6 = wordsOf('2001:db8:1::fe')
  return [
    route('192.168.1.0', 24, null, 0),
    route('2001:db8:1::', 64, null, 0),
    route('0.0.0.0', 0, gateway4, 0),
    route('::', 0, gateway6, 0),
    ...Object.entries(mtus).map(([to, mtu]) => route(to, bitsOf(to), null, mtu)),
    ...local.map((own): Route => ({ ...route(own, bitsOf(own), null, 0), kind: 'local' })),
  ]
}

function route(to: string, prefixBits: number, gateway: Int32Array | null, mtu: number): Route {
  const network = wordsOf(to)
  return { family: familyOf(to), network, prefixBits, kind: 'unicast', arm: 0, gateway, mtu }
}

function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4
}

function bitsOf(address: string): number {
  return familyOf(address) === 4 ? 32 : 128
}

function wordsOf(address: string): Int32Array {
  return familyOf(address) === 6 ? ipv6Of(address) : Int32Array.of(ipv4Of(address), 0, 0, 0)
}
