/**
 * Random frames with what they are known to be, and random filters with what they mean: the text as
 * a person would write it, and its meaning as a function of the frame's facts.
 */
import fc from 'fast-check'
import { ENDINGS } from '../../src/engine/verdict.js'
import { build, type FrameSpec } from '../../src/wire/build.js'

/** What a frame is, told by how it was made. */
export interface Facts {
  readonly bytes: Uint8Array
  readonly ethertype: 'ip' | 'ip6' | 'arp' | 'other'
  readonly protocol: number
  readonly source: string
  readonly destination: string
  readonly ports: readonly [number, number] | null
  readonly verdict: number
  /** Number of the realserver, of either family: its last byte. */
  readonly realserver: string | null
}

export const ADDRESSES4 = ['10.0.0.1', '10.0.0.2', '10.9.0.1', '192.168.1.110']
export const ADDRESSES6 = ['2001:db8::1', '2001:db8::2', '2001:db8:1::110']
const PORTS = [53, 80, 443, 1024]
export const REALSERVERS = ['192.168.1.2', '192.168.1.3', '2001:db8:1::2']
const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const

const oneOf = <T>(list: readonly T[]) => fc.constantFrom(...list)
const transport = oneOf(['tcp', 'udp', 'sctp'] as const)

/** As `port`s in `ports`, or what carries none. */
const ipFrame = fc.record({
  isSix: fc.boolean(),
  from: fc.nat(3),
  to: fc.nat(3),
  kind: fc.oneof(transport, oneOf(['icmp', 'gre'] as const)),
  ports: fc.tuple(oneOf(PORTS), oneOf(PORTS)),
  options: fc.boolean(),
  isLater: oneOf([false, false, false, true]),
  payload: fc.nat(60),
  vlan: oneOf([false, false, false, true]),
})

function factsOf(
  made: typeof ipFrame extends fc.Arbitrary<infer T> ? T : never,
): Omit<Facts, 'verdict' | 'realserver'> {
  const { isSix, kind, ports, isLater } = made
  const list = isSix ? ADDRESSES6 : ADDRESSES4
  const [source, destination] = [list[made.from % list.length], list[made.to % list.length]]
  const addresses = { source, destination } as { source: string; destination: string }
  const [sport, dport] = ports
  const hasPorts = kind !== 'icmp' && kind !== 'gre'
  const protocol = hasPorts ? PROTOCOLS[kind] : kind === 'gre' ? 47 : isSix ? 58 : 1
  const carried: FrameSpec = isLater
    ? {}
    : hasPorts
      ? { [kind]: { sport, dport } }
      : kind === 'gre'
        ? {}
        : { [isSix ? 'icmpv6' : 'icmp']: { type: isSix ? 128 : 8 } }
  const network: FrameSpec = isSix
    ? {
        ipv6: {
          ...addresses,
          nextHeader: protocol,
          ...(isLater && { extensions: [{ kind: 'fragment', offset: 64 }] }),
        },
      }
    : {
        ipv4: {
          ...addresses,
          protocol,
          ...(made.options && { options: [1, 1, 1, 0] }),
          ...(isLater && { frag: 64 }),
        },
      }
  const ethernet = made.vlan ? { ethernet: { vlan: 7 } } : {}
  const payload = isLater ? made.payload + 8 : made.payload
  return {
    bytes: build({ ...ethernet, ...network, ...carried, payload }),
    ethertype: isSix ? 'ip6' : 'ip',
    protocol,
    ...addresses,
    ports: hasPorts && !isLater ? ports : null,
  }
}

const arpFrame = fc.record({ from: oneOf(ADDRESSES4), to: oneOf(ADDRESSES4) })

const frame = fc.oneof(
  { weight: 8, arbitrary: ipFrame.map(factsOf) },
  {
    weight: 1,
    arbitrary: arpFrame.map(({ from, to }) => ({
      bytes: build({ arp: { senderMac: '02:00:00:00:00:fe', sender: from, target: to } }),
      ethertype: 'arp' as const,
      protocol: -1,
      source: from,
      destination: to,
      ports: null,
    })),
  },
  {
    weight: 1,
    arbitrary: fc.nat(40).map((payload) => ({
      bytes: build({ ethernet: { type: 0x88cc }, payload }),
      ethertype: 'other' as const,
      protocol: -1,
      source: '',
      destination: '',
      ports: null,
    })),
  },
)

export const facts: fc.Arbitrary<Facts> = fc
  .tuple(frame, fc.nat(ENDINGS.length - 1), fc.option(oneOf(REALSERVERS)))
  .map(([made, verdict, realserver]) => ({ ...made, verdict, realserver }))

/** The port that realservers of these tests have. */
export const REALSERVER_PORT = 8080

export interface Filter {
  readonly text: string
  readonly means: (facts: Facts) => boolean
  /** Whether pcap-filter knows all its words. */
  readonly isPcap: boolean
  /** Whether it can stand behind `not` and beside others without parentheses. */
  readonly isTerm: boolean
}

type Side = '' | 'src' | 'dst' | 'src or dst' | 'src and dst'
const side = oneOf<Side>(['', 'src', 'dst', 'src or dst', 'src and dst'])

function sides(side: Side, source: boolean, destination: boolean): boolean {
  if (side === 'src') return source
  if (side === 'dst') return destination
  return side === 'src and dst' ? source && destination : source || destination
}

const simple = (text: string, means: Filter['means'], isPcap = true): Filter => {
  return { text, means, isPcap, isTerm: true }
}

