/** Virtual services with random settings, and the ipvsadm lines that make and change them. */
import type { Chance } from './chance.js'

export const SCHEDULERS = 'rr wrr lc wlc sed nq dh sh mh fo ovf lblc lblcr'.split(' ')

/** What leads to a service: packets of a protocol to an address and a range of ports. */
export interface Point {
  readonly proto: 'tcp' | 'udp' | 'sctp'
  readonly vip: string
  readonly low: number
  readonly high: number
}

const OPTION = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const
const WEIGHTS = [0, 1, 1, 1, 2, 2, 3, 4, 5, 8, 10, 15, 100]
const MASKS4 = [null, null, '255.255.255.0', '255.255.0.0']
const MASKS6 = [null, null, '112', '64', '48']

export class RandomService {
  readonly points: readonly Point[]
  /** Numbers of its servers now. */
  readonly servers = new Set<number>()
  readonly #chance: Chance
  readonly #words: readonly string[]
  readonly #isIpv6: boolean
  readonly #port: number | null
  readonly #isOnePacket: boolean
  readonly #hasThresholds: boolean
  #scheduler: string

  /** With `mark`, a service by firewall mark that the points lead to. */
  constructor(chance: Chance, points: readonly Point[], scheduler: string, mark?: number) {
    const [{ proto, vip, low }] = points
    this.points = points
    this.#chance = chance
    this.#scheduler = scheduler
    this.#isIpv6 = vip.includes(':')
    this.#port = mark === undefined ? low : null
    this.#words =
      mark === undefined
        ? [OPTION[proto], endpoint(vip, low)]
        : ['-f', String(mark), ...(this.#isIpv6 ? ['-6'] : [])]
    const isUdpOnly = points.every((point) => point.proto === 'udp')
    this.#isOnePacket = isUdpOnly && chance.is(0.2)
    this.#hasThresholds = chance.is(0.25)
  }

  get isIpv6(): boolean {
    return this.#isIpv6
  }

  add(): string[] {
    this.servers.clear()
    return ['-A', ...this.#words, ...this.#options()]
  }

  /** With another scheduler, or without. */
  edit(scheduler?: string): string[] {
    this.#scheduler = scheduler ?? this.#scheduler
    return ['-E', ...this.#words, ...this.#options()]
  }

  remove(): string[] {
    return ['-D', ...this.#words]
  }

  addServer(server: number): string[] {
    this.servers.add(server)
    return ['-a', ...this.#server(server), ...this.#load()]
  }

  editServer(server: number): string[] {
    return ['-e', ...this.#server(server), ...this.#load()]
  }

  removeServer(server: number): string[] {
    this.servers.delete(server)
    return ['-d', ...this.#server(server)]
  }

  #server(server: number): string[] {
    const address = this.#isIpv6 ? `2001:db8:1::${server.toString(16)}` : `192.168.1.${server}`
    return [...this.#words, '-r', this.#port === null ? address : endpoint(address, this.#port)]
  }

  #load(): string[] {
    const chance = this.#chance
    const words = ['-g', '-w', String(chance.of(WEIGHTS))]
    if (!this.#hasThresholds || chance.is(0.2)) return words
    const upper = chance.of([2, 3, 4, 6, 10])
    words.push('-x', String(upper))
    if (chance.is(0.5)) words.push('-y', String(chance.between(1, upper - 1)))
    return words
  }

  #options(): string[] {
    const chance = this.#chance
    const words = ['-s', this.#scheduler]
    if (chance.is(this.#port === null ? 0.45 : 0.2)) {
      const mask = chance.of(this.#isIpv6 ? MASKS6 : MASKS4)
      words.push('-p', chance.of(['60', '300', '1000']), ...(mask === null ? [] : ['-M', mask]))
    }
    if (this.#isOnePacket) words.push('-o')
    if (this.#scheduler === 'sh' || this.#scheduler === 'mh') {
      const flags = ['port', 'fallback'].filter(() => chance.is(0.5))
      const names = flags.map((flag) => `${this.#scheduler}-${flag}`)
      if (names.length > 0) words.push('-b', names.join())
    }
    return words
  }
}

function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
