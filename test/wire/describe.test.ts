import fc from 'fast-check'
import t from 'tap'
import { build, buildFragments, buildPacket } from '../../src/wire/build.js'
import { describe, describePacket, type Layer } from '../../src/wire/describe.js'
import type { FrameSpec } from '../../src/wire/frame-spec.js'
import { fromHex, SEED, viewOf } from './harness.js'

const IPV4 = { source: '192.168.1.254', destination: '192.168.1.110' }
const IPV6 = { source: '2001:db8::254', destination: '2001:db8::110' }
const TCP = { sport: 40000, dport: 80, flags: 'SA' }
const UDP = { sport: 40000, dport: 53 }
const MAC = '02:42:c0:a8:01:fe'

const SPECS: FrameSpec[] = [
  { ipv4: IPV4, tcp: TCP, padTo: 60 },
  {
    ethernet: { vlan: [100, 7] },
    ipv4: { ...IPV4, options: [1, 1, 1, 0] },
    udp: UDP,
    payload: 100,
  },
  {
    ipv4: IPV4,
    sctp: {
      sport: 1,
      dport: 2,
      chunks: [
        { type: 10, value: 5 },
        { type: 0, value: 9 },
      ],
    },
  },
  { ipv4: IPV4, icmp: { type: 3, code: 4, mtu: 1400, quote: { ipv4: IPV4, tcp: TCP } } },
  { ipv4: IPV4, icmp: { type: 8, identifier: 1, sequence: 2 }, payload: 56 },
  { ipv6: { ...IPV6, extensions: [{ kind: 'hop-by-hop' }, { kind: 'fragment' }] }, tcp: TCP },
  {
    ipv6: { ...IPV6, hopLimit: 255 },
    icmpv6: { type: 136, target: '2001:db8::110', linkLayer: MAC },
  },
  { ipv6: IPV6, icmpv6: { type: 2, mtu: 1280, quote: { ipv6: IPV6, udp: UDP } } },
  { arp: { senderMac: MAC, sender: '192.168.1.254', target: '192.168.1.110' }, padTo: 60 },
]
const FRAMES = [
  ...SPECS.map(build),
  ...buildFragments({ ipv4: IPV4, udp: UDP, payload: 64 }, 32),
  ...buildFragments({ ipv6: IPV6, udp: UDP, payload: 64 }, 32),
]

function layersOf(spec: FrameSpec): Layer[] {
  const frame = build(spec)
  return describe(viewOf(frame), 0, frame.length)
}

function names(layers: readonly Layer[]): string[] {
  return layers.map((layer) => layer.name)
}

/** One value: `ipv4.ttl`. */
function shown(layers: readonly Layer[], path: string): string | undefined {
  const [layer, name] = path.split('.')
  return layers.find((l) => l.name === layer)?.fields.find((f) => f.name === name)?.value
}

t.test('a frame by hand', async (t) => {
  const frame = fromHex(`
    ffff
    0242c0a80101 0242c0a801fe 0800
    4510 0028 beef 4000 3f06 f822 c0a801fe c0a8016e
    9c40 0050 89abcdef 00000001 5012 faf0 0000 0000
    000000000000`)
  const layers = describe(viewOf(frame), 2, frame.length)
  t.same(
    layers.map(({ name, offset, bytes }) => [name, offset, bytes]),
    [
      ['ethernet', 2, 14],
      ['ipv4', 16, 20],
      ['tcp', 36, 20],
      ['padding', 56, 6],
    ],
  )
  t.same(
    layers[1].fields.map(({ name, value }) => `${name}: ${value}`),
    [
      'version: 4',
      'header length: 5',
      'tos: 0x10',
      'total length: 40',
      'identification: 0xbeef',
      'flags: 0x2 (DF)',
      'fragment offset: 0',
      'ttl: 63',
      'protocol: 6 (TCP)',
      'checksum: 0xf822 (wrong)',
      'source: 192.168.1.254',
      'destination: 192.168.1.110',
    ],
  )
  t.equal(shown(layers, 'ethernet.type'), '0x0800 (IPv4)')
  t.equal(shown(layers, 'ethernet.destination'), '02:42:c0:a8:01:01')
  t.equal(shown(layers, 'tcp.sequence'), String(0x89abcdef))
  t.equal(shown(layers, 'tcp.flags'), '0x12 (SYN ACK)')
  t.equal(layers[2].fields[3].offset, 44, 'offsets count from the start of the view')
})

t.test('the names of flags', async (t) => {
  const advertisement = (rest: number) =>
    layersOf({ ipv6: IPV6, icmpv6: { type: 136, target: '2001:db8::110', rest } })
  t.equal(shown(advertisement(0x80000000), 'icmpv6.flags'), '0x4 (router)')
  t.equal(shown(advertisement(0x60000000), 'icmpv6.flags'), '0x3 (override solicited)')
  t.equal(shown(advertisement(0), 'icmpv6.flags'), '0x0')
  const fragment = layersOf({ ipv4: { ...IPV4, mf: true, df: true } })
  t.equal(shown(fragment, 'ipv4.flags'), '0x3 (MF DF)')
})

