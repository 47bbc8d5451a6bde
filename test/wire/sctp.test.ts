import fc from 'fast-check'
import t from 'tap'
import * as sctp from '../../src/wire/sctp.js'
import * as transport from '../../src/wire/transport.js'
import { agree, fromHex, SEED, staysInside, tile, toHex, viewOf, written } from './harness.js'

// COOKIE ECHO with a cookie of 5 bytes (and 3 of padding), then DATA of 2 bytes of user data.
const BUNDLE = fromHex(`
  9c40 0050 12345678 00000000
  0a 00 0009 0102030405 000000
  00 03 0012 00000001 0000 0000 00000000 6869 0000`)

/** CRC-32C bit by bit, as the polynomial is written in RFC 9260 appendix A (reversed). */
function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    }
  }
  return ~crc >>> 0
}

t.test('the tables have a row for every bit, and say what the accessors say', async (t) => {
  tile(t, sctp.fields, 0, sctp.HEADER_BYTES)
  tile(t, sctp.chunkFields, 0, sctp.CHUNK_HEADER_BYTES)
  agree(t, sctp.fields, {
    'source port': transport.sourcePort,
    'destination port': transport.destinationPort,
    'verification tag': sctp.verificationTag,
    checksum: sctp.checksum,
  })
  agree(t, sctp.chunkFields, {
    'chunk type': sctp.chunkType,
    'chunk flags': sctp.chunkFlags,
    'chunk length': sctp.chunkLength,
  })
})

t.test('chunks are walked, padding included', async (t) => {
  const view = viewOf(BUNDLE)
  const end = BUNDLE.length
  t.ok(sctp.isWellFormed(view, 0, end))
  t.equal(sctp.firstChunkType(view, 0), sctp.CHUNK_COOKIE_ECHO)
  const second = sctp.nextChunk(view, sctp.firstChunk(0), end)
  t.equal(second, 24)
  t.equal(sctp.chunkType(view, second), sctp.CHUNK_DATA)
  t.equal(sctp.chunkFlags(view, second), 3)
  t.equal(sctp.chunkLength(view, second), 18)
  t.equal(sctp.nextChunk(view, second, end), -1)
})

t.test('a chunk that is too short, or leaves the packet, has no next one', async (t) => {
  for (const length of [0, 1, 2, 3]) {
    t.equal(sctp.nextChunk(viewOf(BUNDLE.with(15, length)), 12, BUNDLE.length), -1, `${length}`)
  }
  t.equal(sctp.nextChunk(viewOf(BUNDLE.with(15, 4)), 12, BUNDLE.length), 16)
  t.equal(sctp.nextChunk(viewOf(BUNDLE.with(14, 255)), 12, BUNDLE.length), -1)
  t.equal(sctp.nextChunk(viewOf(BUNDLE), 12, 28), 24, 'the header is enough')
  t.equal(sctp.nextChunk(viewOf(BUNDLE), 12, 27), -1)
})

t.test('a packet needs a chunk', async (t) => {
  t.ok(sctp.isWellFormed(viewOf(BUNDLE), 0, 16))
  t.notOk(sctp.isWellFormed(viewOf(BUNDLE), 0, 15))
  t.notOk(sctp.isWellFormed(viewOf(BUNDLE), 16, 0))
  staysInside(t, [BUNDLE], sctp.isWellFormed)
  staysInside(t, [BUNDLE], (view, at, end) => {
    return sctp.isWellFormed(view, at, end) && sctp.nextChunk(view, sctp.firstChunk(at), end) >= 0
  })
})

t.test('CRC-32C has its known values (RFC 3720 appendix B.4)', async (t) => {
  const digits = Uint8Array.from('123456789', (digit) => digit.charCodeAt(0))
  t.equal(sctp.crc32c(digits, 0, 9), 0xe3069283)
  t.equal(sctp.crc32c(new Uint8Array(32), 0, 32), 0x8a9136aa)
  t.equal(sctp.crc32c(new Uint8Array(32).fill(255), 0, 32), 0x62a8ab43)
  const rising = Uint8Array.from({ length: 32 }, (_, i) => i)
  t.equal(sctp.crc32c(rising, 0, 32), 0x46dd794e)
})

t.test('CRC-32C is the slow one, over any part', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(20), (bytes, from) => {
      const start = Math.min(from, bytes.length)
      return sctp.crc32c(bytes, start, bytes.length) === slowCrc32c(bytes.slice(start))
    }),
    { seed: SEED },
  )
})

t.test('the checksum is stored low byte first, and does not cover itself', async (t) => {
  const bytes = BUNDLE.slice()
  const crc = slowCrc32c(bytes)
  const low = [0, 8, 16, 24].map((shift) => (crc >>> shift) & 0xff)
  bytes.set([0xa5, 0xa5, 0xa5, 0xa5], 8)
  sctp.updateChecksum(viewOf(bytes), 0, bytes.length)
  t.same([...bytes.subarray(8, 12)], low)
  t.equal(sctp.checksum(viewOf(bytes), 0), sctp.expectedChecksum(viewOf(bytes), 0, bytes.length))
  const damaged = viewOf(bytes.with(40, 0xff))
  t.not(sctp.checksum(damaged, 0), sctp.expectedChecksum(damaged, 0, bytes.length))
})

t.test('the checksum of any packet is the slow one, its bytes reversed', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 12, maxLength: 60 }), (bytes) => {
      const view = viewOf(bytes)
      const crc = slowCrc32c(bytes.slice().fill(0, 8, 12))
      sctp.updateChecksum(view, 0, bytes.length)
      const expected = sctp.expectedChecksum(view, 0, bytes.length)
      return view.getUint32(8, true) === crc && sctp.checksum(view, 0) === expected
    }),
    { seed: SEED },
  )
})

t.test('headers are written', async (t) => {
  const bytes = written(t, 16, (view, at) => {
    sctp.writeHeader(view, at, 40000, 80, 0x12345678)
    sctp.writeChunk(view, at + 12, sctp.CHUNK_COOKIE_ECHO, 0, 9)
  })
  t.equal(bytes, toHex(BUNDLE.subarray(0, 16)))
})
