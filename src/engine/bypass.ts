/**
 * Bypass connections (`cache_bypass`): a service by firewall mark has no destination for a client,
 * so its packets go where they are addressed, by the routing table. The ways to such addresses
 * stand behind those of the destinations, in the same arrays, so that the transmitter treats them
 * alike; a few at a time, each until another address needs its place.
 */
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import { type DirectorState, HOP_LOCAL } from './director-state.js'

export const BYPASS_WAYS = 64

const WORDS = 5
const FAMILY = 4

export class Bypass {
  readonly #state: DirectorState
  /** First of our rows in `hops` and `mtus`. */
  readonly #first: number
  /** For each row: the address, and its family or 0. */
  readonly #known = new Int32Array(BYPASS_WAYS * WORDS)
  readonly #address = new Int32Array(4)

  constructor(state: DirectorState, first: number) {
    this.#state = state
    this.#first = first
  }

  /** Is what the packet at `ip` is addressed to one other host? */
  isElsewhere(view: DataView, ip: number): boolean {
    const family = view.getUint8(ip) >>> 4
    const way = this.wayOf(view, ip)
    const [w0, w1, w2, w3] = this.#address
    const isGroup = family === 4 ? w0 >>> 24 >= 224 : w0 >>> 24 === 0xff
    if (isGroup || this.#state.vips.find(family, w0, w1, w2, w3) >= 0) return false
    return this.#state.hops[way] !== HOP_LOCAL
  }

  /** The way to what the packet at `ip` is addressed to: a row of `hops` and `mtus`. */
  wayOf(view: DataView, ip: number): number {
    const address = this.#address
    const family = view.getUint8(ip) >>> 4
    address.fill(0)
    if (family === 4) address[0] = ipv4.destination(view, ip)
    else for (let k = 0; k < 4; k++) address[k] = ipv6.destination(view, ip, k)
    const row = hash(address) & (BYPASS_WAYS - 1)
    if (!this.#isKnown(row, family)) this.#learn(row, family)
    return this.#first + row
  }

  /** Routes have changed: all ways are looked up again when they are needed. */
  clear(): void {
    for (let row = 0; row < BYPASS_WAYS; row++) {
      this.#known[row * WORDS + FAMILY] = 0
      this.#state.forget(this.#first + row)
    }
  }

  #isKnown(row: number, family: number): boolean {
    const at = row * WORDS
    if (this.#known[at + FAMILY] !== family) return false
    for (let k = 0; k < 4; k++) if (this.#known[at + k] !== this.#address[k]) return false
    return true
  }

  #learn(row: number, family: number): void {
    const at = row * WORDS
    this.#known.set(this.#address, at)
    this.#known[at + FAMILY] = family
    this.#state.forget(this.#first + row)
    this.#state.find(this.#first + row, family, this.#address)
  }
}

function hash(address: Int32Array): number {
  let h = 0
  for (let k = 0; k < 4; k++) h = Math.imul(h ^ address[k], 0x85ebca6b)
  return h >>> 16
}