t.test('layers, outermost first', async (t) => {
  const expected = [
    ['ethernet', 'ipv4', 'tcp', 'padding'],
    ['ethernet', 'vlan', 'vlan', 'ipv4', 'udp', 'payload'],
    ['ethernet', 'ipv4', 'sctp', 'chunk', 'chunk'],
    ['ethernet', 'ipv4', 'icmp', 'quoted ipv4', 'quoted tcp'],
    ['ethernet', 'ipv4', 'icmp', 'payload'],
    ['ethernet', 'ipv6', 'hop-by-hop options', 'fragment', 'tcp'],
    ['ethernet', 'ipv6', 'icmpv6', 'option'],
    ['ethernet', 'ipv6', 'icmpv6', 'quoted ipv6', 'quoted udp'],
    ['ethernet', 'arp', 'padding'],
    ['ethernet', 'ipv4', 'udp', 'payload'],
    ['ethernet', 'ipv4', 'fragment data'],
    ['ethernet', 'ipv4', 'fragment data'],
    ['ethernet', 'ipv6', 'fragment', 'udp', 'payload'],
    ['ethernet', 'ipv6', 'fragment', 'fragment data'],
    ['ethernet', 'ipv6', 'fragment', 'fragment data'],
  ]
  t.same(
    FRAMES.map((frame) => names(describe(viewOf(frame), 0, frame.length))),
    expected,
  )
})

t.test('checksums are judged where they can be', async (t) => {
  for (const spec of SPECS) {
    for (const layer of layersOf(spec)) {
      const checksum = layer.fields.find((field) => field.name === 'checksum')?.value ?? '(good)'
      // An atomic fragment is whole, but nothing says so before it is put together.
      if (!spec.ipv6?.extensions) t.match(checksum, /\(good\)$/, `${layer.name} ${checksum}`)
    }
  }
  const { value = '' } = layersOf({ ...SPECS[0], badChecksum: true })[2].fields[7]
  t.match(value, /\(wrong\)$/)
  const cut = build({ ...SPECS[1], truncate: 80 })
  t.match(shown(describe(viewOf(cut), 0, 80), 'udp.checksum') ?? '', /^0x[0-9a-f]{4}$/)
})

t.test('a cut header shows its whole fields', async (t) => {
  const layers = layersOf({ ipv4: IPV4, tcp: TCP, truncate: 14 + 20 + 7 })
  t.same(names(layers), ['ethernet', 'ipv4', 'tcp (cut)'])
  t.same(
    layers[2].fields.map((field) => field.name),
    ['source port', 'destination port'],
  )
  t.same(names(layersOf({ ipv4: IPV4, truncate: 14 })), ['ethernet', 'ipv4 (cut)'])
  t.same(names(layersOf({ ipv4: IPV4, truncate: 3 })), ['ethernet (cut)'])
})

t.test('a packet without Ethernet', async (t) => {
  for (const spec of [SPECS[0], SPECS[7]]) {
    const packet = buildPacket(spec)
    const framed = names(layersOf(spec))
      .slice(1)
      .filter((name) => name !== 'padding')
    t.same(names(describePacket(viewOf(packet), 0, packet.length)), framed)
  }
  t.same(names(describePacket(viewOf(new Uint8Array(0)), 0, 0)), ['ipv4 (cut)'])
})

t.test('any bytes can be described, in order and within the frame', async () => {
  const flips = fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 6 })
  const frame = fc.oneof(fc.constantFrom(...FRAMES), fc.uint8Array({ maxLength: 120 }))
  fc.assert(
    fc.property(frame, flips, fc.nat(120), fc.nat(5), (whole, changes, cut, at) => {
      const bytes = whole.slice(0, cut < 20 ? whole.length : Math.max(0, whole.length - cut + 20))
      for (const [index, value] of changes) if (index < bytes.length) bytes[index] = value
      const exact = new Uint8Array(at + bytes.length)
      exact.set(bytes, at)
      const seen = check(exact, at)
      const longer = new Uint8Array(exact.length + 60).fill(0x45)
      longer.set(exact)
      return seen === JSON.stringify(describe(viewOf(longer), at, exact.length))
    }),
    { seed: SEED, numRuns: 5000 },
  )
})

/**
 * Describes `[at, end of bytes)`, demands layers that neither overlap nor leave it, returns JSON.
 */
function check(bytes: Uint8Array, at: number): string {
  const layers = describe(viewOf(bytes), at, bytes.length)
  describePacket(viewOf(bytes), at, bytes.length)
  let next = at
  for (const layer of layers) {
    if (layer.name === 'vlan') next -= 2
    if (layer.offset < next) throw new Error(`${layer.name} begins at ${layer.offset}, not ${next}`)
    next = layer.offset + layer.bytes
    if (next > bytes.length) throw new Error(`${layer.name} ends behind the frame`)
    for (const field of layer.fields) {
      if (field.offset < layer.offset || field.offset + field.bytes > next) {
        throw new Error(`${layer.name}.${field.name} is outside its layer`)
      }
    }
  }
  return JSON.stringify(layers)
}
