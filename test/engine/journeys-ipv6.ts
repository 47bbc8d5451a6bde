/** Journeys of IPv6 packets in textbook mode. */
import { buildFragments, buildPacket } from '../../src/wire/build.js'
import type { Journey } from './journey.js'
import {
  BARE_VIP6,
  build,
  CLIENT6,
  deleteDestination,
  type FrameSpec,
  OUR_MAC,
  ROUTER_MAC,
  route,
  service,
  VIP6,
  type World,
} from './world.js'

const ip = { source: CLIENT6, destination: VIP6 }
const reply = { source: VIP6, destination: CLIENT6 }
const back = { source: OUR_MAC, destination: ROUTER_MAC }
const tcp = (flags = 'S', changes = {}) => ({ sport: 4000, dport: 80, flags, ...changes })
const packet = (spec: FrameSpec = {}): FrameSpec => ({ ipv6: ip, tcp: tcp(), ...spec })
const dns = { services: [{ service: service(53, 'udp', VIP6), to: [2] }] }
const datagram: FrameSpec = { ipv6: ip, udp: { sport: 4000, dport: 53 }, payload: 100 }
const fragments = buildFragments({ ...datagram, payload: 3000 }, 1200)
const toBare = (spec: FrameSpec): FrameSpec => ({
  ...spec,
  ipv6: { ...spec.ipv6!, destination: BARE_VIP6 },
})

/** The ICMPv6 error about a packet: quoted as far as 1280 bytes go. */
export function error6(about: FrameSpec, type: number, code: number, changes = {}): FrameSpec {
  const quote = buildPacket(about).slice(0, 1280 - 48)
  return {
    ethernet: { ...back, ...(about.ethernet?.vlan !== undefined && { vlan: about.ethernet.vlan }) },
    ipv6: { source: about.ipv6!.destination, destination: about.ipv6!.source },
    icmpv6: { type, code, quote, ...changes },
  }
}

const reset = (sport: number, flags: string, seq: number, ack: number): FrameSpec => ({
  ethernet: back,
  ipv6: reply,
  tcp: { sport, dport: 4000, flags, seq, ack, window: 0 },
})

const noService = packet({ tcp: tcp('S', { dport: 81, seq: 1000 }) })
const hop = { kind: 'hop-by-hop' } as const
const gre: FrameSpec = { ipv6: { ...ip, nextHeader: 47 }, payload: 32 }
/** Frames with bytes changed behind the builder's back. */
function changed(spec: FrameSpec, ...bytes: [at: number, value: number][]): Uint8Array {
  const frame = build(spec)
  for (const [at, value] of bytes) frame[at] = value
  return frame
}
const EXTENSION_AT = 14 + 40
/** A hop-by-hop option that nobody knows, and whose type says: discard, and tell the sender. */
const unknownOption = changed(packet({ ipv6: { ...ip, extensions: [hop] } }), [
  EXTENSION_AT + 2,
  0x9e,
])
/** One whose type says: discard. */
const silentOption = changed(packet({ ipv6: { ...ip, extensions: [hop] } }), [
  EXTENSION_AT + 2,
  0x5e,
])

/** A SYN behind an authentication header of 16 bytes, made out of one of options. */
const behindAh = (dport: number) =>
  changed(
    packet({
      ipv6: { ...ip, extensions: [{ kind: 'destination-options', bytes: 16 }] },
      tcp: tcp('S', { dport }),
    }),
    [14 + 6, 51],
    [EXTENSION_AT + 1, 2],
  )
const refusedAh: FrameSpec = {
  ethernet: back,
  ipv6: reply,
  icmpv6: { type: 4, code: 1, quote: behindAh(81).slice(14), rest: 6 },
}
const behindOptions: FrameSpec = {
  ipv6: { ...ip, nextHeader: 47, extensions: [{ kind: 'destination-options' }] },
  payload: 32,
}

