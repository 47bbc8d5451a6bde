/** What shows over several answers, or in their numbers; the bytes of each: journeys-*.ts. */
import t from 'tap'
import { viewOf } from '../../src/wire/build.js'
import * as tcp from '../../src/wire/tcp.js'
import { BARE_VIP, CLIENT, type FrameSpec, VIP, World } from './world.js'

const to = (dport: number, changes: object = {}, payload = 0): FrameSpec => ({
  ipv4: { source: CLIENT, destination: VIP },
  tcp: { sport: 4000, dport, ...changes },
  payload,
})
const ping = (identifier: number, bytes: number): FrameSpec => ({
  ipv4: { source: CLIENT, destination: VIP },
  icmp: { type: 8, identifier },
  payload: bytes,
})

/** Sum of 16-bit words in one's complement, reckoned here and not by the codec. */
function isSumGood(bytes: Uint8Array): boolean {
  let sum = 0
  for (const [i, byte] of bytes.entries()) sum += i % 2 === 0 ? byte << 8 : byte
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum === 0xffff
}

t.test('the numbers of a reset (RFC 9293 section 3.10.7.1)', async (t) => {
  const world = new World()
  // flags, sequence, acknowledgement, payload -> flags, sequence, acknowledgement of the reset
  const cases = [
    ['S', 100, 0, 0, 'RA', 0, 101],
    ['S', 100, 0, 20, 'RA', 0, 121],
    ['F', 100, 0, 0, 'RA', 0, 101],
    ['SF', 100, 0, 5, 'RA', 0, 107],
    ['P', 100, 0, 7, 'RA', 0, 107],
    ['.', 0xffffffff, 0, 1, 'RA', 0, 0],
    ['A', 100, 555, 0, 'R', 555, 0],
    ['A', 100, 0xfffffffe, 30, 'R', 0xfffffffe, 0],
    ['FA', 100, 7, 0, 'R', 7, 0],
    ['SA', 100, 8, 0, 'R', 8, 0],
  ] as const
  for (const [flags, seq, ack, payload, outFlags, outSeq, outAck] of cases) {
    const { sent } = world.send(to(81, { flags, seq, ack, options: [2, 4, 5, 180] }, payload))
    const view = viewOf(sent[0]?.bytes as Uint8Array)
    const bits = outFlags === 'R' ? tcp.FLAG_RST : tcp.FLAG_RST | tcp.FLAG_ACK
    const got = [
      tcp.flags(view, 34),
      tcp.sequence(view, 34) >>> 0,
      tcp.acknowledgement(view, 34) >>> 0,
    ]
    t.same(got, [bits, outSeq, outAck], `${flags} ${seq} ${ack} with ${payload} bytes`)
    t.equal(tcp.window(view, 34), 0)
  }
})

t.test('identifications of one answer after the other differ, and wrap', async (t) => {
  const world = new World()
  const seen = new Set<number>()
  for (let i = 0; i < 70_000; i++) {
    const { sent } = world.send(ping(i & 0xffff, 0))
    const bytes = sent[0]?.bytes as Uint8Array
    const view = viewOf(bytes)
    if (i < 65_536) seen.add(view.getUint16(18))
    if (!isSumGood(bytes.subarray(14, 34))) return t.fail(`checksum ${i}`)
  }
  t.equal(seen.size, 65_536)
})

t.test('echo replies of every length have good checksums', async (t) => {
  const world = new World()
  for (let bytes = 0; bytes < 300; bytes++) {
    const { sent, verdicts } = world.send(ping(bytes, bytes))
    const reply = sent[0]?.bytes as Uint8Array
    if (verdicts[0] !== 'echo-answered' || !isSumGood(reply.subarray(34))) t.fail(`${bytes} bytes`)
    if (reply.length !== 14 + 20 + 8 + bytes) t.fail(`${bytes}: a reply of ${reply.length}`)
  }
  t.pass('300 lengths')
})

t.test(
  'what an error quotes: all of a short packet, and never more than 576 bytes in all',
  async (t) => {
    const world = new World()
    for (const bytes of [0, 1, 7, 512, 519, 520, 521, 1400]) {
      const frame = {
        ipv4: { source: CLIENT, destination: BARE_VIP },
        udp: { sport: 1, dport: 2 },
        payload: bytes,
      }
      const { sent } = world.send(frame)
      const reply = sent[0]?.bytes as Uint8Array
      t.equal(reply.length - 14, Math.min(28 + 28 + bytes, 576), `${bytes} bytes`)
      t.ok(isSumGood(reply.subarray(34)))
    }
  },
)

t.test('errors keep the TOS of the packet, with the precedence of control', async (t) => {
  const world = new World()
  const tosOf = (tos: number) => {
    const frame = {
      ipv4: { source: CLIENT, destination: BARE_VIP, tos },
      udp: { sport: 1, dport: 2 },
    }
    return world.send(frame).sent[0]?.bytes[15]
  }
  t.same([0, 0x10, 0x02, 0x40].map(tosOf), [0xc0, 0xd0, 0xc2, 0xc0])
})

t.test('no error for sources that are nobody', async (t) => {
  const world = new World()
  for (const source of ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255']) {
    const { sent } = world.send({ ipv4: { source, destination: VIP, protocol: 47 }, payload: 20 })
    t.same(sent, [], source)
  }
})

t.test('a full outbox: not answered, and counted as such', async (t) => {
  const world = new World({ port: { batch: 4 } })
  const frames = Array.from({ length: 4 }, (_, i) => ping(i, 10))
  // Four answers fit beside four frames; an outbox that is full already takes none.
  t.same(world.send(...frames).verdicts, Array(4).fill('echo-answered'))
  for (let i = 0; i < 4; i++) world.port.outbox.reserve(60, 0)
  const { verdicts } = world.send(...frames)
  t.same(verdicts, Array(4).fill('answer-limited'))
  t.equal(world.port.outbox.overflows, 4)
})

t.test('an answer that is longer than a slot of the outbox', async (t) => {
  const world = new World({ port: { slotBytes: 512 } })
  const { verdicts } = world.send({
    ipv4: { source: CLIENT, destination: BARE_VIP },
    udp: { sport: 1, dport: 2 },
    payload: 470,
  })
  t.same(verdicts, ['answer-limited'])
})
