import fc from 'fast-check'
import t from 'tap'
import { formatIpv4 } from '../../src/wire/address.js'
import * as ipv4 from '../../src/wire/ipv4.js'
import { agree, fromHex, SEED, staysInside, tile, toHex, viewOf, written } from './harness.js'

// The header that Wikipedia and many courses compute by hand: its checksum is 0xb861.
const UDP = fromHex('4500 0073 0000 4000 4011 b861 c0a80001 c0a800c7' + '00'.repeat(95))
// A first fragment with a router alert: 24 bytes of header, 16 of payload, offset 0, MF.
const OPTIONS = fromHex(
  '4600 0028 1234 2000 ff01 0000 0a000001 0a000002 94040000' + '11'.repeat(16),
)
// The last fragment of a datagram: 8 bytes at offset 65520, no flags.
const LAST = fromHex('4500 001c ffff 1ffe 0106 0000 7f000001 ffffffff' + '22'.repeat(8))
for (const packet of [OPTIONS, LAST]) ipv4.updateChecksum(viewOf(packet), 0)

t.test('the table has a row for every bit, and says what the accessors say', async (t) => {
  tile(t, ipv4.fields, 0, ipv4.HEADER_BYTES_MIN)
  agree(t, ipv4.fields, {
    version: null,
    'header length': (view, at) => ipv4.headerBytes(view, at) / 4,
    tos: ipv4.tos,
    'total length': ipv4.totalLength,
    identification: ipv4.identification,
    flags: (view, at) =>
      (ipv4.dontFragment(view, at) ? 2 : 0) +
      (ipv4.moreFragments(view, at) ? 1 : 0) +
      // The reserved bit, which no accessor reads.
      (view.getUint8(at + 6) >>> 7) * 4,
    'fragment offset': (view, at) => ipv4.fragmentOffset(view, at) / 8,
    ttl: ipv4.ttl,
    protocol: ipv4.protocol,
    checksum: ipv4.checksum,
    source: (view, at) => formatIpv4(ipv4.source(view, at)),
    destination: (view, at) => formatIpv4(ipv4.destination(view, at)),
  })
})

t.test('a packet is read', async (t) => {
  const view = viewOf(UDP)
  t.ok(ipv4.isWellFormed(view, 0, UDP.length))
  t.ok(ipv4.isChecksumGood(view, 0))
  t.equal(ipv4.headerBytes(view, 0), 20)
  t.equal(ipv4.totalLength(view, 0), 115)
  t.equal(ipv4.protocol(view, 0), ipv4.PROTO_UDP)
  t.equal(ipv4.ttl(view, 0), 64)
  t.equal(ipv4.source(view, 0), 0xc0a80001 | 0)
  t.equal(ipv4.destination(view, 0), 0xc0a800c7 | 0)
  t.ok(ipv4.dontFragment(view, 0))
  t.notOk(ipv4.isFragment(view, 0))
})

t.test('fragments and options are read', async (t) => {
  const first = viewOf(OPTIONS)
  t.ok(ipv4.isWellFormed(first, 0, OPTIONS.length))
  t.ok(ipv4.isChecksumGood(first, 0))
  t.equal(ipv4.headerBytes(first, 0), 24)
  t.ok(ipv4.isFragment(first, 0))
  t.ok(ipv4.moreFragments(first, 0))
  t.equal(ipv4.fragmentOffset(first, 0), 0)
  const last = viewOf(LAST)
  t.ok(ipv4.isFragment(last, 0))
  t.notOk(ipv4.moreFragments(last, 0))
  t.notOk(ipv4.dontFragment(last, 0))
  t.equal(ipv4.fragmentOffset(last, 0), 65520)
})

