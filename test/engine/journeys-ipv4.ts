/** Journeys of IPv4 packets in textbook mode: forwarded, answered, refused, dropped. */
import { buildFragments, buildPacket } from '../../src/wire/build.js'
import type { Journey } from './journey.js'
import {
  addDestination,
  BARE_VIP,
  build,
  CLIENT,
  deleteDestination,
  type FrameSpec,
  OUR_MAC,
  ROUTER_MAC,
  route,
  SECOND_MAC,
  service,
  VIP,
  type World,
} from './world.js'

const ip = { source: CLIENT, destination: VIP }
const tcp = (flags = 'S', changes = {}) => ({ sport: 4000, dport: 80, flags, ...changes })
const packet = (spec: FrameSpec = {}): FrameSpec => ({ ipv4: ip, tcp: tcp(), ...spec })
const udpService = { services: [{ service: service(53, 'udp'), to: [2] }] }
const datagram: FrameSpec = { ipv4: ip, udp: { sport: 4000, dport: 53 }, payload: 100 }
const sctpService = { services: [{ service: service(80, 'sctp'), to: [2] }] }
const back = { source: OUR_MAC, destination: ROUTER_MAC }
const reply = { source: VIP, destination: CLIENT }

const sysctl = (name: string, value: string) => (world: World) =>
  world.apply({ op: 'set-sysctl', name, value })

/**
 * The ICMP error that the director sends about a packet: quoted whole, or as much as goes into 576.
 */
export function error(about: FrameSpec, type: number, code: number, changes = {}): FrameSpec {
  const quote = buildPacket(about).slice(0, 576 - 28)
  const tos = (about.ipv4?.tos ?? 0) | 0xc0
  const ends = { source: about.ipv4!.destination, destination: about.ipv4!.source }
  return {
    ethernet: { ...back, ...(about.ethernet?.vlan !== undefined && { vlan: about.ethernet.vlan }) },
    ipv4: { ...ends, tos, id: 1, df: false },
    icmp: { type, code, quote, ...changes },
  }
}

/** The reset of a closed port. */
function reset(flags: string, seq: number, ack: number, dport = 4000): FrameSpec {
  return {
    ethernet: back,
    ipv4: { ...reply, id: 0, df: true },
    tcp: { sport: 80, dport, flags, seq, ack, window: 0 },
  }
}

const toBare = (spec: FrameSpec): FrameSpec => ({
  ...spec,
  ipv4: { ...spec.ipv4!, destination: BARE_VIP },
})
const fragments = buildFragments({ ...datagram, payload: 2000 }, 1000)

