import t from 'tap'
import { frameBytes } from '../../src/conform/packet-bytes.js'
import type { Send } from '../../src/conform/recording.js'

const VIP = '192.168.1.110'
const VIP6 = '2001:db8:1::110'

const hex = (send: Send, step = 7) =>
  Buffer.from(frameBytes(send, send.src.includes(':') ? VIP6 : VIP, step)).toString('hex')

t.test('TCP over IPv4, byte for byte', async (t) => {
  const send: Send = { proto: 'tcp', src: '10.0.0.1', sport: 1000, dport: 80, flags: 'PA', len: 3 }
  t.equal(
    hex(send),
    '02000000ff010200000000fe0800' + // to the director, from the gateway
      '4500002b000740004006' +
      '6eaf' +
      '0a000001c0a8016e' + // id 7, DF, TTL 64
      '03e8005000000007000000015018' +
      '2000' +
      'bd71' +
      '0000' + // seq 7, ack 1, window 8192
      '000102',
  )
})

t.test('a fragment is a part of the whole message', async (t) => {
  const send: Send = { proto: 'udp', src: '10.0.0.1', sport: 1, dport: 2, len: 20, id: 9 }
  const whole = hex(send).slice(2 * 34)
  const part = hex({ ...send, frag: { off: 8, size: 16, more: true } })
  t.equal(part.slice(2 * 34), whole.slice(16, 48))
  t.equal(part.slice(28 + 12, 28 + 16), '2001', 'more fragments, offset 8, no DF')
  t.equal(hex({ ...send, truncate: 5 }).length, 2 * (14 + 20 + 5))
})

t.test('IPv6 with extension headers, and cut behind the first of them', async (t) => {
  const send: Send = {
    proto: 'udp',
    src: '2a00:1::1',
    sport: 1,
    dport: 2,
    len: 8,
    flow: 5,
    tos: 0xb8,
    ext: [{ kind: 'hop' }, { kind: 'dest', length: 3 }],
  }
  const headers = hex(send).slice(28, 28 + 2 * 56)
  t.equal(headers.slice(0, 16), '6b80000500200040')
  t.equal(headers.slice(80), '3c00010400000000' + '1103010400000000')
  const cut = hex({ ...send, frag: { off: 0, size: 16, more: true, after: 1 } }).slice(28)
  t.equal(
    cut.slice(80, 80 + 64),
    '2c00010400000000' + '3c00000100000007' + '1103010400000000' + '0001000200109aef',
  )
})

t.test('an ICMP error quotes 8 bytes of what the VIP is said to have sent', async (t) => {
  const inner: Send = { proto: 'tcp', src: VIP, sport: 80, dst: '10.0.0.1', dport: 1000, len: 100 }
  const message = hex({ proto: 'icmp', src: '172.16.0.1', type: 3, code: 4, mtu: 1400, inner })
  t.equal(message.slice(2 * 34, 2 * 36), '0304')
  t.equal(message.slice(2 * 38, 2 * 42), '00000578')
  const quote = message.slice(2 * 42)
  t.equal(quote.length, 2 * 28)
  t.equal(quote.slice(0, 16), '4500008c00070000', 'the length of the whole, no DF, id 7')
  t.equal(quote.slice(40), '005003e800000000', 'ports, sequence 0')
})