const host = fc
  .tuple(side, oneOf([...ADDRESSES4, ...ADDRESSES6]), fc.boolean())
  .map(([side, address, isShort]) => {
    // An address alone would take over the words of the one before it.
    const isBare = side !== '' && isShort
    const written = `${side} ${isBare ? '' : 'host '}${address}`.trim()
    return simple(written, (f) => sides(side, f.source === address, f.destination === address))
  })

const net = fc
  .tuple(side, oneOf(['10.0.0.0/24', '10.0.0.0/8', '2001:db8::/48', '192.168.0.0/16']))
  .map(([side, prefix]) => {
    const begin = { '10.0.0.0/24': '10.0.0.', '10.0.0.0/8': '10.', '192.168.0.0/16': '192.168.' }
    const isIn = (address: string) =>
      prefix === '2001:db8::/48'
        ? address.startsWith('2001:db8::')
        : address.startsWith(begin[prefix as keyof typeof begin])
    return simple(`${side} net ${prefix}`.trim(), (f) =>
      sides(side, isIn(f.source), isIn(f.destination)),
    )
  })

const ports = fc
  .tuple(side, fc.option(transport), oneOf(PORTS), oneOf([0, 0, 100, 400]))
  .map(([side, protocol, low, width]) => {
    const isIn = (port: number) => port >= low && port <= low + width
    const words = width === 0 ? `port ${low}` : `portrange ${low}-${low + width}`
    const text = [protocol ?? '', side, words].filter((word) => word !== '').join(' ')
    return simple(text, (f) => {
      if (f.ports === null) return false
      if (protocol !== null && f.protocol !== PROTOCOLS[protocol]) return false
      return sides(side, isIn(f.ports[0]), isIn(f.ports[1]))
    })
  })

const alternatives = fc.tuple(oneOf(PORTS), oneOf(PORTS)).map(([one, other]): Filter => {
  const isIn = (port: number) => port === one || port === other
  return {
    text: `dst port ${one} or ${other}`,
    means: ({ ports }) => ports !== null && isIn(ports[1]),
    isPcap: true,
    isTerm: false,
  }
})

const protocols = oneOf<Filter>([
  simple('ip', ({ ethertype }) => ethertype === 'ip'),
  simple('ip6', ({ ethertype }) => ethertype === 'ip6'),
  simple('arp', ({ ethertype }) => ethertype === 'arp'),
  simple('tcp', ({ protocol }) => protocol === 6),
  simple('udp', ({ protocol }) => protocol === 17),
  simple('sctp', ({ protocol }) => protocol === 132),
  simple('icmp', ({ protocol }) => protocol === 1),
  simple('icmp6', ({ protocol }) => protocol === 58),
  simple('proto 47', ({ protocol }) => protocol === 47),
  simple('less 90', ({ bytes }) => bytes.length <= 90),
  simple('greater 70', ({ bytes }) => bytes.length >= 70),
])

const own = fc.oneof(
  fc.nat(ENDINGS.length - 1).map((verdict) => {
    const name = ENDINGS[verdict]?.name
    return simple(`verdict ${name}`, (f) => f.verdict === verdict, false)
  }),
  oneOf(['forward', 'drop', 'answer', 'pass', 'hold'] as const).map((action) =>
    simple(`verdict ${action}`, (f) => ENDINGS[f.verdict]?.action === action, false),
  ),
  fc.tuple(oneOf(REALSERVERS), fc.option(oneOf([80, REALSERVER_PORT]))).map(([address, port]) => {
    const text = port === null ? address : address.includes(':') ? `[${address}]` : address
    const isPort = port === null || port === REALSERVER_PORT
    const written = `realserver ${text}${port === null ? '' : `:${port}`}`
    return simple(written, (f) => f.realserver === address && isPort, false)
  }),
  fc
    .tuple(oneOf(ADDRESSES4), fc.option(oneOf(PORTS)))
    .map(([address, port]) =>
      simple(
        `vip ${address}${port === null ? '' : `:${port}`}`,
        (f) => f.destination === address && (port === null || f.ports?.[1] === port),
        false,
      ),
    ),
)

/** `isPcap`: only words that pcap-filter has too. */
export function filters(isPcap: boolean): fc.Arbitrary<Filter> {
  const leaf = isPcap
    ? fc.oneof(host, net, ports, alternatives, protocols)
    : fc.oneof(host, net, ports, alternatives, protocols, own)
  const { filter } = fc.letrec<{ filter: Filter; joined: Filter; negated: Filter }>((tie) => ({
    filter: fc.oneof({ maxDepth: 4 }, leaf, tie('joined'), tie('negated')),
    joined: fc
      .tuple(tie('filter'), tie('filter'), fc.boolean(), fc.boolean(), fc.boolean())
      .map(([left, right, isAnd, isSymbol, isBare]) => {
        const word = isAnd ? (isSymbol ? '&&' : 'and') : isSymbol ? '||' : 'or'
        // From left to right without parentheses; the right side needs them unless it is a term.
        const begin = isBare ? left.text : `(${left.text})`
        const end = right.isTerm ? right.text : `(${right.text})`
        return {
          text: `${begin} ${word} ${end}`,
          means: (f: Facts) =>
            isAnd ? left.means(f) && right.means(f) : left.means(f) || right.means(f),
          isPcap: left.isPcap && right.isPcap,
          isTerm: false,
        }
      }),
    negated: fc.tuple(tie('filter'), fc.boolean()).map(([of, isSymbol]) => ({
      text: `${isSymbol ? '!' : 'not '}${of.isTerm && !isSymbol ? of.text : `(${of.text})`}`,
      means: (f: Facts) => !of.means(f),
      isPcap: of.isPcap,
      isTerm: true,
    })),
  }))
  return filter
}
