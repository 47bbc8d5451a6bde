import t from 'tap'
import * as arp from '../../src/wire/arp.js'
import { build, buildFragments, buildPacket } from '../../src/wire/build.js'
import { isTransportGood4, isTransportGood6 } from '../../src/wire/checksum.js'
import * as ethernet from '../../src/wire/ethernet.js'
import type { FrameSpec } from '../../src/wire/frame-spec.js'
import * as icmp from '../../src/wire/icmp.js'
import * as icmpv6 from '../../src/wire/icmpv6.js'
import * as ipv4 from '../../src/wire/ipv4.js'
import * as ipv6 from '../../src/wire/ipv6.js'
import * as sctp from '../../src/wire/sctp.js'
import * as tcp from '../../src/wire/tcp.js'
import * as udp from '../../src/wire/udp.js'
import { fromHex, toHex, viewOf } from './harness.js'

const IPV4 = { source: '192.168.1.254', destination: '192.168.1.110' }
const IPV6 = { source: '2001:db8::254', destination: '2001:db8::110' }
const IP = ethernet.HEADER_BYTES

t.test('a SYN, byte for byte', async (t) => {
  const frame = build({
    ethernet: { source: '02:42:c0:a8:01:fe', destination: '02:42:c0:a8:01:01' },
    ipv4: { ...IPV4, id: 0xbeef, ttl: 63 },
    tcp: { sport: 40000, dport: 80, flags: 'S', seq: 0x01020304, options: [2, 4, 5, 180] },
    padTo: 60,
  })
  const header = '4500002c beef4000 3f06 0000 c0a801fe c0a8016e'
  const segment = '9c400050 01020304 00000000 6002 faf0 0000 0000 020405b4'
  const packet = fromHex(header + segment)
  viewOf(packet).setUint16(10, slow([...packet.subarray(0, 20)]))
  const pseudo = [...packet.subarray(12, 20), 0, 6, 0, 24]
  viewOf(packet).setUint16(36, slow([...pseudo, ...packet.subarray(20)]))
  t.equal(toHex(frame), `0242c0a801010242c0a801fe0800${toHex(packet)}0000`)
})

/** Internet checksum, word by word. */
function slow(bytes: number[]): number {
  let total = 0
  for (let i = 0; i < bytes.length; i += 2) total += bytes[i] * 256 + bytes[i + 1]
  while (total > 0xffff) total = Math.floor(total / 65536) + (total % 65536)
  return 0xffff - total
}

t.test('every transport over both families is well-formed and has a right checksum', async (t) => {
  const transports: FrameSpec[] = [
    { tcp: { sport: 1, dport: 2, flags: 'PA', options: [1] }, payload: 'odd' },
    { udp: { sport: 1, dport: 2 }, payload: 5 },
    {
      sctp: {
        sport: 1,
        dport: 2,
        chunks: [
          { type: 10, value: 5 },
          { type: 0, value: 14 },
        ],
      },
    },
    { icmp: { type: 8, identifier: 1, sequence: 2 }, payload: 56 },
    { icmpv6: { type: 128, identifier: 1, sequence: 2 }, payload: 56 },
    { payload: 9 },
  ]
  for (const transport of transports) {
    for (const ip of [{ ipv4: IPV4 }, { ipv6: IPV6 }]) {
      const frame = build({ ...ip, ...transport })
      t.ok(isRight(frame), `${Object.keys(ip)} ${Object.keys(transport)}`)
      if ('payload' in transport && Object.keys(transport).length === 1) continue
      if ('ipv4' in ip && 'icmpv6' in transport) continue
      t.notOk(isRight(build({ ...ip, ...transport, badChecksum: true })), 'a wrong checksum')
    }
  }
})

/** Whether everything in a frame without extension headers agrees. */
function isRight(frame: Uint8Array): boolean {
  const view = viewOf(frame)
  const end = frame.length
  const isFour = ethernet.type(view, 0) === ethernet.ETH_P_IP
  const at = IP + (isFour ? ipv4.headerBytes(view, IP) : ipv6.HEADER_BYTES)
  const protocol = isFour ? ipv4.protocol(view, IP) : ipv6.nextHeader(view, IP)
  const isPacket = isFour
    ? ipv4.isWellFormed(view, IP, end) && ipv4.isChecksumGood(view, IP)
    : ipv6.isWellFormed(view, IP, end) && ethernet.type(view, 0) === ethernet.ETH_P_IPV6
  if (!isPacket) return false
  const isGood = isFour ? isTransportGood4 : isTransportGood6
  if (protocol === 6) return tcp.isWellFormed(view, at, end) && isGood(view, IP, at, end, 6)
  if (protocol === 17) return udp.length(view, at) === end - at && isGood(view, IP, at, end, 17)
  if (protocol === 132) return sctp.checksum(view, at) === sctp.expectedChecksum(view, at, end)
  if (protocol === 1) return icmp.isChecksumGood(view, at, end)
  return isGood(view, IP, at, end, protocol)
}

