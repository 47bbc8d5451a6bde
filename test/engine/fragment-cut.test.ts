import fc from 'fast-check'
import t from 'tap'
import { Batch } from '../../src/engine/batch.js'
import { cut4, cut6, Pieces } from '../../src/engine/fragment-cut.js'
import { Outbox } from '../../src/engine/port.js'
import { FRAGMENTED, TOO_BIG_DROPPED } from '../../src/engine/verdict.js'
import { build } from '../../src/wire/build.js'
import type { ExtensionSpec, FrameSpec } from '../../src/wire/frame-spec.js'
import * as ipv4 from '../../src/wire/ipv4.js'
import * as ipv6 from '../../src/wire/ipv6.js'

const SEED = Number(process.env.UIPVS_TEST_SEED ?? 20261122)
const IP = 14

function batchOf(spec: FrameSpec): { batch: Batch; end: number } {
  const frame = build(spec)
  const batch = new Batch(new ArrayBuffer(frame.length), 1)
  batch.bytes.set(frame)
  return { batch, end: frame.length }
}

function outboxOf(capacity = 64): Outbox {
  return new Outbox(new ArrayBuffer(capacity * 2048), capacity, 2048)
}

function framesOf(outbox: Outbox): DataView[] {
  return Array.from({ length: outbox.count }, (_, i) => {
    const at = i * outbox.slotBytes
    return new DataView(outbox.bytes.slice(at, at + (outbox.length[i] as number)).buffer)
  })
}

function packet4(payload: number, options: readonly number[] = []): FrameSpec {
  const ipv4 = { source: '198.51.100.7', destination: '192.168.1.110', options, df: false, id: 77 }
  return { ipv4, udp: { sport: 1, dport: 2 }, payload }
}

function packet6(payload: number, extensions: readonly ExtensionSpec[] = []): FrameSpec {
  const ipv6 = { source: '2001:db8::1', destination: '2001:db8::2', extensions }
  return { ipv6, udp: { sport: 1, dport: 2 }, payload }
}

t.test('IPv4: pieces fit, follow each other, and say together what was said', async (t) => {
  const property = fc.property(
    fc.integer({ min: 0, max: 9000 }),
    fc.integer({ min: 128, max: 1500 }),
    fc.integer({ min: 0, max: 40 }),
    (payload, mtu, optionBytes) => {
      const { batch, end } = batchOf(packet4(payload, new Array(optionBytes).fill(1)))
      const outbox = outboxOf(400)
      const headerBytes = ipv4.headerBytes(batch.view, IP)
      const verdict = cut4(outbox, batch, 0, IP, end, mtu, 3)
      if (verdict !== FRAGMENTED) throw new Error('not cut')
      const data: number[] = []
      const frames = framesOf(outbox)
      for (const [i, frame] of frames.entries()) {
        if (!ipv4.isWellFormed(frame, IP, frame.byteLength)) throw new Error('malformed')
        if (!ipv4.isChecksumGood(frame, IP)) throw new Error('checksum')
        if (frame.byteLength - IP > mtu) throw new Error('too long')
        if (ipv4.fragmentOffset(frame, IP) !== data.length) throw new Error('a gap')
        if (ipv4.moreFragments(frame, IP) !== i + 1 < frames.length) throw new Error('more')
        if (ipv4.identification(frame, IP) !== 77 || outbox.egress[i] !== 3) throw new Error('id')
        for (let k = IP + headerBytes; k < frame.byteLength; k++) data.push(frame.getUint8(k))
      }
      const sent = [...batch.bytes.slice(IP + headerBytes)]
      if (sent.join() !== data.join()) throw new Error('other bytes')
    },
  )
  fc.assert(property, { seed: SEED, numRuns: 300 })
  t.pass('300 packets')
})