const forwarded: readonly Journey[] = [
  {
    sentence: 'a SYN opens a connection, at the realserver added last',
    frame: packet(),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'the next client goes to the other',
    before: [packet()],
    frame: packet({ ipv4: { ...ip, source: '198.51.100.8' } }),
    verdict: 'forwarded',
    out: [{ to: 2 }],
  },
  {
    sentence: 'the same client again, the same connection',
    before: [packet()],
    frame: packet({ tcp: tcp('A'), payload: 500 }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'SYN and FIN together open too',
    frame: packet({ tcp: tcp('SF') }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'with a VLAN tag, which stays',
    frame: packet({ ethernet: { vlan: 42 } }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'with two VLAN tags',
    frame: packet({ ethernet: { vlan: [42, 43] } }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'padded to the shortest frame',
    frame: packet({ padTo: 64 }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'with IP options, and a TTL of 1, which textbooks do not touch',
    frame: packet({ ipv4: { ...ip, ttl: 1, options: [148, 4, 0, 0] } }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'a bad TCP checksum is for the realserver to find',
    frame: packet({ badChecksum: true }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'a segment cut behind its ports, of a connection',
    before: [packet()],
    frame: packet({ ipv4: { ...ip, totalLength: 24 }, truncate: 38 }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'from source port 0: scheduled each time',
    before: [packet({ tcp: tcp('S', { sport: 0 }) })],
    frame: packet({ tcp: tcp('S', { sport: 0 }) }),
    verdict: 'forwarded',
    out: [{ to: 2 }],
  },
  { sentence: 'UDP', world: udpService, frame: datagram, verdict: 'forwarded', out: [{ to: 2 }] },
  {
    sentence: 'SCTP: INIT',
    world: sctpService,
    frame: { ipv4: ip, sctp: { sport: 4000, dport: 80 } },
    verdict: 'forwarded',
    out: [{ to: 2 }],
  },
  {
    sentence: 'any TCP segment opens, if sloppy_tcp says so',
    before: [sysctl('sloppy_tcp', '1')],
    frame: packet({ tcp: tcp('A') }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'a realserver added again goes on with its connections',
    before: [
      packet(),
      (w) => w.apply(deleteDestination(service(), 3), addDestination(service(), 3)),
      (w) => w.resolve(),
    ],
    frame: packet({ tcp: tcp('A') }),
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
    sentence: 'a port used again while the connection lives: it stays',
    before: [packet(), packet({ tcp: tcp('A') })],
    frame: packet(),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'its destination is gone, but expire_nodest_conn: another one',
    before: [
      packet(),
      sysctl('expire_nodest_conn', '1'),
      (w) => w.apply(deleteDestination(service(), 3)),
    ],
    frame: packet(),
    verdict: 'forwarded',
    out: [{ to: 2 }],
  },
  {
    sentence: 'one-packet scheduling: each datagram by itself',
    world: { services: [{ service: service(53, 'udp'), ops: true, to: [2, 3] }] },
    before: [datagram],
    frame: datagram,
    verdict: 'forwarded',
    out: [{ to: 2 }],
  },
  {
    sentence: 'persistence: the client stays where it was',
    world: { services: [{ persistent: 300, to: [2, 3] }] },
    before: [packet()],
    frame: packet({ tcp: tcp('S', { sport: 4001 }) }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'leaves by the arm that leads to the realserver',
    world: {
      arms: [
        { macHigh: 0x0200, macLow: 1 },
        { macHigh: 0x0200, macLow: 0x101 },
      ],
      routes: [route('192.168.1.0', 24, { arm: 1 })],
    },
    frame: packet(),
    verdict: 'forwarded',
    out: [{ to: 3, arm: 1, from: SECOND_MAC }],
  },
  {
    sentence: 'a realserver behind a gateway: to the gateway',
    world: { routes: [route('0.0.0.0', 0, { gateway: Int32Array.of(0xc0a801fe | 0, 0, 0, 0) })] },
    frame: packet(),
    verdict: 'forwarded',
    out: [{ to: 0xfe }],
  },
  {
    sentence: 'the first fragment of a datagram',
    world: udpService,
    frame: fragments[0]!,
    verdict: 'forwarded',
    out: [{ to: 2 }],
  },
  {
    sentence: 'a later fragment follows the first one',
    world: udpService,
    before: [fragments[0]!],
    frame: fragments[1]!,
    verdict: 'forwarded',
    out: [{ to: 2 }],
  },
  {
    sentence: 'the last fragment, behind the first one',
    world: udpService,
    before: [fragments[0]!],
    frame: fragments[2]!,
    verdict: 'forwarded',
    out: [{ to: 2 }],
  },
  {
    sentence: 'an ICMP error about a connection follows it',
    before: [packet()],
    frame: {
      ipv4: { source: '203.0.113.1', destination: VIP },
      icmp: {
        type: 3,
        code: 4,
        mtu: 1400,
        quote: { ipv4: reply, tcp: { sport: 80, dport: 4000, flags: 'A' } },
      },
    },
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'time exceeded, quoting no more than 8 bytes of it',
    before: [packet()],
    frame: {
      ipv4: { source: '203.0.113.1', destination: VIP },
      icmp: {
        type: 11,
        quote: buildPacket({ ipv4: reply, tcp: { sport: 80, dport: 4000 } }).slice(0, 28),
      },
    },
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
]

const checked: readonly Journey[] = [
  {
    sentence: 'an IP header that is cut',
    frame: packet({ truncate: 33 }),
    verdict: 'malformed-ip',
  },
  {
    sentence: 'version 5',
    frame: packet({ ipv4: { ...ip, version: 5 } }),
    verdict: 'malformed-ip',
  },
  {
    sentence: 'a header of 4 words',
    frame: packet({ ipv4: { ...ip, headerLength: 4 } }),
    verdict: 'malformed-ip',
  },
  {
    sentence: 'a header longer than the packet',
    frame: packet({
      ipv4: { ...ip, totalLength: 40 },
      tcp: tcp(),
      truncate: 54 + 20,
      padTo: 80,
      payload: 4,
    }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'a total length that leaves the frame',
    frame: packet({ ipv4: { ...ip, totalLength: 41 } }),
    verdict: 'malformed-ip',
  },
  {
    sentence: 'a total length shorter than the header',
    frame: packet({ ipv4: { ...ip, totalLength: 19 } }),
    verdict: 'malformed-ip',
  },
  {
    sentence: 'a bad header checksum',
    frame: packet({ ipv4: { ...ip, badChecksum: true } }),
    verdict: 'bad-ip-checksum',
  },
  {
    sentence: 'an address that is no VIP',
    frame: packet({ ipv4: { ...ip, destination: '192.168.1.112' } }),
    verdict: 'not-vip',
  },
  {
    sentence: 'a fragment for an address that is no VIP',
    frame: packet({ ipv4: { ...ip, destination: '192.168.1.112', mf: true } }),
    verdict: 'not-vip',
  },
  {
    sentence: 'echo request to an address that is no VIP',
    frame: { ipv4: { ...ip, destination: '192.168.1.112' }, icmp: { type: 8 } },
    verdict: 'not-vip',
  },
  {
    sentence: 'from 127.0.0.1',
    frame: packet({ ipv4: { ...ip, source: '127.0.0.1' } }),
    verdict: 'martian-source',
  },
  {
    sentence: 'from a multicast address',
    frame: packet({ ipv4: { ...ip, source: '224.0.0.1' } }),
    verdict: 'martian-source',
  },
  {
    sentence: 'from everybody',
    frame: packet({ ipv4: { ...ip, source: '255.255.255.255' } }),
    verdict: 'martian-source',
  },
  {
    sentence: 'from nowhere',
    frame: packet({ ipv4: { ...ip, source: '0.0.0.0' } }),
    verdict: 'martian-source',
  },
  {
    sentence: 'from the VIP itself',
    frame: packet({ ipv4: { ...ip, source: VIP } }),
    verdict: 'martian-source',
  },
  {
    sentence: 'from 240.0.0.1, which Linux takes for a host',
    frame: packet({ ipv4: { ...ip, source: '240.0.0.1' } }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'cut within its ports',
    frame: packet({ ipv4: { ...ip, totalLength: 23 }, truncate: 37 }),
    verdict: 'truncated-transport',
  },
  {
    sentence: 'a SYN cut within its header',
    frame: packet({ ipv4: { ...ip, totalLength: 39 }, truncate: 53 }),
    verdict: 'truncated-transport',
  },
  {
    sentence: 'a datagram cut within its header opens nothing',
    world: udpService,
    frame: { ...datagram, ipv4: { ...ip, totalLength: 27 }, truncate: 41 },
    verdict: 'truncated-transport',
  },
  {
    sentence: 'SCTP without a chunk opens nothing',
    world: sctpService,
    frame: { ipv4: ip, sctp: { sport: 4000, dport: 80, chunks: [] } },
    verdict: 'truncated-transport',
  },
  {
    sentence: 'a datagram cut within its header, of a connection',
    world: udpService,
    before: [datagram],
    frame: { ...datagram, ipv4: { ...ip, totalLength: 27 }, truncate: 41 },
    verdict: 'forwarded',
    out: [{ to: 2 }],
  },
  {
    sentence: 'UDP without its length, and no service',
    frame: { ipv4: { ...ip, totalLength: 24 }, udp: { sport: 4000, dport: 53 }, truncate: 38 },
    verdict: 'truncated-transport',
  },
  {
    sentence: 'ICMP without its header',
    frame: { ipv4: { ...ip, totalLength: 27 }, icmp: { type: 8 }, truncate: 41 },
    verdict: 'truncated-transport',
  },
  {
    sentence: 'a later fragment ahead of its first one',
    world: udpService,
    frame: fragments[1]!,
    verdict: 'fragment-held',
  },
  {
    sentence: 'fragments of what nobody serves',
    frame: { ipv4: { ...ip, mf: true, protocol: 1 }, payload: 64 },
    verdict: 'fragment-dropped',
  },
  {
    sentence: 'fragments of what nobody serves, to a VIP that the kernel holds',
    world: { onKernel: [VIP] },
    frame: { ipv4: { ...ip, mf: true, protocol: 1 }, payload: 64 },
    verdict: 'left-to-kernel',
  },
]

const noService = packet({ tcp: tcp('S', { dport: 81, seq: 1000 }) })
const bareUdp = toBare({ ...datagram, payload: 900 })
const gre: FrameSpec = { ipv4: { ...ip, protocol: 47, tos: 0x10 }, payload: 32 }
const ike = { services: [{ service: service(500, 'udp'), to: [2, 3] }] }
const exchange: FrameSpec = { ipv4: ip, udp: { sport: 500, dport: 500 }, payload: 40 }
/** AH (51) or ESP (50). */
const secured = (protocol: number, payload = 60): FrameSpec => ({
  ipv4: { ...ip, protocol },
  payload,
})
/** A router's answer to an ESP packet from the VIP to a client. */
const aboutEsp = (client: string): FrameSpec => ({
  ipv4: { source: '203.0.113.1', destination: VIP },
  icmp: {
    type: 3,
    code: 1,
    quote: { ipv4: { source: VIP, destination: client, protocol: 50 }, payload: 8 },
  },
})
const dropPackets = sysctl('drop_packet', '3')
const noOne = { services: [{ to: [] }] }
const tagged = packet({ ethernet: { vlan: 5 } })

const refused: readonly Journey[] = [
  {
    sentence: 'no service at the port, to a VIP that the kernel holds',
    world: { onKernel: [VIP] },
    frame: noService,
    verdict: 'left-to-kernel',
  },
  {
    sentence: 'echo request to a VIP that the kernel holds',
    world: { onKernel: [VIP] },
    frame: { ipv4: ip, icmp: { type: 8 } },
    verdict: 'left-to-kernel',
  },
  {
    sentence: 'a protocol that nobody serves, to a VIP that the kernel holds',
    world: { onKernel: [VIP] },
    frame: gre,
    verdict: 'left-to-kernel',
  },
  {
    sentence: 'echo request: the director answers',
    frame: {
      ipv4: { ...ip, tos: 0x28, ttl: 3 },
      icmp: { type: 8, identifier: 7, sequence: 9 },
      payload: 56,
    },
    verdict: 'echo-answered',
    out: [
      {
        ethernet: back,
        ipv4: { ...reply, tos: 0x28, id: 1, df: false },
        icmp: { type: 0, identifier: 7, sequence: 9 },
        payload: 56,
      },
    ],
  },
  {
    sentence: 'echo request with a bad checksum',
    frame: { ipv4: ip, icmp: { type: 8 }, badChecksum: true },
    verdict: 'icmp-ignored',
  },
  { sentence: 'echo reply', frame: { ipv4: ip, icmp: { type: 0 } }, verdict: 'icmp-ignored' },
  {
    sentence: 'an ICMP error about a connection that nobody knows',
    frame: {
      ipv4: ip,
      icmp: { type: 3, code: 3, quote: { ipv4: reply, udp: { sport: 80, dport: 4000 } } },
    },
    verdict: 'icmp-ignored',
  },
  {
    sentence: 'an ICMP error that quotes a later fragment',
    before: [packet()],
    frame: {
      ipv4: ip,
      icmp: {
        type: 3,
        code: 4,
        quote: {
          ipv4: { ...reply, frag: 64, protocol: 6 },
          payload: build({ ipv4: reply, tcp: { sport: 80, dport: 4000 } }).slice(34),
        },
      },
    },
    verdict: 'icmp-ignored',
  },
  {
    sentence: 'a redirect, even about a connection',
    before: [packet()],
    frame: { ipv4: ip, icmp: { type: 5, quote: { ipv4: reply, tcp: { sport: 80, dport: 4000 } } } },
    verdict: 'icmp-ignored',
  },
  {
    sentence: 'a protocol that nobody serves',
    frame: gre,
    verdict: 'protocol-unreachable',
    out: [error(gre, 3, 2)],
  },
  {
    sentence: 'no service: SYN is reset',
    frame: noService,
    verdict: 'no-service',
    out: [
      {
        ...reset('RA', 0, 1001),
        tcp: { sport: 81, dport: 4000, flags: 'RA', seq: 0, ack: 1001, window: 0 },
      },
    ],
  },
  {
    sentence: 'no service: UDP, quoted as far as 576 bytes go',
    frame: bareUdp,
    verdict: 'no-service',
    out: [error(bareUdp, 3, 3)],
  },
  {
    sentence: 'no service: SCTP, which a host without it does not know',
    frame: toBare({ ipv4: ip, sctp: { sport: 4000, dport: 80 } }),
    verdict: 'protocol-unreachable',
    out: [error(toBare({ ipv4: ip, sctp: { sport: 4000, dport: 80 } }), 3, 2)],
  },
  {
    sentence: 'data of a connection that nobody knows: reset at its acknowledgement',
    frame: packet({ tcp: tcp('A', { seq: 5, ack: 0x89abcdef }), payload: 10 }),
    verdict: 'not-an-opening',
    out: [reset('R', 0x89abcdef, 0)],
  },
  {
    sentence: 'FIN of a connection that nobody knows: acknowledged with its data',
    frame: packet({ tcp: tcp('F', { seq: 0xfffffffe }), payload: 10 }),
    verdict: 'not-an-opening',
    out: [reset('RA', 0, 9)],
  },
  {
    sentence: 'from port 20, which Linux never schedules',
    frame: packet({ tcp: tcp('S', { sport: 20, seq: 7 }) }),
    verdict: 'not-an-opening',
    out: [reset('RA', 0, 8, 20)],
  },
  {
    sentence: 'SCTP that opens nothing',
    world: sctpService,
    frame: { ipv4: ip, sctp: { sport: 4000, dport: 80, chunks: [{ type: 0 }] } },
    verdict: 'not-an-opening',
    out: [error({ ipv4: ip, sctp: { sport: 4000, dport: 80, chunks: [{ type: 0 }] } }, 3, 2)],
  },
  {
    sentence: 'a reset of what nobody knows',
    frame: packet({ tcp: tcp('R') }),
    verdict: 'unanswerable',
  },
  {
    sentence: 'a SYN without service and with a bad checksum',
    frame: { ...noService, badChecksum: true },
    verdict: 'unanswerable',
  },
  {
    sentence: 'a SYN without service whose checksum is left to hardware',
    frame: { ...noService, badChecksum: true },
    notes: { partialChecksum: true },
    verdict: 'no-service',
    out: [
      {
        ...reset('RA', 0, 1001),
        tcp: { sport: 81, dport: 4000, flags: 'RA', seq: 0, ack: 1001, window: 0 },
      },
    ],
  },
  {
    sentence: 'a SYN without service whose header claims 60 bytes',
    frame: packet({ tcp: tcp('S', { dport: 81, dataOffset: 15 }) }),
    verdict: 'unanswerable',
  },
  {
    sentence: 'a service without destinations, TCP as well',
    world: noOne,
    frame: packet(),
    verdict: 'no-destination',
    out: [error(packet(), 3, 3)],
  },
  {
    sentence: 'and on a VLAN: the answer is tagged too',
    world: noOne,
    frame: tagged,
    verdict: 'no-destination',
    out: [error(tagged, 3, 3)],
  },
  {
    sentence: 'all destinations have weight 0',
    world: { services: [{ to: [{ n: 2, weight: 0 }] }] },
    frame: packet(),
    verdict: 'no-destination',
    out: [error(packet(), 3, 3)],
  },
  {
    sentence: 'the only destination is at its threshold',
    world: { services: [{ to: [{ n: 2, upper: 1 }] }] },
    before: [packet()],
    frame: packet({ tcp: tcp('S', { sport: 4001 }) }),
    verdict: 'no-destination',
    out: [error(packet({ tcp: tcp('S', { sport: 4001 }) }), 3, 3)],
  },
  {
    sentence: 'the connection table is full',
    world: { limits: { connections4: 1 } },
    before: [packet()],
    frame: packet({ tcp: tcp('S', { sport: 4001 }) }),
    verdict: 'connections-full',
  },
  {
    sentence: 'drop_packet: the first new connection is dropped',
    before: [dropPackets],
    frame: packet(),
    verdict: 'shed',
  },
  {
    sentence: 'and then not the next nine',
    before: [dropPackets, packet({ tcp: tcp('S', { sport: 4001 }) })],
    frame: packet(),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'what opens nothing is answered all the same',
    before: [dropPackets],
    frame: packet({ tcp: tcp('R') }),
    verdict: 'unanswerable',
  },
  {
    sentence: 'packets of connections are not dropped by it, every new one ever so often',
    before: [packet(), sysctl('am_droprate', '1'), dropPackets],
    frame: packet({ tcp: tcp('A') }),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'ESP goes where the key exchange of its two ends went',
    world: ike,
    before: [exchange],
    frame: secured(50),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'AH too, however short; and it is a packet of that connection',
    world: ike,
    before: [
      exchange,
      secured(50),
      (w) => w.wait(299_000, 1000),
      secured(51),
      (w) => w.wait(299_000, 1000),
    ],
    frame: secured(51, 0),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'ESP without key exchange is a protocol that nobody serves',
    world: ike,
    before: [{ ...exchange, ipv4: { ...ip, source: '198.51.100.8' } }],
    frame: secured(50),
    verdict: 'protocol-unreachable',
    out: [error(secured(50), 3, 2)],
  },
  {
    sentence: 'nor does one from another port help, as behind NAT',
    world: ike,
    before: [{ ...exchange, udp: { sport: 501, dport: 500 } }],
    frame: secured(50),
    verdict: 'protocol-unreachable',
    out: [error(secured(50), 3, 2)],
  },
  {
    sentence: 'ESP whose realserver has been removed',
    world: ike,
    before: [exchange, (w) => w.apply(deleteDestination(service(500, 'udp'), 3))],
    frame: secured(50),
    verdict: 'destination-gone',
  },
  {
    sentence: 'and with expire_nodest_conn, with which its connection has ended',
    world: ike,
    before: [
      exchange,
      sysctl('expire_nodest_conn', '1'),
      (w) => w.apply(deleteDestination(service(500, 'udp'), 3)),
    ],
    frame: secured(50),
    verdict: 'protocol-unreachable',
    out: [error(secured(50), 3, 2)],
  },
  {
    sentence: 'an ICMP error about an ESP packet from the VIP goes the same way',
    world: ike,
    before: [exchange],
    frame: aboutEsp(CLIENT),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'and opens nothing, schedule_icmp or not',
    world: ike,
    before: [exchange, sysctl('schedule_icmp', '1')],
    frame: aboutEsp('198.51.100.8'),
    verdict: 'icmp-ignored',
  },
  {
    sentence: 'the first fragment of an ESP packet',
    world: ike,
    before: [exchange],
    frame: { ...secured(50, 800), ipv4: { ...ip, protocol: 50, id: 7, mf: true } },
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'and a later one',
    world: ike,
    before: [exchange, { ...secured(50, 800), ipv4: { ...ip, protocol: 50, id: 7, mf: true } }],
    frame: { ...secured(50, 80), ipv4: { ...ip, protocol: 50, id: 7, frag: 800 } },
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'no room for another template',
    world: { limits: { templates: 1 }, services: [{ persistent: 300, to: [2] }] },
    before: [packet()],
    frame: packet({ ipv4: { ...ip, source: '198.51.100.8' } }),
    verdict: 'connections-full',
  },
  {
    sentence: 'the destination of the connection has been removed',
    before: [packet(), (w) => w.apply(deleteDestination(service(), 3))],
    frame: packet({ tcp: tcp('A') }),
    verdict: 'destination-gone',
  },
  {
    sentence: 'masquerading',
    world: { services: [{ to: [{ n: 2, method: 'masq' }] }] },
    frame: packet(),
    verdict: 'method-unsupported',
  },
  {
    sentence: 'tunnelling',
    world: { services: [{ to: [{ n: 2, method: 'tunnel' }] }] },
    frame: packet(),
    verdict: 'method-unsupported',
  },
]

const fresh = { resolved: false }
const fill = (world: World) => {
  for (let sport = 1001; sport <= 1064; sport++) world.send(packet({ tcp: tcp('S', { sport }) }))
}

const leaving: readonly Journey[] = [
  {
    sentence: 'no route to the realserver',
    world: { routes: [] },
    frame: packet(),
    verdict: 'destination-unroutable',
    out: [error(packet(), 3, 1)],
  },
  {
    sentence: 'a route that says no',
    world: { routes: [route('192.168.1.0', 24, { kind: 'unreachable' })] },
    frame: packet(),
    verdict: 'destination-unroutable',
    out: [error(packet(), 3, 1)],
  },
  {
    sentence: 'a route by an interface that the director does not serve',
    world: { routes: [route('192.168.1.0', 24, { arm: -1 })] },
    frame: packet(),
    verdict: 'destination-unroutable',
    out: [error(packet(), 3, 1)],
  },
  {
    sentence: 'a realserver that never answers',
    world: fresh,
    before: [(w) => w.wait(4000)],
    frame: packet(),
    verdict: 'destination-unroutable',
    out: [error(packet(), 3, 1)],
  },
  {
    sentence:
      'an ICMP error about a connection whose realserver is unreachable: no error about errors',
    before: [packet(), (w) => w.director.setRoutes([])],
    frame: {
      ipv4: ip,
      icmp: {
        type: 3,
        code: 4,
        mtu: 1400,
        quote: { ipv4: reply, tcp: { sport: 80, dport: 4000 } },
      },
    },
    verdict: 'answer-limited',
  },
  {
    sentence: 'the realserver is the director itself, whose kernel holds the VIP',
    world: { services: [{ to: [1] }], onKernel: [VIP] },
    frame: packet(),
    verdict: 'local-destination',
  },
  {
    sentence: 'the realserver is the director itself, whose kernel does not know the VIP',
    world: { services: [{ to: [1] }] },
    frame: packet(),
    verdict: 'no-service',
    out: [reset('RA', 0, 1)],
  },
  {
    sentence: 'the realserver has not answered yet',
    world: fresh,
    frame: packet(),
    verdict: 'neighbour-held',
  },
  {
    sentence: 'too many wait for it already',
    world: { ...fresh, services: [{ to: [2] }] },
    before: [fill],
    frame: packet(),
    verdict: 'neighbour-queue-full',
  },
  {
    sentence: 'no answers at all (--quiet)',
    world: { quiet: true },
    frame: noService,
    verdict: 'answer-limited',
  },
  {
    sentence: 'no echo either (--quiet)',
    world: { quiet: true },
    frame: { ipv4: ip, icmp: { type: 8 } },
    verdict: 'answer-limited',
  },
  {
    sentence: 'more answers than the limit',
    world: { answersPerSecond: 1 },
    before: [noService],
    frame: noService,
    verdict: 'answer-limited',
  },
  {
    sentence: 'a second later there may be one again',
    world: { answersPerSecond: 1 },
    before: [noService, (w) => w.wait(1000)],
    frame: toBare(datagram),
    verdict: 'no-service',
    out: [error(toBare(datagram), 3, 3)],
  },
]

export const ipv4Journeys: readonly Journey[] = [...forwarded, ...checked, ...refused, ...leaving]
