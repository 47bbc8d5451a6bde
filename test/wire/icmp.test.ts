import t from 'tap'
import * as icmp from '../../src/wire/icmp.js'
import { agree, fromHex, staysInside, tile, viewOf, written } from './harness.js'

// Echo request 7 of ping 0x1234, with 4 bytes of data.
const ECHO = fromHex('08 00 0000 1234 0007 61626364')
icmp.updateChecksum(viewOf(ECHO), 0, ECHO.length)
// Fragmentation needed, MTU 1400.
const TOO_BIG = fromHex('03 04 0000 0000 0578 45000054')

t.test('the tables have a row for every bit, and say what the accessors say', async (t) => {
  tile(t, [...icmp.fields, ...icmp.echoFields], 0, icmp.HEADER_BYTES)
  tile(t, [...icmp.fields, ...icmp.errorFields], 0, icmp.HEADER_BYTES)
  agree(t, icmp.fields, { type: icmp.type, code: icmp.code, checksum: icmp.checksum })
  agree(t, icmp.echoFields, { identifier: icmp.identifier, sequence: icmp.sequence })
  agree(t, icmp.errorFields, { unused: null, 'next-hop mtu': icmp.nextHopMtu })
})

t.test('messages are read', async (t) => {
  const echo = viewOf(ECHO)
  t.equal(icmp.type(echo, 0), icmp.TYPE_ECHO_REQUEST)
  t.equal(icmp.code(echo, 0), 0)
  t.equal(icmp.identifier(echo, 0), 0x1234)
  t.equal(icmp.sequence(echo, 0), 7)
  const tooBig = viewOf(TOO_BIG)
  t.equal(icmp.type(tooBig, 0), icmp.TYPE_DESTINATION_UNREACHABLE)
  t.equal(icmp.code(tooBig, 0), icmp.CODE_FRAGMENTATION_NEEDED)
  t.equal(icmp.nextHopMtu(tooBig, 0), 1400)
  t.equal(icmp.embedded(34), 42)
})

t.test('three types quote what IPVS looks into', async (t) => {
  t.same(Array.from({ length: 256 }, (_, type) => type).filter(icmp.isError), [3, 4, 11])
})

t.test('the checksum covers the whole message', async (t) => {
  // 0800 + 1234 + 0007 + 6162 + 6364 = df01, whose complement is 20fe.
  t.equal(icmp.checksum(viewOf(ECHO), 0), 0x20fe)
  t.ok(icmp.isChecksumGood(viewOf(ECHO), 0, ECHO.length))
  for (let bit = 0; bit < 8 * ECHO.length; bit++) {
    const bytes = ECHO.with(bit >>> 3, ECHO[bit >>> 3] ^ (1 << (bit & 7)))
    if (icmp.isChecksumGood(viewOf(bytes), 0, bytes.length)) t.fail(`bit ${bit}`)
  }
})

t.test('eight bytes are a message', async (t) => {
  t.ok(icmp.isWellFormed(viewOf(ECHO), 0, 8))
  t.notOk(icmp.isWellFormed(viewOf(ECHO), 0, 7))
  t.notOk(icmp.isWellFormed(viewOf(ECHO), 8, 0))
  staysInside(t, [ECHO, TOO_BIG], icmp.isWellFormed)
})

t.test('writers write their bytes and no others', async (t) => {
  t.equal(
    written(t, 8, (view, at) => icmp.writeHeader(view, at, 3, 4, 1400)),
    '0304000000000578',
  )
  t.equal(
    written(t, 8, (view, at) => icmp.setType(view, at, icmp.TYPE_ECHO_REPLY)),
    '00a5a5a5a5a5a5a5',
  )
})
