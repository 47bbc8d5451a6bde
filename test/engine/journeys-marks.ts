/**
 * Journeys with mark rules: services by firewall mark, addresses that the director does not have,
 * `cache_bypass`, `schedule_icmp`, and errors that quote the client.
 */
import { STAT_OUT_PACKETS } from '../../src/balance/destination.js'
import type { Rule, ServiceKey } from '../../src/balance/rule.js'
import { buildFragments } from '../../src/wire/build.js'
import type { Journey } from './journey.js'
import { error as answered } from './journeys-ipv4.js'
import {
  CLIENT,
  CLIENT6,
  type FrameSpec,
  OUR_MAC,
  realserverMac,
  route,
  rulesOf,
  service,
  VIP,
  VIP6,
  type World,
  type WorldOptions,
} from './world.js'

const FOREIGN = '203.0.113.5'
const FOREIGN6 = '2001:db8:7::5'
const GATEWAY = '192.168.1.254'
const mark1: ServiceKey = { fwmark: 1, family: 'inet' }
const mark1v6: ServiceKey = { fwmark: 1, family: 'inet6' }
const mark = (rule: Extract<Rule, { op: 'add-mark' | 'delete-mark' }>['rule']): Rule => ({
  op: 'add-mark',
  rule,
})
const http = { mark: 1, protocol: 'tcp', ports: [80, 80] } as const
const services = [
  { service: service(80), to: [9] },
  { service: mark1, to: [2, 3] },
  { service: mark1v6, to: [] },
]
const marked: WorldOptions = { rules: [mark(http), ...rulesOf(services)] }
const anywhere: WorldOptions = {
  rules: [...(marked.rules ?? []), { op: 'add-local-mark', mark: 1 }],
}
const onward: WorldOptions = {
  routes: [route('192.168.1.0', 24), route('0.0.0.0', 0, { gateway: ipOf(GATEWAY) })],
  rules: [
    mark(http),
    { op: 'add-local-mark', mark: 1 },
    ...rulesOf([{ service: mark1, to: [{ n: 2, weight: 0 }] }]),
    { op: 'set-sysctl', name: 'cache_bypass', value: '1' },
  ],
}
const kernelOnward: WorldOptions = { ...onward, mode: 'kernel' }

function ipOf(address: string): Int32Array {
  const [a, b, c, d] = address.split('.').map(Number) as [number, number, number, number]
  return Int32Array.of((a << 24) | (b << 16) | (c << 8) | d, 0, 0, 0)
}

const syn = (destination = VIP, dport = 80, source = CLIENT): FrameSpec => ({
  ipv4: { source, destination },
  tcp: { sport: 4000, dport },
})
const synV6 = (destination: string): FrameSpec => ({
  ipv6: { source: CLIENT6, destination },
  tcp: { sport: 4000, dport: 80 },
})
const fragments = buildFragments({ ...syn(FOREIGN), payload: 100 }, 60)
/** An error from a router, to where the quoted packet came from. */
const error = (from: string, sport: number, to: string, dport: number): FrameSpec => ({
  ipv4: { source: '198.51.100.254', destination: VIP },
  icmp: {
    type: 3,
    code: 1,
    quote: { ipv4: { source: from, destination: to }, tcp: { sport, dport } },
  },
})
const error6 = (from: string, sport: number, to: string, dport: number): FrameSpec => ({
  ipv6: { source: '2001:db8:5::1', destination: VIP6 },
  icmpv6: {
    type: 1,
    code: 0,
    quote: { ipv6: { source: from, destination: to }, tcp: { sport, dport } },
  },
})
const gateway = (world: World) => {
  world.director.neighbours.acquire(0, 4, ipOf(GATEWAY)[0] as number, 0, 0, 0, world.now)
  world.resolve()
}
const scheduled: WorldOptions = {
  rules: [
    ...rulesOf([
      { service: service(80), to: [2, 3] },
      { service: service(81), to: [] },
      { service: service(80, 'tcp', VIP6), to: [2, 3] },
      { service: service(81, 'tcp', VIP6), to: [] },
    ]),
    { op: 'set-sysctl', name: 'schedule_icmp', value: '1' },
  ],
}
/** What a destination of the address service counted as sent by it. */
const sentBack = (packets: number) => (world: World) => {
  const { services, destinations } = world.book.balancer
  const slot = world.book.findService(service(80)) as number
  const counted = destinations.statistic(services.head(slot), STAT_OUT_PACKETS)
  if (counted !== packets) throw new Error(`${counted} packets sent back, not ${packets}`)
}