t.test('lengths that do not agree are malformed', async (t) => {
  function changed(index: number, value: number): DataView {
    const bytes = OPTIONS.slice()
    bytes[index] = value
    return viewOf(bytes)
  }
  const whole = OPTIONS.length
  for (let first = 0; first < 256; first++) {
    // 40 bytes in all, so a header of up to 40 bytes fits: 0x45 to 0x4a.
    const said = ipv4.isWellFormed(changed(0, first), 0, whole)
    if (said !== (first >= 0x45 && first <= 0x4a)) t.fail(`first byte ${first}`)
  }
  for (let total = 0; total < 256; total++) {
    const said = ipv4.isWellFormed(changed(3, total), 0, whole)
    if (said !== (total >= 24 && total <= 40)) t.fail(`total length ${total}`)
  }
  const long = new Uint8Array(60).fill(1)
  long.set([0x4f, 0, 0, 60])
  t.ok(ipv4.isWellFormed(viewOf(long), 0, 60), 'the longest header')
  t.ok(ipv4.isQuoteWellFormed(viewOf(long), 0, 60))
  t.notOk(ipv4.isWellFormed(changed(2, 1), 0, whole), 'total length 296')
  t.notOk(ipv4.isWellFormed(viewOf(OPTIONS), 0, whole - 1), 'a byte is missing')
  t.notOk(ipv4.isWellFormed(viewOf(OPTIONS), 0, 19), 'half a header')
  t.notOk(ipv4.isWellFormed(viewOf(OPTIONS), 30, 10), 'the end before the beginning')
  t.ok(ipv4.isWellFormed(viewOf(new Uint8Array([...OPTIONS, 0, 0])), 0, whole + 2), 'padding')
})

t.test('a quoted header may belong to a packet that is cut', async (t) => {
  const view = viewOf(OPTIONS)
  t.ok(ipv4.isQuoteWellFormed(view, 0, 24))
  const sixty = new Uint8Array(60)
  for (let first = 0; first < 256; first++) {
    const said = ipv4.isQuoteWellFormed(viewOf(sixty.with(0, first)), 0, 60)
    if (said !== (first >= 0x45 && first <= 0x4f)) t.fail(`first byte ${first}`)
  }
  t.notOk(ipv4.isQuoteWellFormed(view, 0, 23), 'half an option')
  t.notOk(ipv4.isQuoteWellFormed(view, 0, 19), 'half a header')
  t.notOk(ipv4.isQuoteWellFormed(viewOf(OPTIONS.with(0, 0x44)), 0, 40), 'too short a header')
  t.notOk(ipv4.isQuoteWellFormed(viewOf(OPTIONS.with(0, 0x56)), 0, 40), 'version 5')
})

t.test('nothing outside is read', async (t) => {
  staysInside(t, [UDP, OPTIONS, LAST], ipv4.isWellFormed)
  staysInside(t, [UDP, OPTIONS, LAST], ipv4.isQuoteWellFormed)
})

t.test('every flipped bit of a header is found by the checksum', async (t) => {
  for (const packet of [UDP, OPTIONS]) {
    for (let bit = 8; bit < 8 * ipv4.headerBytes(viewOf(packet), 0); bit++) {
      const bytes = packet.with(bit >>> 3, packet[bit >>> 3] ^ (1 << (bit & 7)))
      if (ipv4.isChecksumGood(viewOf(bytes), 0)) t.fail(`bit ${bit}`)
    }
  }
})

t.test('the checksum is right where the words add up to 0xffff, and nowhere else', async () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 60, maxLength: 60 }),
      fc.integer({ min: 5, max: 15 }),
      fc.integer({ min: -1, max: 1 }),
      (bytes, words, change) => {
        const view = viewOf(bytes)
        ipv4.setHeaderBytes(view, 0, 4 * words)
        ipv4.updateChecksum(view, 0)
        const right = ipv4.checksum(view, 0)
        view.setUint16(10, right + change)
        // 0x0000 less 1 is stored as 0xffff, which is the same number.
        const isRight = change === 0 || (right === 0 && change === -1)
        let total = 0
        for (let i = 0; i < 4 * words; i += 2) total += view.getUint16(i)
        return ipv4.isChecksumGood(view, 0) === isRight && (total % 0xffff === 0) === isRight
      },
    ),
    { seed: SEED, numRuns: 2000 },
  )
})

t.test('a header is written', async (t) => {
  const bytes = written(t, 20, (view, at) =>
    ipv4.writeHeader(view, at, 0, 115, 0, 0x4000, 64, 17, 0xc0a80001 | 0, 0xc0a800c7 | 0),
  )
  t.equal(bytes, toHex(UDP.subarray(0, 20)))
})