export const ipv6Journeys: readonly Journey[] = [
  { sentence: 'a SYN opens a connection', frame: packet(), verdict: 'forwarded', out: [{ to: 3 }] },
  {
    sentence: 'and the next packet follows',
    before: [packet()],
    frame: packet({ tcp: tcp('A'), payload: 99 }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'behind extension headers',
    frame: packet({
      ipv6: { ...ip, extensions: [hop, { kind: 'destination-options', bytes: 16 }] },
    }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'with a VLAN tag, padded, at hop limit 1',
    frame: packet({ ethernet: { vlan: 3 }, ipv6: { ...ip, hopLimit: 1 }, padTo: 120 }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'UDP without a checksum is for the realserver to refuse',
    world: dns,
    frame: { ...datagram, noChecksum: true },
    verdict: 'forwarded',
    out: [{ to: 2 }],
  },
  {
    sentence: 'the first fragment',
    world: dns,
    frame: fragments[0]!,
    verdict: 'forwarded',
    out: [{ to: 2 }],
  },
  {
    sentence: 'a later fragment follows the first one',
    world: dns,
    before: [fragments[0]!],
    frame: fragments[2]!,
    verdict: 'forwarded',
    out: [{ to: 2 }],
  },
  {
    sentence: 'a later fragment ahead of its first one',
    world: dns,
    frame: fragments[1]!,
    verdict: 'fragment-held',
  },
  {
    sentence: 'a fragment of ICMPv6',
    frame: {
      ipv6: { ...ip, nextHeader: 58, extensions: [{ kind: 'fragment', more: true }] },
      payload: 64,
    },
    verdict: 'fragment-dropped',
  },
  {
    sentence: 'a fragment for an address that is no VIP',
    frame: {
      ipv6: {
        ...ip,
        destination: '2001:db8:1::112',
        nextHeader: 17,
        extensions: [{ kind: 'fragment', more: true }],
      },
      payload: 64,
    },
    verdict: 'not-vip',
  },
  {
    sentence: 'packet too big about a connection follows it',
    before: [packet()],
    frame: {
      ipv6: { source: '2001:db8:5::1', destination: VIP6 },
      icmpv6: { type: 2, mtu: 1280, quote: { ipv6: reply, tcp: { sport: 80, dport: 4000 } } },
    },
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'a port used again after a reset: scheduled anew',
    before: [packet(), packet({ tcp: tcp('A') }), packet({ tcp: tcp('R') })],
    frame: packet(),
    verdict: 'forwarded',
    out: [{ to: 2 }],
  },

  {
    sentence: 'a header that is cut',
    frame: packet({ truncate: 14 + 39 }),
    verdict: 'malformed-ip',
  },
  {
    sentence: 'version 4 where 6 is announced',
    frame: packet({ ipv6: { ...ip, version: 4 } }),
    verdict: 'malformed-ip',
  },
  {
    sentence: 'a payload length that leaves the frame',
    frame: packet({ ipv6: { ...ip, payloadLength: 21 } }),
    verdict: 'malformed-ip',
  },
  {
    sentence: 'an extension header that leaves the packet',
    frame: changed(packet({ ipv6: { ...ip, extensions: [hop] } }), [EXTENSION_AT + 1, 4]),
    verdict: 'malformed-extension',
  },
  {
    sentence: 'more extension headers than anybody sends',
    frame: packet({ ipv6: { ...ip, extensions: Array(17).fill({ kind: 'destination-options' }) } }),
    verdict: 'malformed-extension',
  },
  {
    sentence: 'a hop-by-hop option that says: discard me if you do not know me',
    frame: silentOption,
    verdict: 'malformed-extension',
  },
  {
    sentence: 'a hop-by-hop option that says: and tell the sender',
    frame: unknownOption,
    verdict: 'extension-refused',
    out: [error6(packet(), 4, 2, { rest: 42, quote: unknownOption.slice(14) })],
  },
  {
    sentence: 'the same to a VIP that the kernel holds: the kernel says it',
    world: { onKernel: [VIP6] },
    frame: unknownOption,
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'an address that is no VIP',
    frame: packet({ ipv6: { ...ip, destination: '2001:db8:1::112' } }),
    verdict: 'not-vip',
  },
  {
    sentence: 'echo request to an address that is no VIP',
    frame: { ipv6: { ...ip, destination: '2001:db8:1::112' }, icmpv6: { type: 128 } },
    verdict: 'not-vip',
  },
  {
    sentence: 'from ::1',
    frame: packet({ ipv6: { ...ip, source: '::1' } }),
    verdict: 'martian-source',
  },
  {
    sentence: 'from a group',
    frame: packet({ ipv6: { ...ip, source: 'ff02::1' } }),
    verdict: 'martian-source',
  },
  {
    sentence: 'from an IPv4-mapped address, which Linux lets in',
    frame: packet({ ipv6: { ...ip, source: '::ffff:10.0.0.1' } }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'echo request from a group',
    frame: { ipv6: { ...ip, source: 'ff02::1' }, icmpv6: { type: 128 } },
    verdict: 'martian-source',
  },
  {
    sentence: 'cut within its ports',
    frame: packet({ ipv6: { ...ip, payloadLength: 3 }, truncate: 57 }),
    verdict: 'truncated-transport',
  },
  {
    sentence: 'a SYN cut within its header',
    frame: packet({ ipv6: { ...ip, payloadLength: 19 }, truncate: 73 }),
    verdict: 'truncated-transport',
  },
  {
    sentence: 'ICMPv6 without its header',
    frame: { ipv6: { ...ip, payloadLength: 7 }, icmpv6: { type: 128 }, truncate: 61 },
    verdict: 'truncated-transport',
  },

  {
    sentence: 'no service at the port, to a VIP that the kernel holds',
    world: { onKernel: [VIP6] },
    frame: noService,
    verdict: 'left-to-kernel',
  },
  {
    sentence: 'echo request to a VIP that the kernel holds',
    world: { onKernel: [VIP6] },
    frame: { ipv6: ip, icmpv6: { type: 128 } },
    verdict: 'left-to-kernel',
  },
  {
    sentence: 'echo request: the director answers',
    frame: {
      ipv6: { ...ip, trafficClass: 0x28, flowLabel: 77 },
      icmpv6: { type: 128, identifier: 7, sequence: 9 },
      payload: 56,
    },
    verdict: 'echo-answered',
    out: [
      {
        ethernet: back,
        ipv6: { ...reply, trafficClass: 0x28 },
        icmpv6: { type: 129, identifier: 7, sequence: 9 },
        payload: 56,
      },
    ],
  },
  {
    sentence: 'echo request with a bad checksum',
    frame: { ipv6: ip, icmpv6: { type: 128 }, badChecksum: true },
    verdict: 'icmp-ignored',
  },
  {
    sentence: 'an ICMPv6 error about a connection that nobody knows',
    frame: {
      ipv6: ip,
      icmpv6: { type: 1, code: 4, quote: { ipv6: reply, udp: { sport: 80, dport: 4000 } } },
    },
    verdict: 'icmp-ignored',
  },
  {
    sentence: 'a protocol that nobody serves',
    frame: gre,
    verdict: 'protocol-unreachable',
    out: [error6(gre, 4, 1, { rest: 6 })],
  },
  {
    sentence: 'nothing behind the header (no next header)',
    frame: { ipv6: { ...ip, nextHeader: 59 } },
    verdict: 'unanswerable',
  },
  {
    sentence: 'no service: SYN is reset',
    frame: noService,
    verdict: 'no-service',
    out: [reset(81, 'RA', 0, 1001)],
  },
  {
    sentence: 'no service: UDP, quoted as far as 1280 bytes go',
    frame: toBare({ ...datagram, payload: 1400 }),
    verdict: 'no-service',
    out: [error6(toBare({ ...datagram, payload: 1400 }), 1, 4)],
  },
  {
    sentence: 'no service: UDP without a checksum',
    frame: toBare({ ...datagram, noChecksum: true }),
    verdict: 'unanswerable',
  },
  {
    sentence: 'data of a connection that nobody knows: reset',
    frame: packet({ tcp: tcp('A', { seq: 5, ack: 77 }), payload: 10 }),
    verdict: 'not-an-opening',
    out: [reset(80, 'R', 77, 0)],
  },
  {
    sentence: 'a reset of what nobody knows',
    frame: packet({ tcp: tcp('R') }),
    verdict: 'unanswerable',
  },
  {
    sentence: 'a service without destinations',
    world: { services: [{ service: service(80, 'tcp', VIP6), to: [] }] },
    frame: packet({ ethernet: { vlan: 5 } }),
    verdict: 'no-destination',
    out: [error6(packet({ ethernet: { vlan: 5 } }), 1, 4)],
  },
  {
    sentence: 'and asked from ::, which no error is sent to',
    world: { services: [{ service: service(80, 'tcp', VIP6), to: [] }] },
    frame: packet({ ipv6: { ...ip, source: '::' } }),
    verdict: 'answer-limited',
  },
  {
    sentence: 'the connection table is full',
    world: { limits: { connections6: 1 } },
    before: [packet()],
    frame: packet({ tcp: tcp('S', { sport: 4001 }) }),
    verdict: 'connections-full',
  },
  {
    sentence: 'ESP goes where the key exchange of its two ends went',
    world: { services: [{ service: service(500, 'udp', VIP6), to: [2, 3] }] },
    before: [{ ipv6: ip, udp: { sport: 500, dport: 500 }, payload: 40 }],
    frame: { ipv6: { ...ip, nextHeader: 50 }, payload: 60 },
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'ESP without key exchange is a protocol that nobody serves',
    frame: { ipv6: { ...ip, nextHeader: 50 }, payload: 60 },
    verdict: 'protocol-unreachable',
    out: [error6({ ipv6: { ...ip, nextHeader: 50 }, payload: 60 }, 4, 1, { rest: 6 })],
  },
  {
    sentence: 'TCP behind AH is served, as Linux serves it',
    frame: behindAh(80),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'but where the director answers itself it does not know AH',
    frame: behindAh(81),
    verdict: 'extension-refused',
    out: [refusedAh],
  },
  {
    sentence: 'a protocol that nobody serves is pointed at where it is named',
    frame: behindOptions,
    verdict: 'protocol-unreachable',
    out: [error6(behindOptions, 4, 1, { rest: 40 })],
  },
  {
    sentence: 'drop_packet: the first new connection is dropped',
    before: [(world: World) => world.apply({ op: 'set-sysctl', name: 'drop_packet', value: '3' })],
    frame: packet(),
    verdict: 'shed',
  },
  {
    sentence: 'the destination of the connection has been removed',
    before: [
      packet(),
      (world: World) => world.apply(deleteDestination(service(80, 'tcp', VIP6), 3)),
    ],
    frame: packet({ tcp: tcp('A') }),
    verdict: 'destination-gone',
  },
  {
    sentence: 'no route to the realserver',
    world: { routes: [] },
    frame: packet(),
    verdict: 'destination-unroutable',
    out: [error6(packet(), 1, 3)],
  },
  {
    sentence: 'a route of the other family does not help',
    world: { routes: [route('0.0.0.0', 0)] },
    frame: packet(),
    verdict: 'destination-unroutable',
    out: [error6(packet(), 1, 3)],
  },
  {
    sentence: 'the realserver has not answered yet',
    world: { resolved: false },
    frame: packet(),
    verdict: 'neighbour-held',
  },
  {
    sentence: 'no answers at all (--quiet)',
    world: { quiet: true },
    frame: noService,
    verdict: 'answer-limited',
  },
]
