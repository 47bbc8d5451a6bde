import fc from 'fast-check'
import t from 'tap'
import { formatIpv6 } from '../../src/wire/address.js'
import * as ipv6 from '../../src/wire/ipv6.js'
import { agree, fromHex, SEED, staysInside, tile, toHex, viewOf, written } from './harness.js'

const SOURCE = '20010db8000000000000000000000254'
const DESTINATION = '20010db8000000000000000000000110'
/** An IPv6 packet whose first next header and payload are given in hex. */
function packet(next: string, payload: string): Uint8Array {
  const length = (payload.replace(/\s+/g, '').length / 2).toString(16).padStart(4, '0')
  return fromHex(`6b8abcde ${length} ${next} 40 ${SOURCE} ${DESTINATION} ${payload}`)
}

const UDP = packet('11', '9c40 0050 0008 0000')
const HOP_BY_HOP = '3c00 0104 00000000'
const DESTINATION_OPTIONS = '2b01 010c 000000000000000000000000'
const ROUTING = '2c00 0000 00000000'
const FIRST_FRAGMENT = '0600 0001 deadbeef'
const CHAIN = packet(
  '00',
  HOP_BY_HOP + DESTINATION_OPTIONS + ROUTING + FIRST_FRAGMENT + '11'.repeat(24),
)

function walk(bytes: Uint8Array, at = 0): { ok: boolean; found: number[] } {
  const out = new Int32Array(ipv6.FOUND_WORDS).fill(0x5a5a5a5a)
  const ok = ipv6.walkExtensions(viewOf(bytes), at, bytes.length, out)
  return { ok, found: [...out] }
}

t.test('the tables have a row for every bit, and say what the accessors say', async (t) => {
  tile(t, ipv6.fields, 0, ipv6.HEADER_BYTES)
  tile(t, ipv6.extensionFields, 0, 2)
  const words = (read: (view: DataView, at: number, word: number) => number) => {
    return (view: DataView, at: number) =>
      formatIpv6(read(view, at, 0), read(view, at, 1), read(view, at, 2), read(view, at, 3))
  }
  agree(t, ipv6.fields, {
    version: null,
    'traffic class': ipv6.trafficClass,
    'flow label': ipv6.flowLabel,
    'payload length': ipv6.payloadLength,
    'next header': ipv6.nextHeader,
    'hop limit': ipv6.hopLimit,
    source: words(ipv6.source),
    destination: words(ipv6.destination),
  })
  agree(t, ipv6.extensionFields, {
    'next header': ipv6.extensionNextHeader,
    length: (view, at) => ipv6.extensionBytes(view, at) / 8 - 1,
  })
  agree(t, ipv6.fragmentFields, {
    'next header': ipv6.extensionNextHeader,
    reserved: null,
    'fragment offset': (view, at) => ipv6.fragmentHeaderOffset(view, at) / 8,
    'more fragments': (view, at) => Number(ipv6.fragmentHeaderMore(view, at)),
    identification: ipv6.fragmentHeaderIdentification,
  })
})

t.test('a packet is read', async (t) => {
  const view = viewOf(UDP)
  t.ok(ipv6.isWellFormed(view, 0, UDP.length))
  t.equal(ipv6.trafficClass(view, 0), 0xb8)
  t.equal(ipv6.flowLabel(view, 0), 0xabcde)
  t.equal(ipv6.payloadLength(view, 0), 8)
  t.equal(ipv6.nextHeader(view, 0), 17)
  t.equal(ipv6.hopLimit(view, 0), 64)
  t.same(
    [0, 1, 2, 3].map((word) => ipv6.source(view, 0, word)),
    [0x20010db8, 0, 0, 0x254],
  )
  t.same(
    [0, 1, 2, 3].map((word) => ipv6.destination(view, 0, word)),
    [0x20010db8, 0, 0, 0x110],
  )
})

