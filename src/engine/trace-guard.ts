/**
 * A few plain comparisons that every frame can afford: a trace of one flow among millions of frames
 * a second looks closely only at those that pass. They are asked of plain IPv4 and IPv6 frames, at
 * the places where fields nearly always are; a frame with tags, options or extension headers
 * passes, and so may others: what passes is judged by the whole filter (`trace-match.ts`).
 */
import * as ethernet from '../wire/ethernet.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import { PORTS_BYTES } from '../wire/transport.js'
import { PROTOCOL_TESTS, type ProtocolName, type Side } from './trace-filter.js'

const ANY = -1
const SOURCE = 1
const DESTINATION = 2

const IP = ethernet.HEADER_BYTES
const PORTS4 = IP + ipv4.HEADER_BYTES_MIN
const PORTS6 = IP + ipv6.HEADER_BYTES
const WITHOUT_OPTIONS = 0x45

const sidesOf = (side: Side) => (side === 'src' ? SOURCE : side === 'dst' ? DESTINATION : ANY)

/** One address that a frame must have; words of IPv6, or one word and zeros. */
interface WantedAddress {
  readonly sides: number
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
}

export class Guard {
  /** Whether IPv4, IPv6 and other frames can pass at all. */
  #four = true
  #six = true
  #others = true
  #protocol = ANY
  #portSides = ANY
  #low = 0
  #high = 0xffff
  #first: WantedAddress | null = null
  #second: WantedAddress | null = null

  static protocol(name: ProtocolName): Guard {
    const guard = new Guard()
    guard.#four = name !== 'ip6' && name !== 'arp' && name !== 'icmp6'
    guard.#six = name !== 'ip' && name !== 'arp' && name !== 'icmp'
    guard.#protocol = PROTOCOL_TESTS[name] ?? ANY
    return guard
  }

  static proto(number: number): Guard {
    const guard = new Guard()
    guard.#protocol = number
    return guard
  }

  static family(family: 4 | 6): Guard {
    const guard = new Guard()
    guard.#four = family === 4
    guard.#six = family === 6
    return guard
  }

  /** `words`: one of IPv4, or four. */
  static address(side: Side, words: readonly number[]): Guard {
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = words
    const guard = Guard.family(words.length === 1 ? 4 : 6)
    guard.#first = { sides: sidesOf(side), w0, w1, w2, w3 }
    return guard
  }

  static ports(side: Side, low: number, high: number): Guard {
    const guard = new Guard()
    guard.#portSides = sidesOf(side)
    guard.#low = low
    guard.#high = high
    return guard
  }

  /** What passes both, or a little more: the second of two ranges of ports is not asked for. */
  and(other: Guard): Guard {
    const both = new Guard()
    both.#four = this.#four && other.#four
    both.#six = this.#six && other.#six
    both.#others = this.#others && other.#others
    both.#protocol = this.#protocol === ANY ? other.#protocol : this.#protocol
    const ports = this.#low === 0 && this.#high === 0xffff ? other : this
    both.#portSides = ports.#portSides
    both.#low = ports.#low
    both.#high = ports.#high
    both.#first = this.#first ?? other.#first
    both.#second = this.#second ?? (this.#first === null ? other.#second : other.#first)
    return both
  }

  /** Whether the frame `[frame, frame + length)` has to be looked at. */
  admits(view: DataView, frame: number, length: number): boolean {
    if (length < PORTS4 + PORTS_BYTES) return true
    const type = ethernet.type(view, frame)
    if (type === ethernet.ETH_P_IP) return this.#four && this.#admits4(view, frame)
    if (type === ethernet.ETH_P_IPV6) return this.#six && this.#admits6(view, frame, length)
    return this.#others
  }

  #admits4(view: DataView, frame: number): boolean {
    const ip = frame + IP
    const first = this.#first
    const second = this.#second
    if (this.#protocol !== ANY && ipv4.protocol(view, ip) !== this.#protocol) return false
    if (first !== null && !hasAddress4(view, ip, first)) return false
    if (second !== null && !hasAddress4(view, ip, second)) return false
    return view.getUint8(ip) !== WITHOUT_OPTIONS || this.#hasPort(view, frame + PORTS4)
  }

  #admits6(view: DataView, frame: number, length: number): boolean {
    if (length < PORTS6 + PORTS_BYTES) return true
    const ip = frame + IP
    const first = this.#first
    const second = this.#second
    if (first !== null && !hasAddress6(view, ip, first)) return false
    if (second !== null && !hasAddress6(view, ip, second)) return false
    const protocol = ipv6.nextHeader(view, ip)
    if (ipv6.isExtension(protocol) || protocol === ipv4.PROTO_AH) return true
    if (this.#protocol !== ANY && protocol !== this.#protocol) return false
    return this.#hasPort(view, frame + PORTS6)
  }

  #hasPort(view: DataView, at: number): boolean {
    const source = view.getUint16(at)
    const destination = view.getUint16(at + 2)
    const isSource = source >= this.#low && source <= this.#high
    const isDestination = destination >= this.#low && destination <= this.#high
    return (
      (isSource && (this.#portSides & SOURCE) !== 0) ||
      (isDestination && (this.#portSides & DESTINATION) !== 0)
    )
  }
}

function hasAddress4(view: DataView, ip: number, { sides, w0 }: WantedAddress): boolean {
  return (
    ((sides & SOURCE) !== 0 && ipv4.source(view, ip) === w0) ||
    ((sides & DESTINATION) !== 0 && ipv4.destination(view, ip) === w0)
  )
}

function hasAddress6(view: DataView, ip: number, wanted: WantedAddress): boolean {
  const at = ip + ipv6.ADDRESSES_OFFSET
  return (
    ((wanted.sides & SOURCE) !== 0 && isAt(view, at, wanted)) ||
    ((wanted.sides & DESTINATION) !== 0 && isAt(view, at + 16, wanted))
  )
}

function isAt(view: DataView, at: number, { w0, w1, w2, w3 }: WantedAddress): boolean {
  return (
    view.getInt32(at + 12) === w3 &&
    view.getInt32(at + 8) === w2 &&
    view.getInt32(at + 4) === w1 &&
    view.getInt32(at) === w0
  )
}
