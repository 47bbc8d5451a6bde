/**
 * The workers' filters: each frame for a VIP is taken by exactly one, and by the one that has the
 * client. Run by the interpreter over frames made to order, and handed to the kernel's verifier.
 */
import fc from 'fast-check'
import t from 'tap'
import type { Share } from '../../src/engine/port.js'
import { attachFilter } from '../../src/native/filter.js'
import { close, socket } from '../../src/native/libc.js'
import { AF_INET, SOCK_DGRAM } from '../../src/native/socket.js'
import {
  coarseFilter,
  coarseLinkFilter,
  linkFilter,
  servingFilter,
  words,
} from '../../src/port/bpf-filter.js'
import { workerOf } from '../../src/port/share.js'
import { build, buildFragments, type FrameSpec } from '../../src/wire/build.js'
import { accepts } from './classic-bpf.js'

const SEED = 20261126
const VIP = '192.0.2.110'
const VIP6 = '2001:db8::110'
const FINE = { mask4: -1, prefix6: 128 }

const FILTERS = {
  serving: (share: Share) => servingFilter([VIP, VIP6], share),
  coarse: (share: Share) => coarseFilter(share),
}

/** Which of `count` workers take a frame. */
function takers(
  frame: Uint8Array,
  count: number,
  grain = FINE,
  filter: (share: Share) => ReturnType<typeof coarseFilter> = FILTERS.serving,
): number[] {
  const all = Array.from({ length: count }, (_, index) => index)
  return all.filter((index) => accepts(filter({ index, count, ...grain }), frame))
}

const packetFrom = (source: string): FrameSpec =>
  source.includes(':')
    ? { ipv6: { source, destination: VIP6 }, udp: { sport: 1, dport: 2 } }
    : { ipv4: { source, destination: VIP }, udp: { sport: 1, dport: 2 } }

const address4 = fc.ipV4()
const address6 = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.map((group) => group.toString(16)).join(':'))
const grain = fc.record({
  mask4: fc.integer({ min: 0, max: 32 }).map((bits) => (bits === 0 ? 0 : -1 << (32 - bits))),
  prefix6: fc.integer({ min: 1, max: 128 }),
})

for (const [name, filter] of Object.entries(FILTERS)) {
  t.test(`${name}: exactly one worker, the client's`, async (t) => {
    const property = fc.property(
      fc.oneof(address4, address6),
      fc.integer({ min: 2, max: 9 }),
      grain,
      (client, count, grain) => {
        const got = takers(build(packetFrom(client)), count, grain, filter)
        return got.length === 1 && got[0] === workerOf(words(client), { count, ...grain })
      },
    )
    fc.assert(property, { seed: SEED, numRuns: 500 })
    t.pass('500 clients')
  })

  t.test(`${name}: all fragments, and what quotes a packet to the client`, async (t) => {
    for (let i = 0; i < 40; i++) {
      const client = `198.51.${i}.7`
      const own = [workerOf(words(client), { count: 5, ...FINE })]
      const pieces = buildFragments(
        {
          ipv4: { source: client, destination: VIP, id: 9, df: false },
          udp: { sport: 1, dport: 2 },
          payload: 3000,
        },
        1480,
      )
      for (const piece of pieces) t.same(takers(piece, 5, FINE, filter), own)
      const answer = build({
        ipv4: { source: VIP, destination: client },
        udp: { sport: 2, dport: 1 },
      }).subarray(14)
      for (const type of [3, 4, 11]) {
        for (const options of [[], [1, 1, 1, 1]]) {
          const spec = { source: '203.0.113.1', destination: VIP, options }
          const error = build({ ipv4: spec, icmp: { type, code: 4, rest: 0 }, payload: answer })
          t.same(takers(error, 5, FINE, filter), own, `ICMP type ${type}`)
        }
      }
      const client6 = `2001:db8:${i}::7`
      const own6 = [workerOf(words(client6), { count: 5, ...FINE })]
      const answer6 = build({
        ipv6: { source: VIP6, destination: client6 },
        udp: { sport: 2, dport: 1 },
      }).subarray(14)
      for (const type of [1, 2, 3, 4]) {
        const spec = { source: '2001:db8:ffff::1', destination: VIP6 }
        const error = build({ ipv6: spec, icmpv6: { type, code: 0, rest: 1400 }, payload: answer6 })
        t.same(takers(error, 5, FINE, filter), own6, `ICMPv6 type ${type}`)
      }
    }
  })

  t.test(
    `${name}: a truncated ICMP error and an echo request belong to their sender`,
    async (t) => {
      const source = '203.0.113.9'
      const own = [workerOf(words(source), { count: 4, ...FINE })]
      const spec = { source, destination: VIP }
      const whole = build({ ipv4: spec, icmp: { type: 3, code: 4, rest: 0 } })
      t.same(takers(whole.subarray(0, 14 + 20), 4, FINE, filter), own, 'no ICMP header at all')
      t.same(takers(whole.subarray(0, 14 + 20 + 8), 4, FINE, filter), own, 'nothing is quoted')
      const echo = build({ ipv4: spec, icmp: { type: 8, code: 0, rest: 0 }, payload: 40 })
      t.same(takers(echo, 4, FINE, filter), own)
    },
  )

  t.test(`${name}: answers are for all, questions for the first`, async (t) => {
    const arp = (operation: 'request' | 'reply', sender: string, target: string) =>
      build({ arp: { operation, senderMac: '02:00:00:00:00:fe', sender, target } })
    const nd = (type: number) =>
      build({
        ipv6: { source: '2001:db8::7', destination: VIP6, hopLimit: 255 },
        icmpv6: { type, target: '2001:db8::110' },
      })
    t.same(takers(arp('reply', '192.0.2.2', '192.0.2.1'), 3, FINE, filter), [0, 1, 2])
    t.same(takers(arp('request', '192.0.2.2', '192.0.2.2'), 3, FINE, filter), [0, 1, 2])
    t.same(takers(arp('request', '192.0.2.2', VIP), 3, FINE, filter), [0])
    t.same(takers(nd(135), 3, FINE, filter), [0])
    t.same(takers(nd(136), 3, FINE, filter), [0, 1, 2])
  })
}

