/** The numbers that others assigned, spelt out once more beside their names. */
import t from 'tap'
import * as ethernet from '../../src/wire/ethernet.js'
import * as icmp from '../../src/wire/icmp.js'
import * as icmpv6 from '../../src/wire/icmpv6.js'
import * as ipv4 from '../../src/wire/ipv4.js'
import * as ipv6 from '../../src/wire/ipv6.js'
import * as sctp from '../../src/wire/sctp.js'
import * as tcp from '../../src/wire/tcp.js'

/** All exports of a codec whose names begin so, with their values. */
function named(codec: object, prefix: string): Record<string, unknown> {
  const entries = Object.entries(codec)
  return Object.fromEntries(
    entries.filter(([name, value]) => name.startsWith(prefix) && typeof value === 'number'),
  )
}

t.test('EtherTypes (linux/if_ether.h)', async (t) => {
  t.same(named(ethernet, 'ETH_P_'), {
    ETH_P_IP: 0x0800,
    ETH_P_ARP: 0x0806,
    ETH_P_8021Q: 0x8100,
    ETH_P_IPV6: 0x86dd,
    ETH_P_8021AD: 0x88a8,
  })
  t.equal(ethernet.BROADCAST_HIGH, 0xffff)
  t.equal(ethernet.BROADCAST_LOW >>> 0, 0xffffffff)
})

t.test('protocols (IANA protocol numbers)', async (t) => {
  t.same(named(ipv4, 'PROTO_'), {
    PROTO_ICMP: 1,
    PROTO_IPIP: 4,
    PROTO_TCP: 6,
    PROTO_UDP: 17,
    PROTO_IPV6: 41,
    PROTO_GRE: 47,
    PROTO_ESP: 50,
    PROTO_AH: 51,
    PROTO_ICMPV6: 58,
    PROTO_SCTP: 132,
  })
  t.same(named(ipv6, 'PROTO_'), {
    PROTO_HOP_BY_HOP: 0,
    PROTO_ROUTING: 43,
    PROTO_FRAGMENT: 44,
    PROTO_NONE: 59,
    PROTO_DESTINATION_OPTIONS: 60,
  })
  t.equal(ipv4.HEADER_BYTES_MAX, 15 * 4)
  t.equal(tcp.HEADER_BYTES_MAX, 15 * 4)
})

t.test('ICMP types and codes (IANA ICMP parameters)', async (t) => {
  t.same(named(icmp, 'TYPE_'), {
    TYPE_ECHO_REPLY: 0,
    TYPE_DESTINATION_UNREACHABLE: 3,
    TYPE_SOURCE_QUENCH: 4,
    TYPE_REDIRECT: 5,
    TYPE_ECHO_REQUEST: 8,
    TYPE_TIME_EXCEEDED: 11,
    TYPE_PARAMETER_PROBLEM: 12,
  })
  t.same(named(icmp, 'CODE_'), {
    CODE_NET_UNREACHABLE: 0,
    CODE_HOST_UNREACHABLE: 1,
    CODE_PROTOCOL_UNREACHABLE: 2,
    CODE_PORT_UNREACHABLE: 3,
    CODE_FRAGMENTATION_NEEDED: 4,
    CODE_ADMINISTRATIVELY_PROHIBITED: 13,
    CODE_TTL_EXCEEDED: 0,
    CODE_REASSEMBLY_TIME_EXCEEDED: 1,
  })
})

t.test('ICMPv6 types, codes, options and flags (IANA ICMPv6 parameters, RFC 4861)', async (t) => {
  t.same(named(icmpv6, 'TYPE_'), {
    TYPE_DESTINATION_UNREACHABLE: 1,
    TYPE_PACKET_TOO_BIG: 2,
    TYPE_TIME_EXCEEDED: 3,
    TYPE_PARAMETER_PROBLEM: 4,
    TYPE_ECHO_REQUEST: 128,
    TYPE_ECHO_REPLY: 129,
    TYPE_ROUTER_SOLICITATION: 133,
    TYPE_ROUTER_ADVERTISEMENT: 134,
    TYPE_NEIGHBOUR_SOLICITATION: 135,
    TYPE_NEIGHBOUR_ADVERTISEMENT: 136,
    TYPE_REDIRECT: 137,
  })
  t.same(named(icmpv6, 'CODE_'), {
    CODE_NO_ROUTE: 0,
    CODE_ADMINISTRATIVELY_PROHIBITED: 1,
    CODE_ADDRESS_UNREACHABLE: 3,
    CODE_PORT_UNREACHABLE: 4,
    CODE_HOP_LIMIT_EXCEEDED: 0,
    CODE_REASSEMBLY_TIME_EXCEEDED: 1,
    CODE_ERRONEOUS_HEADER: 0,
    CODE_UNKNOWN_NEXT_HEADER: 1,
  })
  t.same(named(icmpv6, 'OPTION_'), { OPTION_SOURCE_LINK_LAYER: 1, OPTION_TARGET_LINK_LAYER: 2 })
  t.same(named(icmpv6, 'FLAG_'), {
    FLAG_ROUTER: 0x80000000 | 0,
    FLAG_SOLICITED: 0x40000000,
    FLAG_OVERRIDE: 0x20000000,
  })
})

t.test('SCTP chunk types (RFC 9260 section 3.2)', async (t) => {
  const names = 'DATA INIT INIT_ACK SACK HEARTBEAT HEARTBEAT_ACK ABORT SHUTDOWN SHUTDOWN_ACK ERROR'
  const more = 'COOKIE_ECHO COOKIE_ACK ECNE CWR SHUTDOWN_COMPLETE'
  const all = `${names} ${more}`.split(' ').map((name, number) => [`CHUNK_${name}`, number])
  t.same(named(sctp, 'CHUNK_'), { ...Object.fromEntries(all), CHUNK_HEADER_BYTES: 4 })
})
