/**
 * The XDP program, run by the kernel itself over frames made to order (BPF_PROG_TEST_RUN): what is
 * taken, what is left to the kernel, and that both agree with the filter of the packet sockets.
 */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { SharedVip } from '../../src/engine/port.js'
import {
  BPF_MAP_TYPE_XSKMAP,
  BpfMap,
  XDP_PASS,
  XDP_REDIRECT,
  XdpProgram,
} from '../../src/native/bpf.js'
import { AF_XDP, SOL_XDP, XDP_RX_RING } from '../../src/native/if-xdp.js'
import { check, close, socket } from '../../src/native/libc.js'
import { SOCK_RAW, setOption } from '../../src/native/socket.js'
import { linkFilter, servingFilter, words } from '../../src/port/bpf-filter.js'
import { workerOf } from '../../src/port/share.js'
import { XdpMaps } from '../../src/port/xdp-maps.js'
import { xdpProgram } from '../../src/port/xdp-program.js'
import { build, buildFragments, type FrameSpec } from '../../src/wire/build.js'
import { accepts } from './classic-bpf.js'
import { xdpMissing } from './wire.js'

const SEED = 20261126
const OURS = '02:00:00:00:ff:01'
const VIP = '192.0.2.110'
const VIP6 = '2001:db8::110'
const CLIENT = '198.51.100.7'
const CLIENT6 = '2001:db8:7::7'
const ethernet = { source: '02:00:00:00:00:99', destination: OURS }
const skip = xdpMissing()

/** The program with an empty socket in its map, and a way to ask it. */
class Bench {
  readonly maps = new XdpMaps()
  readonly program: XdpProgram
  readonly #sockets: BpfMap
  readonly #fd = check(socket(AF_XDP, SOCK_RAW, 0), 'socket AF_XDP', 'test')