t.test('flags by their letters', async (t) => {
  const flags = (letters: string) =>
    tcp.flags(viewOf(build({ ipv4: IPV4, tcp: { sport: 1, dport: 2, flags: letters } })), 34)
  t.equal(flags('FSRPAUEC'), 255)
  t.equal(flags('.'), 0)
  t.equal(flags('SA'), tcp.FLAG_SYN | tcp.FLAG_ACK)
  t.throws(() => flags('X'), TypeError)
})

t.test('tags', async (t) => {
  const one = viewOf(build({ ethernet: { vlan: 7 }, ipv4: IPV4 }))
  t.equal(ethernet.type(one, 0), ethernet.ETH_P_8021Q)
  t.equal(ethernet.vlanId(one, 12), 7)
  t.equal(ethernet.type(one, 4), ethernet.ETH_P_IP)
  const two = viewOf(build({ ethernet: { vlan: [100, 7] }, ipv6: IPV6 }))
  t.equal(ethernet.type(two, 0), ethernet.ETH_P_8021AD)
  t.equal(ethernet.vlanId(two, 12), 100)
  t.equal(ethernet.type(two, 4), ethernet.ETH_P_8021Q)
  t.equal(ethernet.vlanId(two, 16), 7)
  t.ok(ipv6.isWellFormed(two, 22, two.byteLength))
})

t.test('ARP', async (t) => {
  const frame = build({
    ethernet: { destination: 'ff:ff:ff:ff:ff:ff' },
    arp: { senderMac: '02:42:c0:a8:01:fe', sender: '192.168.1.254', target: '192.168.1.110' },
  })
  const arpBytes = '0001080006040001 0242c0a801fe c0a801fe 000000000000 c0a8016e'
  t.equal(toHex(frame), `ffffffffffff0200000000fe0806${arpBytes.replaceAll(' ', '')}`)
  const reply = {
    operation: 'reply',
    senderMac: '02:00:00:00:00:01',
    sender: '1.2.3.4',
    target: '1.2.3.5',
  } as const
  t.equal(arp.operation(viewOf(build({ arp: reply })), 14), arp.OP_REPLY)
})

t.test('IPv4 options, type of service and wrong fields', async (t) => {
  const view = viewOf(
    build({
      ipv4: { ...IPV4, options: [148, 4, 0, 0, 1], tos: 0xb8 },
      udp: { sport: 1, dport: 2 },
    }),
  )
  t.equal(ipv4.headerBytes(view, IP), 28)
  t.equal(ipv4.tos(view, IP), 0xb8)
  t.ok(ipv4.isChecksumGood(view, IP))
  const four = (spec: object) =>
    viewOf(build({ ipv4: { ...IPV4, ...spec }, udp: { sport: 1, dport: 2 } }))
  t.notOk(ipv4.isChecksumGood(four({ badChecksum: true }), IP))
  t.notOk(ipv4.isWellFormed(four({ version: 5 }), IP, 42))
  t.notOk(ipv4.isWellFormed(four({ headerLength: 4 }), IP, 42))
  t.notOk(ipv4.isWellFormed(four({ totalLength: 29 }), IP, 42))
  t.ok(ipv4.isChecksumGood(four({ totalLength: 29 }), IP))
  t.ok(ipv4.dontFragment(four({}), IP))
  t.notOk(ipv4.dontFragment(four({ df: false }), IP))
})

t.test('extension headers', async (t) => {
  const extensions = [
    { kind: 'hop-by-hop' },
    { kind: 'routing', bytes: 24 },
    { kind: 'fragment', id: 1 },
    { kind: 'destination-options', bytes: 16 },
  ] as const
  const packet = buildPacket({ ipv6: { ...IPV6, extensions }, tcp: { sport: 1, dport: 2 } })
  const view = viewOf(packet)
  const out = new Int32Array(ipv6.FOUND_WORDS)
  t.ok(ipv6.isWellFormed(view, 0, packet.length))
  t.ok(ipv6.walkExtensions(view, 0, packet.length, out))
  t.same([...out], [6, 96, 72, 0, 0])
  t.ok(isTransportGood6(view, 0, 96, packet.length, 6))
})

