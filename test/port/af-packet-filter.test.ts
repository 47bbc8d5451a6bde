/**
 * The classic BPF filter: run by a small interpreter over frames made to order, compared with what
 * the sentence in `bpf-filter.ts` says; and handed to the real kernel's verifier.
 */
import fc from 'fast-check'
import t from 'tap'
import * as bpf from '../../src/native/filter.js'
import { close, socket } from '../../src/native/libc.js'
import { AF_INET, SOCK_DGRAM } from '../../src/native/socket.js'
import { coarseFilter, rejectingFilter, servingFilter, words } from '../../src/port/bpf-filter.js'
import { FilterProgram } from '../../src/port/filter-program.js'
import { build, type FrameSpec } from '../../src/wire/build.js'
import { accepts } from './classic-bpf.js'

const SEED = 20261122

const VIPS = ['192.0.2.110', '10.0.0.1', '2001:db8::110', '2001:db8:1::5']
const mac = '02:00:00:00:00:fe'
const four = (destination: string): FrameSpec => ({
  ipv4: { source: '198.51.100.7', destination },
  udp: { sport: 1, dport: 2 },
})
const six = (destination: string): FrameSpec => ({
  ipv6: { source: '2001:db8::7', destination },
  udp: { sport: 1, dport: 2 },
})
const arp = (operation: 'request' | 'reply', sender: string, target: string): FrameSpec => ({
  arp: { operation, senderMac: mac, sender, target },
})
const icmpv6 = (type: number, destination: string): FrameSpec => ({
  ipv6: { source: '2001:db8::7', destination, hopLimit: 255 },
  icmpv6: { type, target: '2001:db8::9' },
})

const CASES: [sentence: string, FrameSpec, accepted: boolean][] = [
  ['IPv4 to a VIP', four('192.0.2.110'), true],
  ['IPv4 to the other VIP', four('10.0.0.1'), true],
  ['IPv4 to a neighbour of a VIP', four('192.0.2.111'), false],
  ['IPv4 to nobody', four('0.0.0.0'), false],
  ['IPv4 from a VIP', { ipv4: { source: '10.0.0.1', destination: '10.0.0.9' } }, false],
  [
    'a fragment to a VIP',
    { ipv4: { source: '1.1.1.1', destination: '10.0.0.1', frag: 800 }, payload: 9 },
    true,
  ],
  [
    'options do not move the address',
    { ipv4: { source: '1.1.1.1', destination: '10.0.0.1', options: [1, 1, 1, 1] } },
    true,
  ],
  ['IPv6 to a VIP', six('2001:db8::110'), true],
  ['IPv6 to the other VIP', six('2001:db8:1::5'), true],
  ['IPv6 that differs in the last word', six('2001:db8::111'), false],
  ['IPv6 that differs in the second word', six('2001:db8:2::5'), false],
  ['IPv6 that differs in the first word', six('2001:db9::110'), false],
  ['IPv6 that differs in the third word', six('2001:db8::1:0:110'), false],
  ['an echo request to a VIP', icmpv6(128, '2001:db8::110'), true],
  ['an echo request to somebody else', icmpv6(128, '2001:db8::111'), false],
  ['a neighbour solicitation to a group', icmpv6(135, 'ff02::1:ff00:110'), true],
  ['a neighbour advertisement to us', icmpv6(136, '2001:db8::2'), true],
  ['a router advertisement', icmpv6(134, 'ff02::1'), false],
  ['who has a VIP?', arp('request', '192.0.2.1', '192.0.2.110'), true],
  ['who has somebody else?', arp('request', '192.0.2.1', '192.0.2.2'), false],
  ['an ARP answer', arp('reply', '192.0.2.2', '192.0.2.1'), true],
  ['an ARP announcement', arp('request', '192.0.2.2', '192.0.2.2'), true],
  ['another protocol', { ethernet: { type: 0x88cc }, payload: 60 }, false],
  [
    'IPv4 within two tags, the outer one taken out',
    { ethernet: { vlan: 5 }, ...four('10.0.0.1') },
    false,
  ],
]

t.test('accepts what concerns the director, and nothing else', async (t) => {
  const program = servingFilter(VIPS)
  for (const [sentence, spec, accepted] of CASES) {
    t.equal(accepts(program, build(spec)), accepted, sentence)
  }
})

t.test('without VIPs only neighbours are heard', async (t) => {
  const program = servingFilter([])
  t.notOk(accepts(program, build(four('10.0.0.1'))))
  t.notOk(accepts(program, build(four('0.0.0.0'))))
  t.notOk(accepts(program, build(six('2001:db8::110'))))
  t.notOk(accepts(program, build(six('::'))))
  t.ok(accepts(program, build(arp('reply', '192.0.2.2', '192.0.2.1'))))
  t.notOk(accepts(rejectingFilter(), build(arp('reply', '192.0.2.2', '192.0.2.1'))))
})