  /** `worker`: whose socket alone stands in the map, of how many. */
  constructor(t: Test, worker = 0, workers = 1) {
    // A socket with a ring may stand in the map; bound to nothing, it is never sent anything.
    setOption(this.#fd, SOL_XDP, XDP_RX_RING, 64, 'XDP_RX_RING')
    this.#sockets = new BpfMap('test_sockets', BPF_MAP_TYPE_XSKMAP, 4, 4, workers)
    this.#sockets.set(Uint32Array.of(worker), Int32Array.of(this.#fd))
    const descriptors = {
      served: this.maps.served.fd,
      fragments: this.maps.fragments.fd,
      sockets: this.#sockets.fd,
      grain: this.maps.grain.fd,
    }
    this.program = new XdpProgram('test', xdpProgram(0x0200, 0xff01, descriptors, { workers }))
    t.teardown(() => {
      this.program.close()
      this.#sockets.close()
      this.maps.close()
      close(this.#fd)
    })
  }

  takes(frame: Uint8Array): boolean {
    const { verdict, frame: after } = this.program.test(frame)
    if (verdict !== XDP_PASS && verdict !== XDP_REDIRECT) throw new Error(`verdict ${verdict}`)
    if (!Buffer.from(after).equals(frame)) throw new Error('the program changed the frame')
    return verdict === XDP_REDIRECT
  }
}

const four = (destination: string, spec: FrameSpec = {}): FrameSpec => ({
  ethernet,
  ipv4: { source: CLIENT, destination },
  ...spec,
})
const six = (destination: string, spec: FrameSpec = {}): FrameSpec => ({
  ethernet,
  ipv6: { source: CLIENT6, destination },
  ...spec,
})
const udp = (dport: number): FrameSpec => ({ udp: { sport: 7, dport }, payload: 20 })
const tcp = (dport: number): FrameSpec => ({ tcp: { sport: 7, dport } })

/** What the VIPs of SHARED serve, where the kernel holds them. */
const SHARED: SharedVip[] = [VIP, VIP6].map((address) => ({
  address,
  ports: [
    { protocol: 'tcp', port: 80 },
    { protocol: 'udp', port: 53 },
    { protocol: 'sctp', port: 0 },
  ],
}))

t.test('VIPs that the kernel does not hold: all of it', { skip }, async (t) => {
  const bench = new Bench(t)
  t.notOk(bench.takes(build(four(VIP, udp(53)))), 'nothing before serve()')
  bench.maps.serve([VIP, VIP6], [])
  const cases: [string, FrameSpec, boolean][] = [
    ['UDP', four(VIP, udp(53)), true],
    ['TCP', four(VIP, tcp(22)), true],
    ['an echo request', four(VIP, { icmp: { type: 8 } }), true],
    [
      'a later fragment',
      { ...four(VIP), ipv4: { source: CLIENT, destination: VIP, frag: 80 } },
      true,
    ],
    [
      'another protocol',
      { ...four(VIP), ipv4: { source: CLIENT, destination: VIP, protocol: 253 } },
      true,
    ],
    ['a tag', { ...four(VIP, udp(53)), ethernet: { ...ethernet, vlan: 42 } }, true],
    ['two tags', { ...four(VIP, udp(53)), ethernet: { ...ethernet, vlan: [1, 2] } }, false],
    ['another address', four('192.0.2.111', udp(53)), false],
    ['from the VIP', { ethernet, ipv4: { source: VIP, destination: CLIENT }, ...udp(53) }, false],
    [
      'to another MAC',
      { ...four(VIP, udp(53)), ethernet: { ...ethernet, destination: '02:00:00:00:ff:02' } },
      false,
    ],
    [
      'to another MAC 2',
      { ...four(VIP, udp(53)), ethernet: { ...ethernet, destination: '02:00:01:00:ff:01' } },
      false,
    ],
    [
      'to everybody',
      { ...four(VIP, udp(53)), ethernet: { ...ethernet, destination: 'ff:ff:ff:ff:ff:ff' } },
      false,
    ],
    ['UDP over IPv6', six(VIP6, udp(53)), true],
    ['an echo request over IPv6', six(VIP6, { icmpv6: { type: 128 } }), true],
    ['a tag over IPv6', { ...six(VIP6, udp(53)), ethernet: { ...ethernet, vlan: 42 } }, true],
    ['another IPv6 address', six('2001:db8::111', udp(53)), false],
    ['is the VIP reachable? (NUD)', six(VIP6, { icmpv6: { type: 135, target: VIP6 } }), false],
    ['a neighbour advertisement', six(VIP6, { icmpv6: { type: 136, target: CLIENT6 } }), false],
    [
      'who has the VIP?',
      {
        ethernet,
        arp: { operation: 'request', senderMac: ethernet.source, sender: CLIENT, target: VIP },
      },
      false,
    ],
    ['another EtherType', { ethernet: { ...ethernet, type: 0x88cc }, payload: 60 }, false],
  ]
  for (const [sentence, spec, isTaken] of cases) {
    t.equal(bench.takes(build(spec)), isTaken, sentence)
  }
  bench.maps.serve([VIP6], [])
  t.notOk(bench.takes(build(four(VIP, udp(53)))), 'a VIP that is gone')
  t.ok(bench.takes(build(six(VIP6, udp(53)))), 'one that stayed')
})

/** Frames to a shared VIP, in both families; `extra` makes both kinds of header alike. */
function sharedCases(): [string, FrameSpec, boolean][] {
  const both = (sentence: string, spec: FrameSpec, isTaken: boolean) =>
    [
      [sentence, four(VIP, spec), isTaken],
      [`${sentence}, IPv6`, six(VIP6, spec), isTaken],
    ] as [string, FrameSpec, boolean][]
  const quoted4 = (sport: number, source = VIP) => ({
    ipv4: { source, destination: CLIENT },
    tcp: { sport, dport: 7 },
  })
  const quoted6 = (sport: number, source = VIP6) => ({
    ipv6: { source, destination: CLIENT6 },
    tcp: { sport, dport: 7 },
  })
  return [
    ...both('TCP to a served port', tcp(80), true),
    ...both('TCP to another', tcp(22), false),
    ...both('UDP to a served port', udp(53), true),
    ...both('UDP to a port that only TCP serves', udp(80), false),
    ...both('UDP to port 0', udp(0), false),
    ...both('SCTP, all ports', { sctp: { sport: 7, dport: 4711, chunks: [] } }, true),
    ['ping', four(VIP, { icmp: { type: 8 } }), false],
    ['ping, IPv6', six(VIP6, { icmpv6: { type: 128 } }), false],
    ...[3, 4, 11].map((type): [string, FrameSpec, boolean] => [
      `ICMP ${type} about a served port`,
      four(VIP, { icmp: { type, code: 1, quote: quoted4(80) } }),
      true,
    ]),
    ['ICMP about another', four(VIP, { icmp: { type: 3, quote: quoted4(22) } }), false],
    [
      'ICMP about another host',
      four(VIP, { icmp: { type: 3, quote: quoted4(80, '192.0.2.9') } }),
      false,
    ],
    ['a redirect', four(VIP, { icmp: { type: 5, quote: quoted4(80) } }), false],
    ...[1, 2, 3, 4].map((type): [string, FrameSpec, boolean] => [
      `ICMPv6 ${type} about a served port`,
      six(VIP6, { icmpv6: { type, quote: quoted6(80) } }),
      true,
    ]),
    ['ICMPv6 about another', six(VIP6, { icmpv6: { type: 1, quote: quoted6(22) } }), false],
    [
      'ICMPv6 about another host',
      six(VIP6, { icmpv6: { type: 1, quote: quoted6(80, '2001:db8::9') } }),
      false,
    ],
    [
      'IPv4 options',
      { ethernet, ipv4: { source: CLIENT, destination: VIP, options: [1, 1, 1, 1] }, ...tcp(80) },
      true,
    ],
    [
      'IPv4 options, another port',
      { ethernet, ipv4: { source: CLIENT, destination: VIP, options: [1, 1, 1, 1] }, ...tcp(22) },
      false,
    ],
    ...[80, 22].map((port): [string, FrameSpec, boolean] => [
      `IPv6 extension headers, port ${port}`,
      {
        ethernet,
        ipv6: {
          source: CLIENT6,
          destination: VIP6,
          extensions: [
            { kind: 'hop-by-hop' },
            { kind: 'routing' },
            { kind: 'destination-options' },
          ],
        },
        ...tcp(port),
      },
      port === 80,
    ]),
    [
      'another protocol',
      { ethernet, ipv4: { source: CLIENT, destination: VIP, protocol: 47 } },
      false,
    ],
  ]
}

t.test('a VIP that the kernel holds too: what is served, and no more', { skip }, async (t) => {
  const bench = new Bench(t)
  bench.maps.serve([VIP, VIP6], SHARED)
  for (const [sentence, spec, isTaken] of sharedCases()) {
    const frame = build(spec)
    t.equal(bench.takes(frame), isTaken, sentence)
    // Cut anywhere, it is judged without a fault, and not taken for what is missing.
    for (let bytes = 14; bytes < frame.length; bytes++) {
      if (bench.takes(frame.subarray(0, bytes)) && !isTaken) t.fail(`${sentence}, cut to ${bytes}`)
    }
  }
})

t.test('later fragments go where the first one went', { skip }, async (t) => {
  const bench = new Bench(t)
  bench.maps.serve([VIP, VIP6], [...SHARED.slice(0, 1), { address: VIP6, ports: [] }])
  const cut = (port: number, id: number) =>
    buildFragments(
      {
        ethernet,
        ipv4: { source: CLIENT, destination: VIP, id, df: false },
        udp: { sport: 7, dport: port },
        payload: 3000,
      },
      1400,
    )
  const taken = (frames: readonly Uint8Array[]) => frames.map((frame) => bench.takes(frame))
  t.same(taken(cut(53, 1)), [true, true, true], 'a served port')
  t.same(taken(cut(99, 2)), [false, false, false], "a port of the kernel's")
  t.same(taken(cut(53, 3).reverse()), [true, true, true], 'the first one last')
  t.same(taken(cut(99, 4).reverse()), [true, true, false], 'not known before the first has come')
  const six = (extension: { offset: number; more: boolean }) =>
    build({
      ethernet,
      ipv6: {
        source: CLIENT6,
        destination: VIP6,
        extensions: [{ kind: 'fragment', id: 9, ...extension }],
      },
      udp: { sport: 7, dport: 53 },
      payload: 64,
    })
  t.notOk(bench.takes(six({ offset: 80, more: false })), 'no service of its protocol')
  bench.maps.serve([VIP6], SHARED)
  t.ok(bench.takes(six({ offset: 0, more: true })), 'IPv6, the first')
  t.ok(bench.takes(six({ offset: 80, more: false })), 'IPv6, the last')
})

t.test('the same frames as a packet socket with the classic filter', { skip }, async (t) => {
  const bench = new Bench(t)
  const octet = fc.integer({ min: 0, max: 255 })
  // Few addresses, so that frames meet VIPs often.
  const near4 = fc.integer({ min: 0, max: 15 }).map((n) => `10.0.0.${n}`)
  const near6 = fc.integer({ min: 0, max: 15 }).map((n) => `2001:db8::${n.toString(16)}`)
  const address = fc.oneof(near4, near6)
  const spec: fc.Arbitrary<FrameSpec> = fc.oneof(
    fc
      .record({ source: near4, destination: near4, options: fc.constantFrom([], [1, 1, 1, 1]) })
      .map((ipv4) => ({ ethernet, ipv4, ...udp(53) })),
    fc
      .record({ source: near4, destination: near4, frag: fc.nat(100) })
      .map((ipv4) => ({ ethernet, ipv4, payload: 30 })),
    fc
      .record({ source: near6, destination: near6 })
      .map((ipv6) => ({ ethernet, ipv6, ...tcp(80) })),
    fc.record({ destination: near6, type: octet }).map(({ destination, type }) => ({
      ethernet,
      ipv6: { source: CLIENT6, destination, hopLimit: 255 },
      icmpv6: { type, target: '2001:db8::1' },
    })),
    fc
      .record({
        sender: near4,
        target: near4,
        operation: fc.constantFrom('request' as const, 'reply' as const),
      })
      .map((arp) => ({
        ethernet,
        arp: { ...arp, senderMac: ethernet.source },
      })),
  )
  let both = 0
  let ours = 0
  fc.assert(
    fc.property(
      fc.uniqueArray(address, { maxLength: 12 }),
      fc.array(
        fc.tuple(spec, fc.array(fc.tuple(fc.nat(80), octet), { maxLength: 3 }), fc.nat(40)),
        { minLength: 20, maxLength: 40 },
      ),
      (vips, frames) => {
        bench.maps.serve(vips, [])
        const whole = servingFilter(vips)
        const link = linkFilter(vips)
        return frames.every(([spec, damage, cut]) => {
          const frame = build(spec)
          for (const [at, value] of damage) if (14 + at < frame.length) frame[14 + at] = value
          const short = frame.subarray(0, Math.max(14, frame.length - (cut > 30 ? cut : 0)))
          const byXdp = bench.takes(short)
          const byLink = accepts(link, short)
          both += byXdp || byLink ? 1 : 0
          ours += byXdp ? 1 : 0
          return (byXdp || byLink) === accepts(whole, short) && !(byXdp && byLink)
        })
      },
    ),
    { seed: SEED, numRuns: 200 },
  )
  t.ok(ours > 300 && both > ours + 300, `seed ${SEED}: ${ours} by XDP, ${both} in all`)
})

t.test('the map follows whatever is served', { skip }, async (t) => {
  const bench = new Bench(t)
  const port = fc.integer({ min: 0, max: 3 })
  const protocol = fc.constantFrom('tcp' as const, 'udp' as const)
  const vip = fc.record({
    address: fc.integer({ min: 0, max: 3 }).map((n) => `10.0.0.${n}`),
    isShared: fc.boolean(),
    ports: fc.uniqueArray(fc.record({ protocol, port }), { maxLength: 4 }),
  })
  const state = fc.uniqueArray(vip, { selector: ({ address }) => address, maxLength: 4 })
  fc.assert(
    fc.property(fc.array(state, { minLength: 1, maxLength: 4 }), (states) => {
      // Each state after the one before: what is left over from that would show.
      for (const vips of states) {
        const addresses = vips.map(({ address }) => address)
        bench.maps.serve(
          addresses,
          vips.filter(({ isShared }) => isShared),
        )
        for (let n = 0; n < 4; n++) {
          const found = vips.find(({ address }) => address === `10.0.0.${n}`)
          for (const [name, make] of [
            ['tcp', tcp],
            ['udp', udp],
          ] as const) {
            for (let at = 1; at < 4; at++) {
              const isServed = found?.ports.some(
                (p) => p.protocol === name && (p.port === at || p.port === 0),
              )
              const expected = found !== undefined && (!found.isShared || isServed === true)
              if (bench.takes(build(four(`10.0.0.${n}`, make(at)))) !== expected) return false
            }
          }
        }
      }
      return true
    }),
    { seed: SEED, numRuns: 60 },
  )
  t.pass(`seed ${SEED}`)
})

t.test('of several workers the one that has the client', { skip }, async (t) => {
  const count = 5
  const benches = Array.from({ length: count }, (_, worker) => new Bench(t, worker, count))
  const shares = [
    { mask4: -1, prefix6: 128 },
    { mask4: -1 << 8, prefix6: 64 },
  ].map((grain) => ({ index: 0, count, ...grain }))
  const takers = (frame: Uint8Array) =>
    benches.flatMap((bench, worker) => (bench.takes(frame) ? [worker] : []))
  const errorsAbout = (client: string, client6: string) => {
    const answer = build({
      ipv4: { source: VIP, destination: client },
      udp: { sport: 53, dport: 7 },
    }).subarray(14)
    const answer6 = build({
      ipv6: { source: VIP6, destination: client6 },
      udp: { sport: 53, dport: 7 },
    }).subarray(14)
    const spec = { source: '203.0.113.1', destination: VIP, options: [1, 1, 1, 1] }
    const spec6 = { source: '2001:db8:ffff::1', destination: VIP6 }
    return [
      ...[3, 4, 11].map((type) =>
        build({ ethernet, ipv4: spec, icmp: { type, code: 4 }, payload: answer }),
      ),
      ...[1, 2, 3, 4].map((type) =>
        build({ ethernet, ipv6: spec6, icmpv6: { type, code: 0, rest: 1400 }, payload: answer6 }),
      ),
    ]
  }
  for (const share of shares) {
    // As addresses of the director alone, and as addresses of its kernel too.
    for (const shared of [[], SHARED]) {
      for (const { maps } of benches) maps.serve([VIP, VIP6], shared, share)
      for (let i = 0; i < 30; i++) {
        const client = `198.51.${i}.${i * 7}`
        const client6 = `2001:db8:${i}::${i * 7}`
        const own = [workerOf(words(client), share)]
        const own6 = [workerOf(words(client6), share)]
        const to = { ipv4: { source: client, destination: VIP, id: 9, df: false }, ...udp(53) }
        const to6 = { ipv6: { source: client6, destination: VIP6 }, ...udp(53) }
        const whole = [
          build({ ethernet, ...to }),
          build({ ethernet: { ...ethernet, vlan: 7 }, ...to }),
        ]
        const pieces = buildFragments({ ethernet, ...to, payload: 3000 }, 1480)
        for (const frame of [...whole, ...pieces]) t.same(takers(frame), own)
        const pieces6 = buildFragments({ ethernet, ...to6, payload: 3000 }, 1480)
        for (const frame of [build({ ethernet, ...to6 }), ...pieces6]) t.same(takers(frame), own6)
        for (const frame of errorsAbout(client, client6)) {
          t.same(takers(frame), frame[12] === 8 ? own : own6, 'an ICMP error')
        }
      }
    }
    // Nothing is quoted, and an echo request: as what its sender sent.
    for (const { maps } of benches) maps.serve([VIP, VIP6], [], share)
    const router = [workerOf(words('203.0.113.1'), share)]
    const spec = { source: '203.0.113.1', destination: VIP }
    const empty = build({ ethernet, ipv4: spec, icmp: { type: 3, code: 4 } })
    t.same(takers(empty.subarray(0, 14 + 28)), router)
    t.same(takers(build({ ethernet, ipv4: spec, icmp: { type: 8 }, payload: 40 })), router)
  }
})
