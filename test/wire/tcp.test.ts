import t from 'tap'
import * as tcp from '../../src/wire/tcp.js'
import * as transport from '../../src/wire/transport.js'
import { agree, fromHex, staysInside, tile, viewOf, written } from './harness.js'

// A SYN with 20 bytes of options: MSS, SACK permitted, timestamps, no operation, window scale.
const SYN = fromHex(`
  9c40 0050 89abcdef 00000000 a0 02 faf0 1234 0000
  020405b4 0402 080a 0102030400000000 01 030307`)

t.test('the table has a row for every bit, and says what the accessors say', async (t) => {
  // The four reserved bits behind the data offset are the only ones without a row.
  const reserved = { ...tcp.fields[4], name: 'reserved', shift: 0 }
  tile(t, [...tcp.fields, reserved], 0, tcp.HEADER_BYTES_MIN)
  agree(t, tcp.fields, {
    'source port': transport.sourcePort,
    'destination port': transport.destinationPort,
    sequence: tcp.sequence,
    acknowledgement: tcp.acknowledgement,
    'data offset': (view, at) => tcp.dataOffsetBytes(view, at) / 4,
    flags: tcp.flags,
    window: tcp.window,
    checksum: tcp.checksum,
    'urgent pointer': tcp.urgentPointer,
  })
})

t.test('a segment is read', async (t) => {
  const view = viewOf(SYN)
  t.ok(tcp.isWellFormed(view, 0, SYN.length))
  t.equal(tcp.sequence(view, 0), 0x89abcdef | 0)
  t.equal(tcp.acknowledgement(view, 0), 0)
  t.equal(tcp.dataOffsetBytes(view, 0), 40)
  t.equal(tcp.flags(view, 0), tcp.FLAG_SYN)
  t.equal(tcp.window(view, 0), 64240)
  t.equal(tcp.checksum(view, 0), 0x1234)
})

t.test('flags are the bits of RFC 9293 section 3.1', async (t) => {
  const { FLAG_CWR, FLAG_ECE, FLAG_URG, FLAG_ACK, FLAG_PSH, FLAG_RST, FLAG_SYN, FLAG_FIN } = tcp
  t.same(
    [FLAG_CWR, FLAG_ECE, FLAG_URG, FLAG_ACK, FLAG_PSH, FLAG_RST, FLAG_SYN, FLAG_FIN],
    [128, 64, 32, 16, 8, 4, 2, 1],
  )
})

t.test('a data offset that is too small or leaves the packet is malformed', async (t) => {
  for (let offset = 0; offset < 16; offset++) {
    const said = tcp.isWellFormed(viewOf(SYN.with(12, offset << 4)), 0, SYN.length)
    t.equal(said, offset >= 5 && offset <= 10, `data offset ${offset}`)
  }
  t.notOk(tcp.isWellFormed(viewOf(SYN), 0, SYN.length - 1), 'half an option')
  t.notOk(tcp.isWellFormed(viewOf(SYN), 0, 19), 'half a header')
  t.notOk(tcp.isWellFormed(viewOf(SYN), 20, 0), 'the end before the beginning')
})

t.test('nothing outside is read', async (t) => staysInside(t, [SYN], tcp.isWellFormed))

t.test('a header is written', async (t) => {
  const flags = tcp.FLAG_RST | tcp.FLAG_ACK
  t.equal(
    written(t, 20, (view, at) =>
      tcp.writeHeader(view, at, 80, 40000, -2, 0x89abcdf0 | 0, flags, 512),
    ),
    '00509c40fffffffe89abcdf05014020000000000',
  )
  const options = written(t, 20, (view, at) => tcp.setDataOffsetBytes(view, at, 60))
  t.equal(options, `${'a5'.repeat(12)}f0${'a5'.repeat(7)}`)
})
