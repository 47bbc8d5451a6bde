import t from 'tap'
import {
  destinationText,
  isWhole,
  netmask,
  parseServiceKey,
  serviceText,
  UNKNOWN_SURROUNDINGS,
} from '../../src/balance/judge.js'

t.test('the text of keys', async (t) => {
  t.equal(serviceText({ protocol: 'tcp', address: '10.0.0.1', port: 22 }), 'tcp 10.0.0.1:22')
  t.equal(serviceText({ protocol: 'udp', address: '2001:db8::1', port: 0 }), 'udp [2001:db8::1]:0')
  t.equal(serviceText({ fwmark: 6, family: 'inet6' }), 'fwm 6 inet6')
  t.equal(destinationText({ address: '10.0.0.1', port: 80 }), '10.0.0.1:80')
  t.equal(destinationText({ address: '::1', port: 80 }), '[::1]:80')
})

t.test('keys as words', async (t) => {
  const { words: four, ...rest } = parseServiceKey({
    protocol: 'sctp',
    address: '1.2.3.4',
    port: 9,
  })
  t.same([...four], [0x01020304, 0, 0, 0])
  t.same(rest, { family: 4, protocol: 132, port: 9, fwmark: 0 })
  const mark = parseServiceKey({ fwmark: 0xffffffff, family: 'inet6' })
  t.same([mark.family, mark.protocol, mark.fwmark, mark.port], [6, 0, -1, 0])
  for (const fwmark of [0, -1, 0x1_0000_0000, 1.5]) {
    t.throws(() => parseServiceKey({ fwmark, family: 'inet' }), { code: 'EINVAL' }, `${fwmark}`)
  }
})

t.test('netmasks', async (t) => {
  t.equal(netmask('255.255.255.0', 4), -256)
  t.equal(netmask('0.0.0.0', 4), 0)
  t.equal(netmask('64', 6), 64)
  for (const [text, family] of [
    ['64', 4],
    ['255.255.255.0', 6],
    ['0', 6],
    ['129', 6],
    ['::', 4],
    ['', 4],
    ['', 6],
  ] as const) {
    t.throws(() => netmask(text, family), { code: 'EINVAL' }, `${JSON.stringify(text)} ${family}`)
  }
})

t.test('whole numbers in a range', async (t) => {
  t.same(
    [-1, 0, 5, 6, 1.5, Number.NaN, Infinity].map((value) => isWhole(value, 0, 5)),
    [false, true, true, false, false, false, false],
  )
})

t.test('without surroundings everything unicast is allowed', async (t) => {
  t.ok(UNKNOWN_SURROUNDINGS.isBroadcast('255.255.255.255'))
  t.notOk(UNKNOWN_SURROUNDINGS.isBroadcast('10.0.0.255'))
  t.notOk(UNKNOWN_SURROUNDINGS.isLocal('127.0.0.1'))
  t.ok(UNKNOWN_SURROUNDINGS.hasInterface('eth0'))
})
