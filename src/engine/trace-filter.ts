/**
 * The language of `uipvs trace`: pcap-filter's words (pcap-filter(7)) for what a frame says, and
 * three of our own for what became of it.
 *
 *   expression   term { ("and" | "or") term }    both bind equally strong, as in pcap-filter
 *   term         { "not" } ( "(" expression ")" | primitive )
 *   primitive    ip | ip6 | arp | tcp | udp | sctp | icmp | icmp6
 *                [protocol] [src | dst | src or dst | src and dst] [host | net | …] X
 *                proto N | less N | greater N
 *                vip ADDRESS[:PORT] | realserver ADDRESS[:PORT] | verdict NAME
 *
 * A value right behind another takes over its words: `src port 80 or 443`. Unlike pcap-filter it
 * looks behind VLAN tags, and knows no names of hosts or ports.
 */
import * as ipv4 from '../wire/ipv4.js'
import {
  type Endpoint,
  endpoint,
  FilterError,
  hostOf,
  length,
  netOf,
  portOf,
  type Token,
  wholeNumber,
} from './trace-value.js'
import { ENDINGS } from './verdict.js'

export type Side = 'src' | 'dst' | 'either' | 'both'
export type ProtocolName = keyof typeof PROTOCOL_TESTS

export type Primitive =
  | { readonly is: 'protocol'; readonly name: ProtocolName }
  | { readonly is: 'proto'; readonly number: number }
  /** Addresses whose first `bits` bits are these; `words` as everywhere, IPv4 in the first. */
  | {
      readonly is: 'net'
      readonly side: Side
      readonly family: 4 | 6
      readonly words: readonly number[]
      readonly bits: number
    }
  | { readonly is: 'ports'; readonly side: Side; readonly low: number; readonly high: number }
  | { readonly is: 'length'; readonly least: number; readonly most: number }
  /** Numbers of verdicts. */
  | { readonly is: 'verdict'; readonly verdicts: readonly number[] }
  | {
      readonly is: 'realserver'
      readonly family: 4 | 6
      readonly words: readonly number[]
      readonly port: number | null
    }

export type Expression =
  | { readonly is: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly is: 'not'; readonly of: Expression }
  | Primitive

/** Each name, and the protocol number that it means in IP; null: it is about the EtherType. */
export const PROTOCOL_TESTS = {
  ip: null,
  ip6: null,
  arp: null,
  tcp: ipv4.PROTO_TCP,
  udp: ipv4.PROTO_UDP,
  sctp: ipv4.PROTO_SCTP,
  icmp: ipv4.PROTO_ICMP,
  icmp6: ipv4.PROTO_ICMPV6,
} as const

/** All words of the language, for shells. */
export const FILTER_WORDS: readonly string[] = [
  ...Object.keys(PROTOCOL_TESTS),
  ...['host', 'net', 'port', 'portrange', 'src', 'dst', 'proto', 'less', 'greater'],
  ...['vip', 'realserver', 'verdict', 'and', 'or', 'not'],
]

const isProtocol = (word: string): word is ProtocolName => Object.hasOwn(PROTOCOL_TESTS, word)

/** What a value without words of its own takes over from the primitive before it. */
interface Qualifiers {
  readonly protocol: ProtocolName | null
  readonly side: Side
  readonly type: 'host' | 'net' | 'port' | 'portrange'
}

/** The same words in other spelling. */
const SPELLINGS = new Map([
  ['&&', 'and'],
  ['||', 'or'],
  ['!', 'not'],
])
const TYPES: readonly string[] = ['host', 'net', 'port', 'portrange']
/** Deep enough for anybody, and far from the end of the stack. */
const DEPTH_MAX = 100
export const FILTER_CHARACTERS_MAX = 4096

/** The filter as an expression; null if it is empty, and so lets everything through. */
export function parseFilter(text: string): Expression | null {
  if (text.length > FILTER_CHARACTERS_MAX) {
    throw new FilterError(`the filter is longer than ${FILTER_CHARACTERS_MAX} characters`, 0)
  }
  const tokens = [...text.matchAll(/&&|\|\||[!()]|[^\s()!&|]+|[&|]/g)].map((found) => ({
    text: SPELLINGS.get(found[0]) ?? found[0],
    column: found.index,
  }))
  if (tokens.length === 0) return null
  return new Parser(tokens, text.trimEnd().length).whole()
}