t.test('lengths that do not agree are malformed', async (t) => {
  for (let first = 0; first < 256; first++) {
    const said = ipv6.isWellFormed(viewOf(UDP.with(0, first)), 0, UDP.length)
    if (said !== (first >>> 4 === 6)) t.fail(`first byte ${first}`)
  }
  t.ok(ipv6.isWellFormed(viewOf(UDP.with(5, 0)), 0, UDP.length), 'no payload, but padding')
  t.ok(ipv6.isWellFormed(viewOf(UDP.with(5, 0)), 0, 40), 'no payload, and nothing else')
  t.notOk(ipv6.isWellFormed(viewOf(UDP.with(5, 9)), 0, UDP.length), 'a byte is missing')
  t.notOk(ipv6.isWellFormed(viewOf(UDP.with(4, 1)), 0, UDP.length), '256 bytes are missing')
  t.notOk(ipv6.isWellFormed(viewOf(UDP), 0, 39), 'half a header')
  t.notOk(ipv6.isWellFormed(viewOf(UDP), 40, 0), 'the end before the beginning')
  t.ok(ipv6.isQuoteWellFormed(viewOf(UDP.with(4, 1)), 0, 40), 'a quote may be cut')
  t.notOk(ipv6.isQuoteWellFormed(viewOf(UDP), 0, 39))
  t.notOk(ipv6.isQuoteWellFormed(viewOf(UDP.with(0, 0x4b)), 0, 40))
})

t.test('without extension headers the transport follows', async (t) => {
  t.same(walk(UDP), { ok: true, found: [17, 40, -1, 0, 0] })
  const shifted = new Uint8Array([1, 2, 3, ...UDP])
  t.same(walk(shifted, 3), { ok: true, found: [17, 43, -1, 0, 0] })
})

t.test('a chain of headers is walked to a first fragment and through it', async (t) => {
  t.same(walk(CHAIN), { ok: true, found: [6, 80, 72, 0, 1] })
})

t.test('the walk ends behind the header of a later fragment', async (t) => {
  // It names destination options, but those stand in the first fragment.
  const later = packet('2c', '3c00 0588 deadbeef ffffffffffffffff')
  t.same(walk(later), { ok: true, found: [60, 48, 40, 1416, 0] })
})

t.test('an atomic fragment is walked through', async (t) => {
  const atomic = packet('2c', `3c00 0000 deadbeef 1100 0104 00000000 ${'00'.repeat(8)}`)
  t.same(walk(atomic), { ok: true, found: [17, 56, 40, 0, 0] })
})

t.test('ESP, nothing and the unknown count as transports', async (t) => {
  for (const protocol of ['32', '3b', '87', 'ff']) {
    const { ok, found } = walk(packet(protocol, '00'.repeat(8)))
    t.same({ ok, found }, { ok: true, found: [Number.parseInt(protocol, 16), 40, -1, 0, 0] })
  }
  t.same(walk(packet('3b', '')).found.slice(0, 2), [59, 40], 'the transport may be empty')
})

t.test('AH is walked through, as Linux does; its length is in units of 4', async (t) => {
  const ah = `0602 0000 00000007 00000001 00000000 ${'00'.repeat(20)}`
  t.same(walk(packet('33', ah)), { ok: true, found: [6, 56, -1, 0, 0] })
  t.notOk(walk(packet('33', '06c8 0000 00000007')).ok, '808 bytes of 8')
})

t.test('headers that leave the packet are malformed', async (t) => {
  t.notOk(walk(packet('00', '1100 0104 000000')).ok, '7 bytes of 8')
  t.notOk(walk(packet('00', '')).ok, 'none at all')
  t.notOk(walk(packet('3c', '1101 0104 00000000')).ok, '8 bytes of 16')
  t.notOk(walk(packet('3c', '11ff 0104 00000000')).ok, '8 bytes of 2048')
  t.notOk(walk(packet('2c', '1100 0001 dead')).ok, 'half a fragment header')
  t.ok(walk(packet('3c', '1100 0104 00000000')).ok, 'exactly to the end')
})

t.test('a fragment of a fragment is malformed', async (t) => {
  t.notOk(walk(packet('2c', '2c00 0001 00000001 1100 0001 00000002 0000000000000000')).ok)
})

t.test('the longest chain that is walked', async (t) => {
  const chain = (headers: number) =>
    packet('3c', `${'3c00 0104 00000000'.repeat(headers - 1)} 1100 0104 00000000 ${'00'.repeat(8)}`)
  t.same(walk(chain(ipv6.EXTENSIONS_MAX)), { ok: true, found: [17, 168, -1, 0, 0] })
  t.notOk(walk(chain(ipv6.EXTENSIONS_MAX + 1)).ok)
})