t.test('a frame cut anywhere is judged without a fault', async (t) => {
  const program = servingFilter(VIPS)
  for (const [sentence, spec, accepted] of CASES) {
    const frame = build(spec)
    for (let bytes = 0; bytes < frame.length; bytes++) {
      const verdict = accepts(program, frame.subarray(0, bytes))
      if (!accepted && verdict) t.fail(`${sentence}, cut to ${bytes}`)
      if (bytes < 14 && verdict) t.fail(`${sentence}, cut to ${bytes}`)
    }
  }
  t.pass('none was accepted for being short')
})

t.test('any set of addresses: exactly its members', async (t) => {
  const address = fc.integer({ min: 0, max: 0xffffffff })
  const text = (value: number) => [24, 16, 8, 0].map((s) => (value >>> s) & 255).join('.')
  fc.assert(
    fc.property(fc.uniqueArray(address, { maxLength: 400 }), fc.array(address), (vips, others) => {
      const program = servingFilter(vips.map(text))
      const frame = build(four('0.0.0.0'))
      const view = new DataView(frame.buffer)
      // Neighbours of the members are the values that a search by halves gets wrong.
      const near = vips.flatMap((vip) => [vip, (vip + 1) >>> 0, (vip - 1) >>> 0])
      return [...near, ...others].every((value) => {
        view.setUint32(30, value)
        return accepts(program, frame) === vips.includes(value)
      })
    }),
    { seed: SEED, numRuns: 60 },
  )
  t.pass(`seed ${SEED}`)
})

t.test('far jumps are put in where a conditional jump does not reach', async (t) => {
  for (const between of [250, 253, 254, 255, 256, 257, 600]) {
    const p = new FilterProgram()
    p.loadByte(0)
    p.jumpIfEqual(1, 'yes', 'no')
    for (let i = 0; i < between; i++) p.keep()
    p.label('no')
    p.reject()
    p.label('yes')
    p.accept()
    const program = p.assemble()
    t.ok(program.every(({ jt, jf }) => jt < 256 && jf < 256))
    t.ok(accepts(program, Uint8Array.of(1)), `yes over ${between}`)
    t.notOk(accepts(program, Uint8Array.of(2)), `no over ${between}`)
  }
  const back = new FilterProgram()
  back.label('start')
  back.jumpIfEqual(0, 'start', 'start')
  t.throws(() => back.assemble(), /jumps back/)
  const lost = new FilterProgram()
  lost.jumpIfEqual(0, 'nowhere', 'nowhere')
  t.throws(() => lost.assemble(), /no label nowhere/)
})

t.test('more VIPs than fit: coarse, but not for other hosts', async (t) => {
  const many = Array.from({ length: 5000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`)
  const program = servingFilter(many)
  t.same(program, coarseFilter())
  t.ok(accepts(program, build(four('192.0.2.99')), 0), 'for us')
  t.ok(accepts(program, build(arp('request', '1.1.1.1', '2.2.2.2')), 1), 'for all')
  t.ok(accepts(program, build(icmpv6(135, 'ff02::1:ff00:110')), 2), 'for a group')
  t.notOk(accepts(program, build(four('192.0.2.99')), bpf.PACKET_OTHERHOST), 'for another host')
  t.notOk(accepts(program, build({ ethernet: { type: 0x88cc }, payload: 60 }), 0))
  const fits = servingFilter(many.slice(0, 1000))
  t.ok(fits.length <= bpf.BPF_MAXINSNS)
  t.ok(accepts(fits, build(four('10.1.3.231'))))
  t.notOk(accepts(fits, build(four('10.1.3.232'))))
})

t.test('the kernel takes the programs', async (t) => {
  const fd = socket(AF_INET, SOCK_DGRAM, 0)
  t.teardown(() => close(fd))
  const hundred = Array.from({ length: 100 }, (_, i) => [`10.1.1.${i}`, `2001:db8::${i}`]).flat()
  for (const program of [
    rejectingFilter(),
    coarseFilter(),
    servingFilter(VIPS),
    servingFilter(hundred),
  ]) {
    bpf.attachFilter(fd, program, `${program.length} instructions`)
    t.pass(`${program.length} instructions`)
  }
  t.throws(() => bpf.attachFilter(fd, [{ code: 0xff, jt: 0, jf: 0, k: 0 }], 'test'), {
    code: 'EINVAL',
  })
})

t.test('textual addresses', async (t) => {
  t.same(words('192.0.2.110'), [0xc000026e])
  t.same(words('2001:db8::110'), [0x20010db8, 0, 0, 0x110])
  t.same(words('::'), [0, 0, 0, 0])
  t.same(words('1::'), [0x10000, 0, 0, 0])
  t.same(words('::ffff:192.0.2.1'), [0, 0, 0xffff, 0xc0000201])
  t.same(words('1:2:3:4:5:6:7:8'), [0x10002, 0x30004, 0x50006, 0x70008])
  for (const wrong of [
    '',
    '1.2.3',
    '256.1.1.1',
    '1.2.3.4.5',
    'fe80::1%eth0',
    'vip',
    '1:2',
    ':::',
  ]) {
    t.throws(() => words(wrong), /no IP address/, wrong)
  }
})