t.test('errors quote packets', async (t) => {
  const quote = {
    ipv4: { source: '192.168.1.110', destination: '192.168.1.254' },
    udp: { sport: 53, dport: 9 },
  }
  const frame = build({ ipv4: IPV4, icmp: { type: 3, code: 4, mtu: 1400, quote } })
  const view = viewOf(frame)
  t.ok(isRight(frame))
  t.equal(icmp.nextHopMtu(view, 34), 1400)
  t.equal(toHex(frame.subarray(icmp.embedded(34))), toHex(buildPacket(quote)))
})

t.test('neighbour discovery', async (t) => {
  for (const type of [135, 136]) {
    const packet = buildPacket({
      ipv6: { ...IPV6, hopLimit: 255 },
      icmpv6: { type, target: '2001:db8::110', linkLayer: '02:42:c0:a8:01:fe' },
    })
    const view = viewOf(packet)
    t.ok(icmpv6.isWellFormedNeighbourDiscovery(view, 0, 40, packet.length))
    t.equal(icmpv6.target(view, 40, 3), 0x110)
    t.equal(icmpv6.linkLayerOption(view, 40, packet.length, type - 134), 64)
  }
})

t.test('fragments, put together, are the datagram', async (t) => {
  for (const ip of [
    { ipv4: { ...IPV4, options: [1, 1, 1, 0] } },
    { ipv6: { ...IPV6, extensions: [{ kind: 'routing' } as const] } },
  ]) {
    const spec: FrameSpec = { ...ip, udp: { sport: 1, dport: 2 }, payload: 100 }
    const whole = buildPacket(spec)
    const frames = buildFragments(spec, 48)
    t.equal(frames.length, 3)
    const pieces = frames.map((frame) => {
      const view = viewOf(frame)
      if (spec.ipv4) {
        t.ok(ipv4.isWellFormed(view, IP, frame.length) && ipv4.isChecksumGood(view, IP))
        const payload = frame.subarray(IP + ipv4.headerBytes(view, IP))
        return {
          offset: ipv4.fragmentOffset(view, IP),
          more: ipv4.moreFragments(view, IP),
          payload,
        }
      }
      const out = new Int32Array(ipv6.FOUND_WORDS)
      t.ok(ipv6.walkExtensions(view, IP, frame.length, out))
      t.equal(out[ipv6.FOUND_PROTOCOL], 17)
      const payload = frame.subarray(out[ipv6.FOUND_TRANSPORT_AT])
      return {
        offset: out[ipv6.FOUND_FRAGMENT_OFFSET],
        more: out[ipv6.FOUND_MORE_FRAGMENTS] === 1,
        payload,
      }
    })
    t.same(
      pieces.map((piece) => piece.offset),
      [0, 48, 96],
    )
    t.same(
      pieces.map((piece) => piece.more),
      [true, true, false],
    )
    const joined = pieces.map((piece) => toHex(piece.payload)).join('')
    t.equal(joined, toHex(whole.subarray(whole.length - 108)))
  }
})

t.test('cut, padded, without a checksum', async (t) => {
  const spec: FrameSpec = { ipv4: IPV4, udp: { sport: 1, dport: 2 }, payload: 'ü' }
  t.equal(build(spec).length, 44)
  t.equal(toHex(build(spec).subarray(42)), 'c3bc', 'text is UTF-8')
  t.equal(build({ ...spec, padTo: 60 }).length, 60)
  t.equal(build({ ...spec, truncate: 20 }).length, 20)
  t.equal(udp.checksum(viewOf(build({ ...spec, noChecksum: true })), 34), 0)
  t.not(udp.checksum(viewOf(build(spec)), 34), 0)
})

t.test('what can not be built is refused', async (t) => {
  const udp = { sport: 1, dport: 2 }
  t.throws(() => build({ ipv4: { ...IPV4, source: '1.2.3' }, udp }), TypeError)
  t.throws(() => build({ ipv6: { ...IPV6, source: '1.2.3.4' }, udp }), TypeError)
  t.throws(() => build({ ipv4: IPV4, udp, ethernet: { source: 'here' } }), TypeError)
  t.throws(() => build({ ipv4: IPV4, udp, payload: 65536 }), TypeError)
  t.throws(() => build({ ipv6: IPV6, udp, payload: 65536 }), TypeError)
  t.throws(() => build({ ipv4: { ...IPV4, options: new Array(41).fill(1) }, udp }), TypeError)
})