t.test('nothing outside is read', async (t) => {
  const out = new Int32Array(ipv6.FOUND_WORDS)
  staysInside(t, [UDP, CHAIN], ipv6.isWellFormed)
  staysInside(t, [UDP, CHAIN], ipv6.isQuoteWellFormed)
  staysInside(t, [UDP, CHAIN], (view, at, end) => {
    return end - at >= ipv6.HEADER_BYTES && ipv6.walkExtensions(view, at, end, out)
  })
})

t.test('what is found lies within the packet, whatever the bytes', async () => {
  const next = fc.constantFrom(0, 43, 44, 60, 6, 17)
  const header = fc.tuple(next, fc.nat(3), fc.uint8Array({ minLength: 6, maxLength: 6 }))
  fc.assert(
    fc.property(next, fc.array(header, { maxLength: 12 }), fc.nat(7), (first, headers, extra) => {
      const payload = headers.flatMap(([protocol, length, rest]) => [protocol, length, ...rest])
      const bytes = new Uint8Array([...packet('00', ''), ...payload, ...new Array(extra).fill(44)])
      const view = viewOf(bytes)
      ipv6.setNextHeader(view, 0, first)
      const { ok, found } = walk(bytes)
      if (!ok) return true
      const [protocol, transportAt, fragmentAt, offset] = found
      const isInside = transportAt >= 40 && transportAt <= bytes.length
      const isEnd = !ipv6.isExtension(protocol) || offset !== 0
      return isInside && isEnd && fragmentAt < transportAt
    }),
    { seed: SEED, numRuns: 3000 },
  )
})

t.test('a header is written', async (t) => {
  const bytes = written(t, 40, (view, at) => {
    ipv6.writeHeader(view, at, 0xb8, 0xabcde, 8, 17, 64)
    ipv6.setSource(view, at, 0x20010db8, 0, 0, 0x254)
    ipv6.setDestination(view, at, 0x20010db8, 0, 0, 0x110)
  })
  t.equal(bytes, toHex(UDP.subarray(0, 40)))
})

t.test('setters write their bytes and no others', async (t) => {
  const set = (write: (view: DataView, at: number) => void) => written(t, 40, write)
  const around = (offset: number, hex: string) =>
    'a5'.repeat(offset) + hex + 'a5'.repeat(40 - offset - hex.length / 2)
  t.equal(
    set((v, at) => ipv6.writeHeader(v, at, 255, 0xfffff, 0xffff, 1, 2)),
    around(0, '6fffffffffff0102'),
  )
  t.equal(
    set((v, at) => ipv6.setPayloadLength(v, at, 0x1234)),
    around(4, '1234'),
  )
  t.equal(
    set((v, at) => ipv6.setNextHeader(v, at, 58)),
    around(6, '3a'),
  )
  t.equal(
    set((v, at) => ipv6.setHopLimit(v, at, 255)),
    around(7, 'ff'),
  )
  t.equal(
    set((v, at) => ipv6.setSource(v, at, 1, 2, 3, -4)),
    around(8, '000000010000000200000003fffffffc'),
  )
  t.equal(
    set((v, at) => ipv6.setDestination(v, at, 1, 2, 3, -4)),
    around(24, '000000010000000200000003fffffffc'),
  )
  t.equal(
    written(t, 8, (v, at) => ipv6.writeFragmentHeader(v, at, 17, 65528, true, -2)),
    '1100fff9fffffffe',
  )
  t.equal(
    written(t, 8, (v, at) => ipv6.writePaddingHeader(v, at, 6, 8)),
    '0600010400000000',
  )
  t.equal(
    written(t, 8, (v, at) => ipv6.writeFragmentHeader(v, at, 17, 8, false, 1)),
    '1100000800000001',
  )
  const long = fromHex(written(t, 264, (v, at) => ipv6.writePaddingHeader(v, at, 6, 264)))
  t.equal(toHex(long.subarray(0, 4)), '062001ff')
  t.equal(toHex(long.subarray(259)), '0103000000', 'a second option fills the rest')
  const longer = fromHex(written(t, 1288, (v, at) => ipv6.writePaddingHeader(v, at, 6, 1288)))
  t.equal(toHex(longer.subarray(1285)), '000000', 'a lone last byte is a Pad1')
})