t.test('setters write their bytes and no others', async (t) => {
  const set = (write: (view: DataView, at: number) => void) => written(t, 20, write)
  const around = (offset: number, hex: string) =>
    'a5'.repeat(offset) + hex + 'a5'.repeat(20 - offset - hex.length / 2)
  t.equal(
    set((v, at) => ipv4.setHeaderBytes(v, at, 24)),
    around(0, '46'),
  )
  t.equal(
    set((v, at) => ipv4.setHeaderBytes(v, at, 60)),
    around(0, '4f'),
  )
  t.equal(
    set((v, at) => ipv4.setTos(v, at, 0xb8)),
    around(1, 'b8'),
  )
  t.equal(
    set((v, at) => ipv4.setTotalLength(v, at, 1500)),
    around(2, '05dc'),
  )
  t.equal(
    set((v, at) => ipv4.setIdentification(v, at, 0xbeef)),
    around(4, 'beef'),
  )
  const flags = ipv4.FLAG_DONT_FRAGMENT | ipv4.FLAG_MORE_FRAGMENTS
  t.equal(
    set((v, at) => ipv4.setFragment(v, at, flags, 65528)),
    around(6, '7fff'),
  )
  t.equal(
    set((v, at) => ipv4.setFragment(v, at, 0, 8)),
    around(6, '0001'),
  )
  t.equal(
    set((v, at) => ipv4.setTtl(v, at, 255)),
    around(8, 'ff'),
  )
  t.equal(
    set((v, at) => ipv4.setProtocol(v, at, 132)),
    around(9, '84'),
  )
  t.equal(
    set((v, at) => ipv4.setSource(v, at, -2)),
    around(12, 'fffffffe'),
  )
  t.equal(
    set((v, at) => ipv4.setDestination(v, at, 0x01020304)),
    around(16, '01020304'),
  )
})

t.test('decrementTtl gives exactly what a computation from scratch gives', async (t) => {
  const bytes = UDP.slice(0, 20)
  const view = viewOf(bytes)
  let wrong = 0
  let cases = 0
  const checksums = new Set<number>()
  // The identification takes the checksum through all 65535 values that it can have.
  for (const ttl of [1, 2, 64, 128, 254, 255]) {
    for (let identification = 0; identification <= 0xffff; identification++) {
      ipv4.setTtl(view, 0, ttl)
      ipv4.setIdentification(view, 0, identification)
      ipv4.updateChecksum(view, 0)
      checksums.add(ipv4.checksum(view, 0))
      ipv4.decrementTtl(view, 0)
      const incremental = ipv4.checksum(view, 0)
      ipv4.updateChecksum(view, 0)
      cases++
      if (incremental !== ipv4.checksum(view, 0) || ipv4.ttl(view, 0) !== ttl - 1) wrong++
    }
  }
  t.equal(wrong, 0, `of ${cases} headers`)
  t.equal(checksums.size, 0xffff)
  t.notOk(checksums.has(0xffff), 'no header has the checksum 0xffff')
})

t.test('decrementTtl for every TTL, any header, options too', async () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 60, maxLength: 60 }),
      fc.integer({ min: 1, max: 255 }),
      (bytes, ttl) => {
        const view = viewOf(bytes)
        ipv4.setHeaderBytes(view, 0, 20 + 4 * (bytes[0] % 11))
        ipv4.setTtl(view, 0, ttl)
        ipv4.updateChecksum(view, 0)
        ipv4.decrementTtl(view, 0)
        const incremental = toHex(bytes)
        ipv4.updateChecksum(view, 0)
        return incremental === toHex(bytes) && ipv4.isChecksumGood(view, 0)
      },
    ),
    { seed: SEED, numRuns: 2000 },
  )
})

t.test(
  'decrementTtl does not hide damage, and takes 0xffff for the 0 that it stands for',
  async (t) => {
    const view = viewOf(UDP.slice(0, 20))
    view.setUint16(10, 0x1111)
    ipv4.decrementTtl(view, 0)
    t.notOk(ipv4.isChecksumGood(view, 0))
    // The identification that makes the checksum 0, which a sender may write as 0xffff.
    ipv4.setTtl(view, 0, 64)
    ipv4.setIdentification(view, 0, 0xb861)
    ipv4.updateChecksum(view, 0)
    t.equal(ipv4.checksum(view, 0), 0)
    view.setUint16(10, 0xffff)
    t.ok(ipv4.isChecksumGood(view, 0))
    ipv4.decrementTtl(view, 0)
    t.equal(ipv4.checksum(view, 0), 0x0100)
    t.ok(ipv4.isChecksumGood(view, 0))
  },
)