t.test('beside an XDP program: answers are for all, questions for the first', async (t) => {
  const arp = (operation: 'request' | 'reply', sender: string, target: string) =>
    build({ arp: { operation, senderMac: '02:00:00:00:00:fe', sender, target } })
  const nd = (type: number) =>
    build({
      ipv6: { source: '2001:db8::7', destination: VIP6, hopLimit: 255 },
      icmpv6: { type, target: '2001:db8::110' },
    })
  const fine = (share: Share) => linkFilter([VIP, VIP6], share)
  for (const filter of [fine, coarseLinkFilter]) {
    t.same(takers(arp('reply', '192.0.2.2', '192.0.2.1'), 3, FINE, filter), [0, 1, 2])
    t.same(takers(arp('request', '192.0.2.2', '192.0.2.2'), 3, FINE, filter), [0, 1, 2])
    t.same(takers(arp('request', '192.0.2.2', VIP), 3, FINE, filter), [0])
    t.same(takers(nd(135), 3, FINE, filter), [0])
    t.same(takers(nd(136), 3, FINE, filter), [0, 1, 2])
    t.same(takers(build(packetFrom('192.0.2.7')), 3, FINE, filter), [], "the program's")
  }
})

t.test('clients are spread evenly', async (t) => {
  for (const count of [2, 3, 4, 8]) {
    const shares = Array<number>(count).fill(0)
    // A /16 of neighbours, as behind one provider; and hosts of one IPv6 network.
    for (let i = 0; i < 65_536; i++) {
      shares[workerOf([0x0a000000 + i], { count, ...FINE })]++
      shares[workerOf([0x20010db8, 0, 0, i], { count, ...FINE })]++
    }
    const ideal = 131_072 / count
    const off = shares.map((share) => Math.abs(share - ideal) / ideal)
    t.ok(Math.max(...off) < 0.05, `${count} workers: ${shares}`)
  }
})

t.test('the kernel takes the programs', async (t) => {
  const fd = socket(AF_INET, SOCK_DGRAM, 0)
  t.teardown(() => close(fd))
  const vips = Array.from({ length: 600 }, (_, i) => `10.1.${i >> 8}.${i & 255}`)
  for (const share of [0, 1].map((index) => ({ index, count: 2, ...FINE }))) {
    attachFilter(fd, servingFilter([VIP, VIP6], share), 'few')
    attachFilter(fd, servingFilter(vips.slice(0, 200), share), 'many')
    attachFilter(fd, coarseFilter(share), 'coarse')
  }
  t.ok(servingFilter(vips, { index: 0, count: 2, ...FINE }).length < 4096)
})
