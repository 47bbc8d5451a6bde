import fc from 'fast-check'
import t from 'tap'
import * as checksum from '../../src/wire/checksum.js'
import { fromHex, SEED, viewOf } from './harness.js'

/**
 * Checksum of the transport in `packet`, as the RFCs spell it: pseudo header and segment in a row.
 */
function slowChecksum(pseudoHeader: number[], segment: Uint8Array): number {
  const all = [...pseudoHeader, ...segment, ...(segment.length % 2 === 1 ? [0] : [])]
  let total = 0
  for (let i = 0; i < all.length; i += 2) total += all[i] * 256 + all[i + 1]
  while (total > 0xffff) total = Math.floor(total / 65536) + (total % 65536)
  return 0xffff - total
}

const OFFSET: Record<number, number> = { 6: 16, 17: 6, 58: 2 }

t.test('where the checksum stands', async (t) => {
  for (let protocol = 0; protocol < 256; protocol++) {
    const offset = checksum.transportChecksumOffset(protocol)
    if (offset !== (OFFSET[protocol] ?? -1)) t.fail(`protocol ${protocol}`)
  }
})

t.test('what is written is what the slow model computes', async (t) => {
  for (const family of [4, 6]) {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 64, maxLength: 120 }),
        fc.constantFrom(6, 17, 58),
        fc.nat(3),
        fc.boolean(),
        (bytes, protocol, ipAt, isBlank) => {
          if (isBlank) bytes.fill(0)
          const [addresses, size, transport] = family === 4 ? [12, 8, 20] : [8, 32, 40]
          const at = ipAt + transport
          const segment = bytes.slice(at)
          segment.fill(0, OFFSET[protocol], OFFSET[protocol] + 2)
          const length = bytes.length - at
          const tail =
            family === 4 ? [0, protocol, 0, length] : [0, 0, 0, length, 0, 0, 0, protocol]
          const pseudo = [...bytes.slice(ipAt + addresses, ipAt + addresses + size), ...tail]
          let expected = slowChecksum(pseudo, segment)
          if (expected === 0 && protocol === 17) expected = 0xffff
          const view = viewOf(bytes)
          const [finish, isGood] =
            family === 4
              ? [checksum.finishTransport4, checksum.isTransportGood4]
              : [checksum.finishTransport6, checksum.isTransportGood6]
          finish(view, ipAt, at, bytes.length, protocol)
          const said = view.getUint16(at + OFFSET[protocol])
          const before = isGood(view, ipAt, at, bytes.length, protocol)
          bytes[bytes.length - 1] ^= 1
          const after = isGood(view, ipAt, at, bytes.length, protocol)
          return said === expected && before && !after
        },
      ),
      { seed: SEED, numRuns: 1000 },
    )
  }
  t.pass()
})

// 10.0.0.1:1 to 10.0.0.2:2 with a payload chosen so that the sum comes out as 0xffff.
const ZERO_SUM = '4500001e000040004011 0000 0a000001 0a000002 0001 0002 000a 0000'

t.test('a UDP checksum that comes out as 0 is written as 0xffff', async (t) => {
  const bytes = fromHex(`${ZERO_SUM} 0000`)
  const view = viewOf(bytes)
  checksum.finishTransport4(view, 0, 20, 30, 17)
  view.setUint16(28, view.getUint16(26))
  checksum.finishTransport4(view, 0, 20, 30, 17)
  t.equal(view.getUint16(26), 0xffff)
  t.ok(checksum.isTransportGood4(view, 0, 20, 30, 17))
})

t.test('a UDP checksum of 0 means none over IPv4, and is wrong over IPv6', async (t) => {
  const four = viewOf(fromHex(`${ZERO_SUM} beef`))
  t.ok(checksum.isTransportGood4(four, 0, 20, 30, 17))
  const six = viewOf(fromHex(`60000000 000a 11 40 ${'00'.repeat(32)} 0001 0002 000a 0000 beef`))
  t.notOk(checksum.isTransportGood6(six, 0, 40, 50, 17))
  checksum.finishTransport6(six, 0, 40, 50, 17)
  t.ok(checksum.isTransportGood6(six, 0, 40, 50, 17))
})

t.test('over IPv6 a UDP checksum of 0 is wrong even where the sum is right', async (t) => {
  const view = viewOf(fromHex(`60000000 000a 11 40 ${'00'.repeat(32)} 0001 0002 000a 0000 0000`))
  checksum.finishTransport6(view, 0, 40, 50, 17)
  view.setUint16(48, view.getUint16(46))
  checksum.finishTransport6(view, 0, 40, 50, 17)
  t.equal(view.getUint16(46), 0xffff)
  t.ok(checksum.isTransportGood6(view, 0, 40, 50, 17))
  view.setUint16(46, 0)
  t.notOk(checksum.isTransportGood6(view, 0, 40, 50, 17))
})

t.test('other protocols are left alone', async (t) => {
  const bytes = new Uint8Array(60).fill(0xa5)
  checksum.finishTransport4(viewOf(bytes), 0, 20, 60, 132)
  checksum.finishTransport6(viewOf(bytes), 0, 40, 60, 47)
  t.ok(bytes.every((byte) => byte === 0xa5))
  t.ok(checksum.isTransportGood4(viewOf(bytes), 0, 20, 60, 1))
  t.ok(checksum.isTransportGood6(viewOf(bytes), 0, 40, 60, 132))
})

t.test('a TCP checksum may be 0', async (t) => {
  const bytes = fromHex(`45000028000040004006 0000 0a000001 0a000002 ${'00'.repeat(20)}`)
  const view = viewOf(bytes)
  checksum.finishTransport4(view, 0, 20, 40, 6)
  view.setUint16(24, view.getUint16(36))
  checksum.finishTransport4(view, 0, 20, 40, 6)
  t.equal(view.getUint16(36), 0)
  t.ok(checksum.isTransportGood4(view, 0, 20, 40, 6))
  // Over IPv6 too, where 0 is forbidden only to UDP.
  const six = viewOf(fromHex(`60000000 0014 06 40 ${'00'.repeat(32)} ${'00'.repeat(20)}`))
  checksum.finishTransport6(six, 0, 40, 60, 6)
  six.setUint16(44, six.getUint16(56))
  checksum.finishTransport6(six, 0, 40, 60, 6)
  t.equal(six.getUint16(56), 0)
  t.ok(checksum.isTransportGood6(six, 0, 40, 60, 6))
})
