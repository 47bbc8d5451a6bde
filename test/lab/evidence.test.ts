import t from 'tap'
import type { CapturedFrame } from '../../src/lab/capture.js'
import { compareFrames, countReplies, pairFrames } from '../../src/lab/evidence.js'
import { hexPair } from '../../src/lab/hex-pair.js'
import { PLAIN } from '../../src/lab/paint.js'
import { CIP, CIP6, DIP, macOf, VIP, VIP6 } from '../../src/lab/topology.js'
import { build } from '../../src/wire/build.js'

const DIRECTOR = macOf(DIP)
const ROUTER = macOf('192.168.1.253')
const RS1 = macOf('192.168.1.2')

function request(payload: string, destination: string, source: string, sport = 40_000): Buffer {
  return Buffer.from(
    build({
      ethernet: { source, destination },
      ipv4: { source: CIP, destination: VIP, ttl: 63 },
      tcp: { sport, dport: 80, flags: 'PA' },
      payload,
    }),
  )
}

const came = (bytes: Buffer): CapturedFrame => ({ outgoing: false, bytes })
const left = (bytes: Buffer): CapturedFrame => ({ outgoing: true, bytes })

t.test('a frame is paired with the one that left, in the order of its flow', (t) => {
  const frames = [
    came(request('one', DIRECTOR, ROUTER)),
    came(request('two', DIRECTOR, ROUTER)),
    left(request('one', RS1, DIRECTOR)),
    came(request('other', DIRECTOR, ROUTER, 40_001)),
    left(request('two', RS1, DIRECTOR)),
  ]
  const pairs = pairFrames(frames, DIRECTOR)
  t.equal(pairs.length, 2)
  t.equal(pairs.unpaired, 1, 'the last one never left')
  t.ok(pairs.every(({ before, after }) => compareFrames(before, after).unchanged))
  t.equal(countReplies(frames), 0)
  t.end()
})

t.test('frames that do not concern the VIP or the director are no pairs', (t) => {
  const toRs1 = request('x', RS1, ROUTER)
  const arp = Buffer.from(
    build({ arp: { operation: 'request', senderMac: ROUTER, sender: CIP, target: VIP } }),
  )
  const pairs = pairFrames([came(toRs1), came(arp), left(toRs1)], DIRECTOR)
  t.equal(pairs.length, 0)
  t.equal(pairs.unpaired, 0)
  t.end()
})

t.test('IPv6 is paired, and replies from the VIP are counted', (t) => {
  const packet = {
    ipv6: { source: CIP6, destination: VIP6 },
    tcp: { sport: 1, dport: 80, flags: 'S' },
  }
  const before = Buffer.from(
    build({ ethernet: { source: ROUTER, destination: DIRECTOR }, ...packet }),
  )
  const after = Buffer.from(build({ ethernet: { source: DIRECTOR, destination: RS1 }, ...packet }))
  t.equal(pairFrames([came(before), left(after)], DIRECTOR).length, 1)
  const reply = build({ ipv6: { source: VIP6, destination: CIP6 }, tcp: { sport: 80, dport: 1 } })
  const advertisement = build({
    ipv6: { source: VIP6, destination: 'fe80::253' },
    icmpv6: { type: 136 },
  })
  const frames = [reply, advertisement].map((bytes) => came(Buffer.from(bytes)))
  t.equal(countReplies(frames), 1, 'the advertisement is no reply to the client')
  t.end()
})

t.test('what differs is found to the byte, and a changed packet is called so', (t) => {
  const before = request('hello', DIRECTOR, ROUTER)
  const good = compareFrames(before, request('hello', RS1, DIRECTOR))
  // 02:00:c0:a8:01:01 -> :02, and 02:00:c0:a8:01:fd -> :01: the last byte of either address.
  t.same(good.changed, [5, 11])
  t.ok(good.unchanged)
  t.equal(good.sha256Before, good.sha256After)
  const spoilt = request('hello', RS1, DIRECTOR)
  spoilt[22] = 62 // TTL
  const bad = compareFrames(before, spoilt)
  t.same(bad.changed, [5, 11, 22])
  t.notOk(bad.unchanged)
  t.not(bad.sha256Before, bad.sha256After)
  t.end()
})

t.test('padding behind the IP packet does not count as the packet', (t) => {
  const spec = {
    ethernet: { source: ROUTER, destination: DIRECTOR },
    ipv4: { source: CIP, destination: VIP },
    udp: { sport: 1, dport: 7 },
    payload: 'x',
  }
  const bare = Buffer.from(build(spec))
  const padded = Buffer.from(build({ ...spec, padTo: 60 }))
  t.ok(compareFrames(bare, padded).unchanged)
  t.end()
})

t.test('the hex dump marks the bytes that differ and shows the rest once', (t) => {
  const text = hexPair(PLAIN, request('GET /', DIRECTOR, ROUTER), request('GET /', RS1, DIRECTOR))
  const lines = text.split('\n')
  t.match(lines[0], /^ {3}before {2}0000 {2}02 00 c0 a8 01 01 02 00 {2}c0 a8 01 fd 08 00 45 00 {2}/)
  t.match(lines[1], /^ {3}after {3}0000 {2}02 00 c0 a8 01 02 02 00 {2}c0 a8 01 01 08 00 45 00 {2}/)
  const marks = [...lines[2]!.matchAll(/\^\^/g)].map(({ index }) => index)
  t.same(marks, [lines[0]!.indexOf('01 02 00'), lines[0]!.indexOf('fd')], 'marks stand below')
  t.equal(lines.filter((line) => line.includes('both')).length, lines.length - 3)
  t.match(lines.at(-1), /GET \/$/)
  t.ok(lines.every((line) => line.length <= 96))
  t.end()
})