export const markJourneys: readonly Journey[] = [
  {
    sentence: "the mark's service comes before that of the address",
    world: marked,
    frame: syn(),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'a connection that exists is not asked for its mark',
    world: marked,
    before: [syn(), (world) => world.apply({ op: 'flush-marks' })],
    frame: syn(),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'without its rule a packet goes to the service of the address',
    world: marked,
    before: [(world) => world.apply({ op: 'delete-mark', rule: http })],
    frame: syn(),
    verdict: 'forwarded',
    out: [{ to: 9 }],
  },
  {
    sentence: 'a mark without service leaves the packet to the address',
    world: marked,
    before: [(world) => world.apply(mark({ mark: 8, source: `${CLIENT}/24` }))],
    frame: syn(),
    verdict: 'forwarded',
    out: [{ to: 9 }],
  },
  {
    sentence: 'a marked packet to an address that is no VIP is none of ours',
    world: marked,
    frame: syn(FOREIGN),
    verdict: 'not-vip',
  },
  {
    sentence: 'it is if the mark is local',
    world: anywhere,
    frame: syn(FOREIGN),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'another port of that address has no such mark',
    world: anywhere,
    frame: syn(FOREIGN, 81),
    verdict: 'not-vip',
  },
  {
    sentence: 'nobody answers from an address that is not ours: no opening',
    world: anywhere,
    frame: { ...syn(FOREIGN), tcp: { sport: 4000, dport: 80, flags: 'A' } },
    verdict: 'not-vip',
  },
  {
    sentence: 'nobody answers from an address that is not ours: no destination (IPv6)',
    world: anywhere,
    frame: synV6(FOREIGN6),
    verdict: 'answer-limited',
  },
  {
    sentence: 'the second fragment to such an address follows the first',
    world: anywhere,
    before: [fragments[0]!],
    frame: fragments[1]!,
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'such a datagram is put together in kernel mode',
    world: { ...anywhere, mode: 'kernel' },
    frame: fragments[0]!,
    verdict: 'fragment-held',
  },
  {
    sentence: 'a later fragment has no port, so that no rule with ports applies to it',
    world: { ...anywhere, mode: 'kernel' },
    frame: fragments[1]!,
    verdict: 'not-vip',
  },
  {
    sentence: 'cache_bypass: without destination to the address itself, by the routing table',
    world: onward,
    before: [gateway],
    frame: syn(FOREIGN),
    verdict: 'forwarded',
    out: [{ to: 254 }],
  },
  {
    sentence: 'and the next packet of that connection too, in kernel mode with its TTL less one',
    world: kernelOnward,
    before: [gateway, syn(FOREIGN)],
    frame: { ...syn(FOREIGN), tcp: { sport: 4000, dport: 80, flags: 'A' } },
    verdict: 'forwarded',
    out: [
      {
        ipv4: { source: CLIENT, destination: FOREIGN, ttl: 63 },
        tcp: { sport: 4000, dport: 80, flags: 'A' },
        ethernet: { source: OUR_MAC, destination: realserverMac(254) },
      },
    ],
  },
  {
    sentence: 'but not to an address of our own',
    world: onward,
    before: [gateway],
    frame: syn(VIP),
    verdict: 'no-destination',
    out: [answered(syn(VIP), 3, 3)],
  },
  {
    sentence: 'nor without the setting',
    world: onward,
    before: [
      gateway,
      (world) => world.apply({ op: 'set-sysctl', name: 'cache_bypass', value: '0' }),
    ],
    frame: syn(FOREIGN),
    verdict: 'answer-limited',
  },
  {
    sentence: 'nor to a group',
    world: onward,
    before: [gateway],
    frame: syn('239.1.1.1'),
    verdict: 'answer-limited',
  },
  {
    sentence: 'a bypass connection is none any more when the last service is gone',
    world: onward,
    before: [
      gateway,
      syn(FOREIGN),
      (world) => world.apply({ op: 'delete-service', service: mark1 }),
    ],
    frame: { ...syn(FOREIGN), tcp: { sport: 4000, dport: 80, flags: 'A' } },
    verdict: 'not-vip',
  },
  {
    sentence: 'schedule_icmp: an error about a connection that nobody knows opens it',
    world: scheduled,
    frame: error(VIP, 80, CLIENT, 4000),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'schedule_icmp, IPv6',
    world: scheduled,
    frame: error6(VIP6, 80, CLIENT6, 4000),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'schedule_icmp: the connection is that of the packets that follow',
    world: scheduled,
    before: [error(VIP, 80, CLIENT, 4000)],
    frame: syn(),
    verdict: 'forwarded',
    out: [{ to: 3 }],
  },
  {
    sentence: 'schedule_icmp: no destination, no answer',
    world: scheduled,
    frame: error(VIP, 81, CLIENT, 4000),
    verdict: 'icmp-ignored',
  },
  {
    sentence: 'schedule_icmp, IPv6: no destination, no answer',
    world: scheduled,
    frame: error6(VIP6, 81, CLIENT6, 4000),
    verdict: 'icmp-ignored',
  },
  {
    sentence: 'without it nothing is opened',
    frame: error(VIP, 80, CLIENT, 4000),
    verdict: 'icmp-ignored',
  },
  {
    sentence: "an error about a client's packet counts as one from its server",
    before: [syn(), sentBack(0), error(CLIENT, 4000, VIP, 80), sentBack(1)],
    frame: error(CLIENT, 4000, VIP, 80),
    verdict: 'icmp-ignored',
  },
]