t.test('IPv4: options without the copied flag stand in the first fragment only', async (t) => {
  const security = [0x82, 4, 7, 7]
  const record = [0x07, 3, 4]
  const { batch, end } = batchOf(packet4(200, [...record, 1, ...security]))
  const outbox = outboxOf()
  t.equal(cut4(outbox, batch, 0, IP, end, 128, 0), FRAGMENTED)
  const [first, second] = framesOf(outbox) as [DataView, DataView]
  const options = (frame: DataView) =>
    Array.from({ length: 8 }, (_, i) => frame.getUint8(IP + 20 + i))
  t.same(options(first), [...record, 1, ...security])
  t.same(options(second), [1, 1, 1, 1, ...security])
})

t.test('what the outbox has no room for, or what can not be cut, is dropped', async (t) => {
  const { batch, end } = batchOf(packet4(1000))
  const outbox = outboxOf(3)
  t.equal(cut4(outbox, batch, 0, IP, end, 128, 0), TOO_BIG_DROPPED)
  t.equal(outbox.count, 0, 'all of it or nothing')
  t.equal(cut4(outboxOf(), batch, 0, IP, end, 27, 0), TOO_BIG_DROPPED, 'no room for 8 bytes')
})

/** Cuts a packet that came in these pieces, whose largest packet had `largest` bytes. */
function cutAs(spec: FrameSpec, ends: readonly number[], largest: number) {
  const { batch, end } = batchOf(spec)
  const pieces = new Pieces(64, 1)
  pieces.largest = largest
  pieces.count = ends.length
  pieces.ends.set(ends)
  const outbox = outboxOf()
  const verdict = cut6(outbox, batch, 0, IP, end, pieces, 0)
  return { verdict, frames: framesOf(outbox) }
}

const offsets = (frames: readonly DataView[], at = IP + 40) =>
  frames.map((frame) => ipv6.fragmentHeaderOffset(frame, at))

t.test('IPv6: as it came, anew, or whole', async (t) => {
  const whole = 40 + 8 + 2000
  const asItCame = cutAs(packet6(2000), [40 + 1400, whole], 1448)
  t.same(offsets(asItCame.frames), [0, 1400])
  const anew = cutAs(packet6(2000), [40 + 1400, whole], 1400)
  t.same(offsets(anew.frames), [0, 1352], 'a piece that is larger than what came is not sent')
  const small = cutAs(packet6(2000), [40 + 8, 40 + 16, whole - 1000, whole], 1048)
  t.same(offsets(small.frames), [0, 8, 16, 1008], 'never smaller than 1280 allows, but as it came')
  const fits = cutAs(packet6(100), [40 + 104, 148], 152)
  t.equal(fits.frames.length, 1)
  t.equal(ipv6.nextHeader(fits.frames[0] as DataView, IP), ipv4.PROTO_UDP, 'no fragment header')
})

t.test('IPv6: extension headers for the way stay in front', async (t) => {
  const extensions = [{ kind: 'hop-by-hop' }, { kind: 'routing' }, { kind: 'destination-options' }]
  const spec = packet6(2000, extensions as ExtensionSpec[])
  const { verdict, frames } = cutAs(spec, [64 + 1200, 64 + 2008], 1280)
  t.equal(verdict, FRAGMENTED)
  const found = new Int32Array(ipv6.FOUND_WORDS)
  for (const frame of frames) {
    t.ok(ipv6.walkExtensions(frame, IP, frame.byteLength, found))
    t.equal(found[ipv6.FOUND_FRAGMENT_AT], IP + 56, 'behind hop-by-hop and routing')
    t.ok(frame.byteLength - IP <= 1280)
  }
  const next = (frames[0] as DataView).getUint8(IP + 56)
  t.equal(next, ipv6.PROTO_DESTINATION_OPTIONS, 'options for the end behind it')
})

t.test('identifications are never 0 and do not repeat soon', async (t) => {
  const pieces = new Pieces(1, 0x6a09e667)
  const seen = new Set(Array.from({ length: 10_000 }, () => pieces.nextIdentification()))
  t.equal(seen.size, 10_000)
  t.notOk(seen.has(0))
})
