import fc from 'fast-check'
import t from 'tap'
import { completeChecksum } from '../../src/wire/partial-checksum.js'

const word = (bytes: Uint8Array, at: number) => (bytes[at] << 8) | (bytes[at + 1] ?? 0)

/** The slow, obvious ones' complement sum. */
function onesSum(...parts: Uint8Array[]): number {
  let sum = 0
  for (const part of parts) {
    for (let at = 0; at < part.length; at += 2) {
      sum += word(part, at)
      if (sum > 0xffff) sum -= 0xffff
    }
  }
  return sum
}

interface Facts {
  v6: boolean
  tags: number
  optionWords: number
  protocol: 6 | 17
  payload: Uint8Array
  padding: number
  seed: Uint8Array
}

/** A frame whose transport checksum is partial; where its parts are. */
function frameOf(f: Facts) {
  const header = f.protocol === 6 ? 20 : 8
  const transport = new Uint8Array(header + f.payload.length)
  transport.set(f.seed.subarray(0, header))
  if (f.protocol === 6) transport[12] = 0x50
  transport.set(f.payload, header)
  const field = f.protocol === 6 ? 16 : 6
  const pseudo = new Uint8Array([0, f.protocol, transport.length >> 8, transport.length & 0xff])
  const options = f.optionWords * (f.v6 ? 8 : 4)
  const ip = new Uint8Array((f.v6 ? 40 : 20) + options)
  if (f.v6) {
    ip.set([0x60, 0, 0, 0])
    ip.set([(options + transport.length) >> 8, (options + transport.length) & 0xff], 4)
    ip[6] = f.optionWords > 0 ? 60 : f.protocol
    ip.set(f.seed.subarray(0, 32), 8)
    if (f.optionWords > 0) ip.set([f.protocol, f.optionWords - 1], 40)
  } else {
    const total = ip.length + transport.length
    ip.set([0x45 + f.optionWords, 0, total >> 8, total & 0xff, 1, 2, 0x40, 0, 64, f.protocol])
    ip.set(f.seed.subarray(0, 8), 12)
  }
  const addresses = f.v6 ? ip.subarray(8, 40) : ip.subarray(12, 20)
  const partial = onesSum(addresses, pseudo)
  transport.set([partial >> 8, partial & 0xff], field)
  const link = new Uint8Array(14 + 4 * f.tags)
  for (let tag = 0; tag < f.tags; tag++) link.set([0x81, 0], 12 + 4 * tag)
  link.set(f.v6 ? [0x86, 0xdd] : [0x08, 0], link.length - 2)
  const bytes = new Uint8Array(3 + link.length + ip.length + transport.length + f.padding)
  bytes.fill(0xa5)
  bytes.set(link, 3)
  bytes.set(ip, 3 + link.length)
  const segment = 3 + link.length + ip.length
  bytes.set(transport, segment)
  const pseudoHeader = [addresses.slice(), pseudo]
  return { bytes, ip: 3 + link.length, segment, field: segment + field, pseudoHeader, transport }
}

const facts: fc.Arbitrary<Facts> = fc.record({
  v6: fc.boolean(),
  tags: fc.nat(2),
  optionWords: fc.nat(2),
  protocol: fc.constantFrom(6 as const, 17 as const),
  payload: fc.uint8Array({ maxLength: 300 }),
  padding: fc.nat(9),
  seed: fc
    .uint8Array({ minLength: 40, maxLength: 40 })
    .map((s) => Uint8Array.from(s, (b) => b | 1)),
})

const complete = (bytes: Uint8Array) =>
  completeChecksum(new DataView(bytes.buffer), 3, bytes.length - 3)

t.test('a partial checksum becomes one that a receiver accepts, and nothing else changes', (t) => {
  fc.assert(
    fc.property(facts, (f) => {
      const { bytes, segment, field, pseudoHeader, transport } = frameOf(f)
      const before = bytes.slice()
      if (!complete(bytes)) return false
      const after = bytes.subarray(segment, segment + transport.length)
      const sum = onesSum(...pseudoHeader, after.slice())
      before.set(bytes.subarray(field, field + 2), field)
      return sum === 0xffff && Buffer.compare(before, bytes) === 0 && word(bytes, field) !== 0
    }),
    { seed: 20260101, numRuns: 2000 },
  )
  t.pass()
  t.end()
})

t.test('a checksum that is right stays so, and is not recognised again', (t) => {
  let repeats = 0
  fc.assert(
    fc.property(facts, (f) => {
      const { bytes } = frameOf(f)
      complete(bytes)
      const once = bytes.slice()
      if (complete(bytes)) repeats++
      return Buffer.compare(once, bytes) === 0
    }),
    { seed: 20260102, numRuns: 2000 },
  )
  t.ok(repeats < 5)
  t.end()
})

const UDP4: Facts = {
  v6: false,
  tags: 0,
  optionWords: 0,
  protocol: 17,
  payload: new Uint8Array(10).fill(3),
  padding: 0,
  seed: new Uint8Array(40).fill(9),
}

t.test('left alone', (t) => {
  const untouched = (
    name: string,
    change: (bytes: Uint8Array, ip: number, field: number) => void,
    f = UDP4,
  ) => {
    const { bytes, ip, field } = frameOf(f)
    change(bytes, ip, field)
    const before = bytes.slice()
    t.equal(complete(bytes), false, name)
    t.same(Buffer.compare(before, bytes), 0, `${name}: bytes`)
  }
  untouched('a checksum of some other value', (b, _, field) => b[field]++)
  untouched('UDP without a checksum', (b, _, field) => b.fill(0, field, field + 2))
  untouched('a first fragment', (b, ip) => (b[ip + 6] = 0x20))
  untouched('a later fragment', (b, ip) => (b[ip + 7] = 1))
  untouched('an IP length beyond the frame', (b, ip) => (b[ip + 2] = 0x7f))
  untouched('an IP header beyond the packet', (b, ip) => (b[ip] = 0x4f))
  untouched('an IP header too short', (b, ip) => (b[ip] = 0x44))
  untouched('another protocol', (b, ip) => (b[ip + 9] = 1))
  untouched('another EtherType', (b, ip) => (b[ip - 1] = 6))
  untouched('IPv6 beyond the frame', (b, ip) => (b[ip + 4] = 0x7f), { ...UDP4, v6: true })
  const chain = { ...UDP4, v6: true, optionWords: 1 }
  untouched('extension headers without end', (b, ip) => (b[ip + 40] = 60), chain)
  for (let length = 0; length < 28 + 14 + 10; length++) {
    const { bytes } = frameOf(UDP4)
    if (completeChecksum(new DataView(bytes.buffer), 3, length)) t.fail(`cut to ${length}`)
  }
  t.end()
})

t.test('no bytes make it leave the frame', (t) => {
  fc.assert(
    fc.property(facts, fc.nat(200), fc.nat(255), fc.nat(400), (f, at, value, length) => {
      const { bytes } = frameOf(f)
      bytes[3 + (at % (bytes.length - 3))] = value
      const exact = bytes.slice(3, 3 + Math.min(length, bytes.length - 3))
      completeChecksum(new DataView(exact.buffer), 0, exact.length)
    }),
    { seed: 20260103, numRuns: 3000 },
  )
  t.pass()
  t.end()
})
