import t from 'tap'
import * as transport from '../../src/wire/transport.js'
import * as udp from '../../src/wire/udp.js'
import { agree, fromHex, staysInside, tile, viewOf, written } from './harness.js'

const DATAGRAM = fromHex('9c40 0035 000c beef 61626364')

t.test('the table has a row for every bit, and says what the accessors say', async (t) => {
  tile(t, udp.fields, 0, udp.HEADER_BYTES)
  agree(t, udp.fields, {
    'source port': transport.sourcePort,
    'destination port': transport.destinationPort,
    length: udp.length,
    checksum: udp.checksum,
  })
})

t.test('a datagram is read', async (t) => {
  const view = viewOf(DATAGRAM)
  t.equal(udp.length(view, 0), 12)
  t.equal(udp.checksum(view, 0), 0xbeef)
})

t.test('eight bytes are enough, whatever the length says', async (t) => {
  t.ok(udp.isWellFormed(viewOf(DATAGRAM), 0, 8), 'a first fragment')
  t.ok(udp.isWellFormed(viewOf(DATAGRAM.with(5, 0)), 0, 12), 'length 0')
  t.notOk(udp.isWellFormed(viewOf(DATAGRAM), 0, 7))
  t.notOk(udp.isWellFormed(viewOf(DATAGRAM), 8, 0))
  staysInside(t, [DATAGRAM], udp.isWellFormed)
})

t.test('a header is written', async (t) => {
  t.equal(
    written(t, 8, (view, at) => udp.writeHeader(view, at, 40000, 53, 12)),
    '9c400035000c0000',
  )
})
