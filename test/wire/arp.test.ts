import t from 'tap'
import { formatIpv4, formatMac } from '../../src/wire/address.js'
import * as arp from '../../src/wire/arp.js'
import { agree, fromHex, staysInside, tile, viewOf, written } from './harness.js'

// Who has 192.168.1.110? Tell 192.168.1.254, which is at 02:42:c0:a8:01:fe.
const REQUEST = fromHex('0001 0800 06 04 0001 0242c0a801fe c0a801fe 000000000000 c0a8016e')
// 192.168.1.110 is at 02:42:c0:a8:01:01.
const REPLY = '0001080006040002 0242c0a80101 c0a8016e 0242c0a801fe c0a801fe'

t.test('the table has a row for every bit, and says what the accessors say', async (t) => {
  tile(t, arp.fields, 0, arp.BYTES)
  agree(t, arp.fields, {
    'hardware type': null,
    'protocol type': null,
    'hardware length': null,
    'protocol length': null,
    operation: arp.operation,
    'sender mac': (view, at) => formatMac(arp.senderMacHigh(view, at), arp.senderMacLow(view, at)),
    'sender address': (view, at) => formatIpv4(arp.senderAddress(view, at)),
    'target mac': (view, at) => formatMac(arp.targetMacHigh(view, at), arp.targetMacLow(view, at)),
    'target address': (view, at) => formatIpv4(arp.targetAddress(view, at)),
  })
})

t.test('a request is read', async (t) => {
  const view = viewOf(REQUEST)
  t.ok(arp.isWellFormed(view, 0, 28))
  t.equal(arp.operation(view, 0), arp.OP_REQUEST)
  t.equal(arp.senderMacHigh(view, 0), 0x0242)
  t.equal(arp.senderMacLow(view, 0), 0xc0a801fe | 0)
  t.equal(arp.senderAddress(view, 0), 0xc0a801fe | 0)
  t.equal(arp.targetMacHigh(view, 0), 0)
  t.equal(arp.targetMacLow(view, 0), 0)
  t.equal(arp.targetAddress(view, 0), 0xc0a8016e | 0)
})

t.test('a reply is written', async (t) => {
  const bytes = written(t, arp.BYTES, (view, at) =>
    arp.write(
      view,
      at,
      arp.OP_REPLY,
      0x0242,
      0xc0a80101 | 0,
      0xc0a8016e | 0,
      0x0242,
      0xc0a801fe | 0,
      0xc0a801fe | 0,
    ),
  )
  t.equal(bytes, REPLY.replaceAll(' ', ''))
})

t.test('what is not ARP for IPv4 over Ethernet is malformed', async (t) => {
  const wrong: [string, number, number][] = [
    ['another link layer', 1, 6],
    ['another network layer', 2, 0x86],
    ['longer link-layer addresses', 4, 8],
    ['longer network addresses', 5, 16],
  ]
  for (const [name, index, value] of wrong) {
    const bytes = REQUEST.slice()
    bytes[index] = value
    t.notOk(arp.isWellFormed(viewOf(bytes), 0, 28), name)
  }
  t.notOk(arp.isWellFormed(viewOf(REQUEST), 0, 27), 'a byte is missing')
  t.notOk(arp.isWellFormed(viewOf(REQUEST), 28, 0), 'the end before the beginning')
  const odd = REQUEST.slice()
  odd[7] = 9
  t.ok(arp.isWellFormed(viewOf(odd), 0, 28), 'an operation that nobody knows is well-formed')
})

t.test('nothing outside is read', async (t) => {
  staysInside(t, [REQUEST, new Uint8Array([...REQUEST, ...new Uint8Array(18)])], arp.isWellFormed)
})