class Parser {
  readonly #tokens: readonly Token[]
  readonly #end: number
  #next = 0
  #depth = 0
  #last: Qualifiers | null = null

  constructor(tokens: readonly Token[], end: number) {
    this.#tokens = tokens
    this.#end = end
  }

  whole(): Expression {
    const expression = this.#expression()
    const rest = this.#tokens[this.#next]
    if (rest === undefined) return expression
    throw rest.text === ')'
      ? new FilterError("')' without a '(' before it", rest.column)
      : new FilterError(`'and' or 'or' is missing before '${rest.text}'`, rest.column)
  }

  get #word(): string {
    return this.#tokens[this.#next]?.text ?? ''
  }

  get #column(): number {
    return this.#tokens[this.#next]?.column ?? this.#end
  }

  #accept(word: string): boolean {
    if (this.#word !== word) return false
    this.#next++
    return true
  }

  /** The next word, which stands for something that `what` describes. */
  #take(what: string): Token {
    const token = this.#tokens[this.#next]
    if (token === undefined) throw new FilterError(`${what} is missing at the end`, this.#end)
    this.#next++
    return token
  }

  #expression(): Expression {
    let left = this.#term()
    while (this.#word === 'and' || this.#word === 'or') {
      const is = this.#accept('and') ? 'and' : 'or'
      if (is === 'or') this.#next++
      left = { is, left, right: this.#term() }
    }
    return left
  }

  #term(): Expression {
    if (++this.#depth > DEPTH_MAX) {
      throw new FilterError(`more than ${DEPTH_MAX} parentheses and nots`, this.#column)
    }
    try {
      if (this.#accept('not')) return { is: 'not', of: this.#term() }
      const { column } = this.#tokens[this.#next] ?? { column: this.#end }
      if (!this.#accept('(')) return this.#primitive()
      this.#last = null
      const inner = this.#expression()
      this.#last = null
      if (!this.#accept(')')) throw new FilterError("this '(' is never closed", column)
      return inner
    } finally {
      this.#depth--
    }
  }

  #primitive(): Expression {
    const before = this.#last
    this.#last = null
    const token = this.#take('a condition')
    switch (token.text) {
      case 'verdict':
        return { is: 'verdict', verdicts: verdictsNamed(this.#take('the name of a verdict')) }
      case 'realserver': {
        const { words, family, port } = endpoint(this.#take('the address of a realserver'))
        return { is: 'realserver', family, words, port }
      }
      case 'vip':
        return vip(endpoint(this.#take('a virtual IP')))
      case 'proto':
        return this.#proto()
      case 'less':
        return { is: 'length', least: 0, most: length(this.#take('a number of bytes')) }
      case 'greater': {
        const least = length(this.#take('a number of bytes'))
        return { is: 'length', least, most: Number.MAX_SAFE_INTEGER }
      }
      default:
        this.#next--
        return this.#qualified(before)
    }
  }

  #proto(): Primitive {
    const token = this.#take('the name or number of a protocol')
    const name = token.text.startsWith('\\') ? token.text.slice(1) : token.text
    if (isProtocol(name)) return { is: 'protocol', name }
    const number = wholeNumber(token.text, 255)
    if (number === null) {
      const names = Object.keys(PROTOCOL_TESTS).join(', ')
      throw new FilterError(`'${name}' is no protocol: ${names}, or 0 to 255`, token.column)
    }
    return { is: 'proto', number }
  }

  /** `tcp dst port 80`, and all that is shorter: `tcp`, `dst port 80`, `80`. */
  #qualified(before: Qualifiers | null): Expression {
    const begin = this.#column
    const protocol = isProtocol(this.#word) ? (this.#take('').text as ProtocolName) : null
    const side = this.#side()
    const type = TYPES.includes(this.#word) ? (this.#take('').text as Qualifiers['type']) : null
    if (protocol !== null && side === null && type === null) {
      return { is: 'protocol', name: protocol }
    }
    const isBare = protocol === null && side === null && type === null
    const token = this.#take(VALUES[type ?? 'host'])
    const last = isBare && isLike(before, token) ? before : null
    const used: Qualifiers = {
      protocol: last?.protocol ?? protocol,
      side: last?.side ?? side ?? 'either',
      type: type ?? last?.type ?? (token.text.includes('/') ? 'net' : 'host'),
    }
    // Not a value at all: the word itself is what is wrong, not its place.
    if (isBare && !/^[\d.:a-f/[\]-]+$/i.test(token.text)) {
      throw new FilterError(`'${token.text}' is no word of a filter`, token.column)
    }
    this.#last = used
    const primitive = primitiveOf(used, token)
    if (used.protocol === null) return primitive
    checkProtocol(used.protocol, primitive, begin)
    return { is: 'and', left: { is: 'protocol', name: used.protocol }, right: primitive }
  }

  #side(): Side | null {
    if (this.#word !== 'src' && this.#word !== 'dst') return null
    const first = this.#take('').text as 'src' | 'dst'
    const other = first === 'src' ? 'dst' : 'src'
    const word: string = this.#word
    const isJoined = word === 'and' || word === 'or'
    if (!isJoined || this.#tokens[this.#next + 1]?.text !== other) return first
    this.#next += 2
    return word === 'and' ? 'both' : 'either'
  }
}

/** Whether a value could be of the kind that was named before it. */
function isLike(before: Qualifiers | null, { text }: Token): boolean {
  if (before === null) return false
  if (before.type === 'port') return /^\d+$/.test(text)
  if (before.type === 'portrange') return /^\d+-\d+$/.test(text)
  return text.includes('/') === (before.type === 'net')
}

const VALUES = {
  host: 'an address',
  net: 'a network',
  port: 'a port',
  portrange: 'a range of ports',
} as const

/** `arp port 80` and `ip host ::1` can never be true: surely a mistake. */
function checkProtocol(protocol: ProtocolName, primitive: Primitive, column: number): void {
  const isAbout = (...names: ProtocolName[]) => names.includes(protocol)
  const isPorts = primitive.is === 'ports'
  if (isPorts && isAbout('arp', 'icmp', 'icmp6')) {
    throw new FilterError(`${protocol} has no ports`, column)
  }
  if (primitive.is !== 'net') return
  if (primitive.family === 6 ? isAbout('ip', 'arp', 'icmp') : isAbout('ip6', 'icmp6')) {
    throw new FilterError(`${protocol} has no IPv${primitive.family} addresses`, column)
  }
}

function primitiveOf({ side, type }: Qualifiers, token: Token): Primitive {
  if (type === 'port') {
    const port = portOf(token)
    return { is: 'ports', side, low: port, high: port }
  }
  if (type === 'portrange') {
    const [low, high, ...more] = token.text.split('-').map((text) => wholeNumber(text, 0xffff))
    if (low == null || high == null || more.length > 0 || low > high) {
      throw new FilterError(`'${token.text}' is no range of ports: 6000-6008`, token.column)
    }
    return { is: 'ports', side, low, high }
  }
  if (type === 'host') return { is: 'net', side, ...hostOf(token) }
  return { is: 'net', side, ...netOf(token) }
}

function vip({ family, words, port }: Endpoint): Expression {
  const bits = family === 4 ? 32 : 128
  const host: Primitive = { is: 'net', side: 'dst', family, words, bits }
  if (port === null) return host
  return { is: 'and', left: host, right: { is: 'ports', side: 'dst', low: port, high: port } }
}

/** A verdict's own name, or that of an action: all verdicts with that action. */
function verdictsNamed({ text, column }: Token): number[] {
  const verdicts = ENDINGS.flatMap(({ name, action }, i) =>
    name === text || action === text ? [i] : [],
  )
  if (verdicts.length > 0) return verdicts
  throw new FilterError(`'${text}' is no verdict; docs/verdicts.md lists them`, column)
}
