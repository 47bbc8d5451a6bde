/**
 * A filter made ready for frames. `matcher` makes a test of the whole expression, for the few
 * frames that are looked at closely; `guardsOf` finds what is cheap to ask of every frame
 * (`trace-guard.ts`), and `verdictsOf` which verdicts a frame must have.
 */
import { ETH_P_ARP, ETH_P_IP, ETH_P_IPV6 } from '../wire/ethernet.js'
import { PROTO_ICMP, PROTO_ICMPV6 } from '../wire/ipv4.js'
import { type Expression, PROTOCOL_TESTS, type Primitive, type Side } from './trace-filter.js'
import { Guard } from './trace-guard.js'
import type { TraceKey } from './trace-key.js'
import { maskOf } from './trace-value.js'
import { VERDICT_COUNT } from './verdict.js'

/** Whether a frame is what the filter asks for. Allocates nothing. */
export type Match = (key: TraceKey) => boolean

export function matcher(expression: Expression | null): Match {
  if (expression === null) return () => true
  switch (expression.is) {
    case 'and': {
      const left = matcher(expression.left)
      const right = matcher(expression.right)
      return (key) => left(key) && right(key)
    }
    case 'or': {
      const left = matcher(expression.left)
      const right = matcher(expression.right)
      return (key) => left(key) || right(key)
    }
    case 'not': {
      const of = matcher(expression.of)
      return (key) => !of(key)
    }
    default:
      return primitive(expression)
  }
}

function primitive(test: Primitive): Match {
  switch (test.is) {
    case 'protocol':
      return protocol(test.name)
    case 'proto': {
      const { number } = test
      return (key) => key.protocol === number
    }
    case 'net':
      return net(test)
    case 'ports': {
      const { low, high } = test
      const isIn = (port: number) => port >= low && port <= high
      return ofSide(
        test.side,
        (key) => isIn(key.sourcePort),
        (key) => isIn(key.destinationPort),
      )
    }
    case 'length': {
      const { least, most } = test
      return (key) => key.length >= least && key.length <= most
    }
    case 'verdict': {
      const wanted = setOf(test.verdicts)
      return (key) => wanted[key.verdict] === 1
    }
    case 'realserver': {
      const { family, words, port } = test
      const isPort = (key: TraceKey) => port === null || port === key.realserverPort
      const bits = family === 4 ? 32 : 128
      return (key) =>
        key.realserverFamily === family && isWithin(key.realserver, words, bits) && isPort(key)
    }
  }
}

function protocol(name: keyof typeof PROTOCOL_TESTS): Match {
  if (name === 'ip') return (key) => key.type === ETH_P_IP
  if (name === 'ip6') return (key) => key.type === ETH_P_IPV6
  if (name === 'arp') return (key) => key.type === ETH_P_ARP
  const number = PROTOCOL_TESTS[name]
  // ICMP is IPv4's, ICMPv6 IPv6's, whatever a frame claims.
  const family = number === PROTO_ICMP ? 4 : number === PROTO_ICMPV6 ? 6 : 0
  return (key) => key.protocol === number && (family === 0 || key.family === family)
}

function net({ side, family, words, bits }: Extract<Primitive, { is: 'net' }>): Match {
  return ofSide(
    side,
    (key) => key.family === family && isWithin(key.source, words, bits),
    (key) => key.family === family && isWithin(key.destination, words, bits),
  )
}

function isWithin(address: Int32Array, words: readonly number[], bits: number): boolean {
  for (let i = 0; i < words.length; i++) {
    if (((address[i] ^ words[i]) & maskOf(bits, i)) !== 0) return false
  }
  return true
}

function ofSide(side: Side, source: Match, destination: Match): Match {
  if (side === 'src') return source
  if (side === 'dst') return destination
  return side === 'both'
    ? (key) => source(key) && destination(key)
    : (key) => source(key) || destination(key)
}

function setOf(verdicts: readonly number[]): Uint8Array {
  const set = new Uint8Array(VERDICT_COUNT)
  for (const verdict of verdicts) set[verdict] = 1
  return set
}

/** More alternatives would cost every frame more than they spare. */
const GUARDS_MAX = 8

/** A frame that matches passes one of these; null: they would not keep any frame away. */
export function guardsOf(expression: Expression | null): readonly Guard[] | null {
  switch (expression?.is) {
    case 'and': {
      const left = guardsOf(expression.left)
      const right = guardsOf(expression.right)
      if (left === null || right === null) return left ?? right
      if (left.length === 1 && right.length === 1) return [left[0].and(right[0])]
      return left.length <= right.length ? left : right
    }
    case 'or': {
      const left = guardsOf(expression.left)
      const right = guardsOf(expression.right)
      if (left === null || right === null) return null
      return left.length + right.length > GUARDS_MAX ? null : [...left, ...right]
    }
    case 'protocol':
      return [Guard.protocol(expression.name)]
    case 'proto':
      return [Guard.proto(expression.number)]
    case 'ports':
      return [Guard.ports(expression.side, expression.low, expression.high)]
    case 'net': {
      const { side, family, words, bits } = expression
      return bits < (family === 4 ? 32 : 128)
        ? [Guard.family(family)]
        : [Guard.address(side, words)]
    }
    default:
      return null
  }
}

/** Which verdicts a frame that matches can have; null: any. */
export function verdictsOf(expression: Expression | null): Uint8Array | null {
  switch (expression?.is) {
    case 'verdict':
      return setOf(expression.verdicts)
    case 'and':
    case 'or': {
      const isAnd = expression.is === 'and'
      const left = verdictsOf(expression.left)
      const right = verdictsOf(expression.right)
      if (left === null || right === null) return isAnd ? (left ?? right) : null
      return left.map((set, i) => (isAnd ? set & right[i] : set | right[i]))
    }
    default:
      return null
  }
}
