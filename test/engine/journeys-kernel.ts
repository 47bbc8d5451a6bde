/** Journeys in kernel mode: TTL, MTU, and the errors about them. Fragments: reassembly's tests. */
import type { Journey } from './journey.js'
import { error } from './journeys-ipv4.js'
import { error6 } from './journeys-ipv6.js'
import {
  CLIENT,
  CLIENT6,
  type FrameSpec,
  OUR_MAC,
  realserverMac,
  route,
  VIP,
  VIP6,
  type WorldOptions,
} from './world.js'

const ip = { source: CLIENT, destination: VIP }
const ip6 = { source: CLIENT6, destination: VIP6 }
const tcp = { sport: 4000, dport: 80 }
const kernel: WorldOptions = { mode: 'kernel' }
/** The way to the realservers takes packets of 1000 bytes at most. */
const narrow: WorldOptions = {
  mode: 'kernel',
  routes: [route('192.168.1.0', 24, { mtu: 1000 }), route('2001:db8:1::', 64, { mtu: 1300 })],
}
const onward = { ethernet: { source: OUR_MAC, destination: realserverMac(3) } }
/** 40 bytes of headers and a payload, so many in all. */
const sized = (bytes: number, df: boolean, ttl = 64): FrameSpec => ({
  ipv4: { ...ip, df, ttl },
  tcp,
  payload: bytes - 40,
})
const sized6 = (bytes: number, hopLimit = 64): FrameSpec => ({
  ipv6: { ...ip6, hopLimit },
  tcp,
  payload: bytes - 60,
})
const about = {
  type: 3,
  code: 4,
  mtu: 900,
  quote: { ipv4: { source: VIP, destination: CLIENT }, tcp: { sport: 80, dport: 4000 } },
} as const
const related = (ttl: number): FrameSpec => ({
  ipv4: { source: '203.0.113.1', destination: VIP, ttl },
  icmp: about,
})
const related6 = (bytes: number, hopLimit = 64): FrameSpec => ({
  ipv6: { source: '2001:db8:5::1', destination: VIP6, hopLimit },
  icmpv6: {
    type: 2,
    mtu: 1280,
    quote: {
      ipv6: { source: VIP6, destination: CLIENT6 },
      tcp: { sport: 80, dport: 4000 },
      payload: bytes,
    },
  },
})

export const kernelJourneys: readonly Journey[] = [
  {
    sentence: 'the TTL falls by one',
    world: kernel,
    frame: { ipv4: { ...ip, ttl: 64 }, tcp },
    verdict: 'forwarded',
    out: [{ ...onward, ipv4: { ...ip, ttl: 63 }, tcp }],
  },
  {
    sentence: 'a TTL of 2 still passes',
    world: kernel,
    frame: { ipv4: { ...ip, ttl: 2 }, tcp },
    verdict: 'forwarded',
    out: [{ ...onward, ipv4: { ...ip, ttl: 1 }, tcp }],
  },
  {
    sentence: 'a TTL of 1 ends here',
    world: kernel,
    frame: { ipv4: { ...ip, ttl: 1 }, tcp },
    verdict: 'ttl-exceeded',
    out: [error({ ipv4: { ...ip, ttl: 1 }, tcp }, 11, 0)],
  },
  {
    sentence: 'a TTL of 0 as well',
    world: kernel,
    frame: { ipv4: { ...ip, ttl: 0 }, tcp },
    verdict: 'ttl-exceeded',
    out: [error({ ipv4: { ...ip, ttl: 0 }, tcp }, 11, 0)],
  },
  {
    sentence: 'an ICMP error whose TTL ends: no error about errors',
    world: kernel,
    before: [{ ipv4: ip, tcp }],
    frame: related(1),
    verdict: 'answer-limited',
  },
  {
    sentence: 'an ICMP error about a connection',
    world: kernel,
    before: [{ ipv4: ip, tcp }],
    frame: related(9),
    verdict: 'forwarded',
    out: [{ ...onward, ...related(8) }],
  },
  {
    sentence: 'the hop limit falls by one',
    world: kernel,
    frame: sized6(80),
    verdict: 'forwarded',
    out: [{ ...onward, ...sized6(80, 63) }],
  },
  {
    sentence: 'a hop limit of 1 ends here',
    world: kernel,
    frame: sized6(80, 1),
    verdict: 'ttl-exceeded',
    out: [error6(sized6(80, 1), 3, 0)],
  },
  {
    sentence: 'an ICMPv6 error whose hop limit ends',
    world: kernel,
    before: [sized6(60)],
    frame: related6(8, 1),
    verdict: 'answer-limited',
  },
  {
    sentence: 'exactly as large as the MTU',
    world: narrow,
    frame: sized(1000, true),
    verdict: 'forwarded',
    out: [{ ...onward, ...sized(1000, true, 63) }],
  },
  {
    sentence: 'larger than the MTU, and not to be fragmented',
    world: narrow,
    frame: sized(1001, true),
    verdict: 'too-big',
    out: [error(sized(1001, true, 63), 3, 4, { mtu: 1000 })],
  },
  {
    sentence: 'an aggregate is measured by its segments',
    world: { ...narrow, port: { slotBytes: 4096 } },
    frame: sized(3000, true),
    notes: { segmentBytes: 960 },
    verdict: 'forwarded',
    out: [{ ...onward, ...sized(3000, true, 63) }],
  },
  {
    sentence: 'an aggregate of segments that are too long',
    world: { ...narrow, port: { slotBytes: 4096 } },
    frame: sized(3000, true),
    notes: { segmentBytes: 961 },
    verdict: 'too-big',
    out: [error(sized(3000, true, 63), 3, 4, { mtu: 1000 })],
  },
  {
    sentence: 'IPv6, exactly as large as the MTU',
    world: narrow,
    frame: sized6(1300),
    verdict: 'forwarded',
    out: [{ ...onward, ...sized6(1300, 63) }],
  },
  {
    sentence: 'IPv6, larger than the MTU',
    world: narrow,
    frame: sized6(1301),
    verdict: 'too-big',
    out: [error6(sized6(1301, 63), 2, 0, { mtu: 1300 })],
  },
  {
    sentence: 'an ICMPv6 error larger than the MTU',
    world: narrow,
    before: [sized6(60)],
    frame: related6(1200),
    verdict: 'too-big-dropped',
  },
]
