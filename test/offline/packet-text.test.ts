/** Packets as they are written on a command line, against frames of our own builder. */
import t from 'tap'
import { BadPacket, packetFrame, parseHex } from '../../src/offline/packet-text.js'
import { DEFAULT_DIRECTOR_MAC } from '../../src/offline/surroundings.js'
import { build } from '../../src/wire/build.js'
import { DIRECTOR } from './harness.js'

const ethernet = { source: '02:00:00:00:00:fe', destination: DIRECTOR }
const ipv4 = { source: '10.0.0.1', destination: '192.168.1.110', df: false }
const ports = { sport: 40000, dport: 80 }
const frame = (text: string, settings = {}) =>
  packetFrame(text.split(' '), settings, DEFAULT_DIRECTOR_MAC)

t.test('what is written is what is built', async (t) => {
  const written = '10.0.0.1:40000 192.168.1.110:80'
  t.same(frame(`tcp ${written}`), build({ ethernet, ipv4, tcp: { ...ports, flags: 'S' } }))
  t.same(
    frame(`tcp ${written}`, { flags: 'fa', ttl: 3, df: true }),
    build({ ethernet, ipv4: { ...ipv4, ttl: 3, df: true }, tcp: { ...ports, flags: 'FA' } }),
  )
  t.same(frame(`udp ${written}`), build({ ethernet, ipv4, udp: ports }))
  t.same(frame(`sctp ${written}`), build({ ethernet, ipv4, sctp: ports }))
  const echo = { type: 8, code: 0, identifier: 1, sequence: 1 }
  t.same(frame('icmp 10.0.0.1 192.168.1.110'), build({ ethernet, ipv4, icmp: echo }))
  const ipv6 = { source: '2001:db8::1', destination: '2001:db8::110' }
  t.same(
    frame('tcp [2001:db8::1]:40000 [2001:db8::110]:80', { ttl: 9 }),
    build({ ethernet, ipv6: { ...ipv6, hopLimit: 9 }, tcp: ports }),
  )
  t.same(
    frame('icmp 2001:db8::1 2001:db8::110'),
    build({ ethernet, ipv6, icmpv6: { ...echo, type: 128 } }),
  )
})

t.test('the length is that of the IP packet', async (t) => {
  for (const length of [40, 41, 1500, 65535]) {
    const bytes = frame('tcp 10.0.0.1:40000 192.168.1.110:80', { length })
    t.equal(bytes.length, 14 + length)
    t.equal(new DataView(bytes.buffer).getUint16(16), length)
  }
  t.equal(frame('udp [::1]:1 [::2]:2', { length: 65575 }).length, 14 + 65575)
})

t.test('what is no packet is told in a sentence', async (t) => {
  const mistakes: [string, object, RegExp][] = [
    ['tcp 10.0.0.1:1', {}, /three words/],
    ['gre 10.0.0.1 10.0.0.2', {}, /'gre' is none of tcp, udp, sctp, icmp/],
    ['tcp 10.0.0.1 10.0.0.2:80', {}, /'10.0.0.1' is not ADDRESS:PORT/],
    ['tcp 10.0.0.1:70000 10.0.0.2:80', {}, /'10.0.0.1:70000' is not/],
    ['tcp 2001:db8::1:80 10.0.0.2:80', {}, /is not ADDRESS:PORT or \[ADDRESS\]:PORT/],
    ['tcp [10.0.0.1]:80 10.0.0.2:80', {}, /is not ADDRESS:PORT/],
    ['tcp 10.0.0.300:80 10.0.0.2:80', {}, /no IPv4 or IPv6 address in '10.0.0.300:80'/],
    ['tcp 10.0.0.1:80 [2001:db8::1]:80', {}, /differ in family/],
    ['icmp www 10.0.0.1', {}, /no IPv4 or IPv6 address in 'www'/],
    ['udp 10.0.0.1:1 10.0.0.2:2', { flags: 'S' }, /udp has no flags/],
    ['tcp 10.0.0.1:1 10.0.0.2:2', { flags: 'SX' }, /'SX' are no TCP flags/],
    ['tcp [::1]:1 [::2]:2', { df: true }, /IPv6 knows no DF/],
    ['tcp 10.0.0.1:1 10.0.0.2:2', { length: 39 }, /40 to 65535 bytes, not 39/],
    ['tcp 10.0.0.1:1 10.0.0.2:2', { length: 65536 }, /not 65536/],
    ['sctp 10.0.0.1:1 10.0.0.2:2', { length: 100 }, /one length only/],
  ]
  for (const [text, settings, sentence] of mistakes) {
    t.throws(() => frame(text, settings), sentence, text)
    t.throws(() => frame(text, settings), { name: BadPacket.name })
  }
})

t.test('hex as people have it', async (t) => {
  const bytes = Uint8Array.from([0x02, 0x00, 0xff, 0x01])
  for (const text of [
    '0200ff01',
    '0x0200FF01',
    '02 00 ff 01',
    '02:00:ff:01\n',
    '\t0x0000:  0200 ff01',
    '\t0x0000:  0200 ff01                 ....',
    '\t0x0000:  0200\n\t0x0002:  ff01\n',
  ]) {
    t.same(parseHex(text), bytes, JSON.stringify(text))
  }
  t.throws(() => parseHex('020'), /3 hex digits are half a byte off/)
  t.throws(() => parseHex('02zz'), /'z' is no hex digit/)
  t.throws(() => parseHex(' \n'), /no hex digits/)
})
