import { isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import * as address from '../../src/wire/address.js'
import { SEED } from './harness.js'

const word = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.constantFrom(0, 0, 1, 0xffff),
)

/** Parses and formats again; null if `text` is no address. */
function canonical(text: string): string | null {
  const out = new Int32Array(4).fill(7)
  if (address.parseIpv6(text, out)) return address.formatIpv6(out[0], out[1], out[2], out[3])
  if (out.some((word) => word !== 7)) throw new Error('a refused text changed the result')
  return null
}

t.test('dotted quads', async (t) => {
  t.equal(address.parseIpv4('192.168.1.110'), 0xc0a8016e | 0)
  t.equal(address.parseIpv4('0.0.0.0'), 0)
  t.equal(address.parseIpv4('255.255.255.255'), -1)
  t.equal(address.parseIpv4('127.0.0.1'), 0x7f000001)
  for (const text of [
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.',
    '.1.2.3',
    '1..2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.00',
    ' 1.2.3.4',
    '1.2.3.4 ',
    '1.2.3.4\n',
    '+1.2.3.4',
    '-1.2.3.4',
    '0x1.2.3.4',
    '1.2.3.1000',
    '1.2.3.4/32',
    '１.2.3.4',
  ]) {
    t.equal(address.parseIpv4(text), null, JSON.stringify(text))
  }
  fc.assert(
    fc.property(word, (value) => address.parseIpv4(address.formatIpv4(value)) === (value | 0)),
    { seed: SEED },
  )
})

t.test('IPv6 is written as RFC 5952 and inet_ntop write it', async (t) => {
  // Left as read, right as glibc 2.36 inet_ntop(inet_pton(…)) prints it.
  const pairs: [string, string][] = [
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8::110', '2001:db8::110'],
    ['2001:0db8:0000:0000:0000:0000:0000:0110', '2001:db8::110'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['0:0:1:0:0:0:0:0', '0:0:1::'],
    ['::ffff:192.168.1.110', '::ffff:192.168.1.110'],
    ['::ffff:c0a8:16e', '::ffff:192.168.1.110'],
    ['::ffff:0:0', '::ffff:0.0.0.0'],
    ['::1.2.3.4', '::1.2.3.4'],
    ['::1:0', '::0.1.0.0'],
    ['::ffff', '::ffff'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
    ['::fffe:1.2.3.4', '::fffe:102:304'],
    ['0:0:0:0:1:ffff:1:2', '::1:ffff:1:2'],
    ['fe80::242:c0ff:fea8:101', 'fe80::242:c0ff:fea8:101'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
  ]
  for (const [read, written] of pairs) t.equal(canonical(read), written, read)
})

t.test('what is no IPv6 address', async (t) => {
  for (const text of [
    '',
    ':',
    ':::',
    '1',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '::1:2:3:4:5:6:7:8',
    '1::2::3',
    ':1::2',
    '1::2:',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:',
    '12345::',
    'g::',
    '::1.2.3',
    '::1.2.3.4.5',
    '::01.2.3.4',
    '1.2.3.4',
    '1.2.3.4::',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1.2.3.4:5',
    'fe80::1%eth0',
    '::1/128',
    ' ::1',
    '::1 ',
    '::1\n',
    '[::1]',
    '1:2:3:4::5:6:7:8',
  ]) {
    t.equal(canonical(text), null, JSON.stringify(text))
  }
})

t.test('what Node takes for an address, we take for one', async () => {
  const bit = fc.constantFrom('0', '1', 'f', 'ffff', '12345', ':', ':', '::', '.', '1.2.3.4', '255')
  fc.assert(
    fc.property(fc.array(bit, { maxLength: 17 }), (bits) => {
      const text = bits.join('')
      return (
        (canonical(text) !== null) === isIPv6(text) &&
        (address.parseIpv4(text) !== null) === isIPv4(text)
      )
    }),
    { seed: SEED, numRuns: 20000 },
  )
})

t.test('IPv6 addresses survive being written, the way the platform writes them', async () => {
  fc.assert(
    fc.property(word, word, word, word, (a, b, c, d) => {
      const text = address.formatIpv6(a, b, c, d)
      const out = new Int32Array(4)
      const isSame = address.parseIpv6(text, out) && `${out}` === `${Int32Array.of(a, b, c, d)}`
      // The URL standard writes RFC 5952 without dotted tails.
      const isPlatforms = text.includes('.') || new URL(`http://[${text}]`).hostname === `[${text}]`
      return isSame && isPlatforms && isIPv6(text)
    }),
    { seed: SEED, numRuns: 5000 },
  )
})

t.test('MAC addresses', async (t) => {
  t.same(address.parseMac('02:42:c0:A8:01:fe'), { high: 0x0242, low: 0xc0a801fe | 0 })
  t.same(address.parseMac('ff-ff-ff-ff-ff-ff'), { high: 0xffff, low: -1 })
  t.equal(address.formatMac(0x0242, 0xc0a801fe | 0), '02:42:c0:a8:01:fe')
  t.equal(address.formatMac(0, 1), '00:00:00:00:00:01')
  for (const text of [
    '',
    '02:42:c0:a8:01',
    '02:42:c0:a8:01:fe:00',
    '2:42:c0:a8:1:fe',
    '02:42-c0:a8:01:fe',
    '0242c0a801fe',
    '0g:42:c0:a8:01:fe',
    '02:42:c0:a8:01:fe\n',
    ' 02:42:c0:a8:01:fe',
  ]) {
    t.equal(address.parseMac(text), null, JSON.stringify(text))
  }
  fc.assert(
    fc.property(fc.nat(0xffff), word, (high, low) => {
      const mac = address.parseMac(address.formatMac(high, low))
      return mac !== null && mac.high === high && mac.low === (low | 0)
    }),
    { seed: SEED },
  )
})

t.test('the group that a solicitation goes to', async (t) => {
  const out = new Int32Array(4)
  // The example of RFC 4291 section 2.7.1.
  address.parseIpv6('4037::01:800:200e:8c6c', out)
  const { SOLICITED_NODE_WORD0, SOLICITED_NODE_WORD1, SOLICITED_NODE_WORD2 } = address
  const last = address.solicitedNodeWord3(out[3])
  const group = address.formatIpv6(
    SOLICITED_NODE_WORD0,
    SOLICITED_NODE_WORD1,
    SOLICITED_NODE_WORD2,
    last,
  )
  t.equal(group, 'ff02::1:ff0e:8c6c')
  t.equal(address.formatMac(address.MULTICAST6_MAC_HIGH, last), '33:33:ff:0e:8c:6c')
})
