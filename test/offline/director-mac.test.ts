/** The director of a capture is found ahead of its frames, and no frame is lost by looking. */
import t from 'tap'
import { lookForDirector } from '../../src/offline/director-mac.js'
import { type Mac, macText, vipKeysOf } from '../../src/offline/surroundings.js'
import { readCapture } from '../../src/port/replay.js'
import { build } from '../../src/wire/build.js'
import { pcap } from '../port/captures.js'
import { captureOf, piped, RULES, rulesOf, VIP } from './harness.js'

const vips = vipKeysOf(rulesOf(RULES))
const tcp = { sport: 1, dport: 80 }

function frameTo(mac: string, address = VIP): Uint8Array {
  return build({
    ethernet: { destination: mac },
    ipv4: { source: '10.0.0.1', destination: address },
    tcp,
  })
}

async function look(bytes: Uint8Array, piece: number) {
  const { mac, source } = await lookForDirector(piped(bytes, piece), vips)
  const frames: string[] = []
  const capture = readCapture(source)
  for await (const frame of capture) frames.push(Buffer.from(frame.bytes).toString('hex'))
  return { mac: mac && macText(mac as Mac), frames, problem: capture.problem }
}

t.test('the first frame for a VIP tells', async (t) => {
  const frames = [
    frameTo('02:00:00:00:00:aa', '192.168.1.1'),
    frameTo('ff:ff:ff:ff:ff:ff'),
    frameTo('02:00:00:00:00:bb'),
    frameTo('02:00:00:00:00:cc'),
  ]
  const bytes = captureOf(...frames.map((frame, i) => [i, frame] as const))
  for (const piece of [1, 24, 100, 1 << 20]) {
    const found = await look(bytes, piece)
    t.equal(found.mac, '02:00:00:00:00:bb')
    t.same(
      found.frames,
      frames.map((frame) => Buffer.from(frame).toString('hex')),
    )
    t.equal(found.problem, null)
  }
})

t.test('IPv6, and tags', async (t) => {
  const ipv6 = { source: '2001:db8::1', destination: '2001:db8::110' }
  const bytes = build({ ethernet: { destination: '02:00:00:00:00:dd', vlan: 7 }, ipv6, tcp })
  t.equal((await look(captureOf([0, bytes]), 50)).mac, '02:00:00:00:00:dd')
})

t.test('nobody is found', async (t) => {
  const other = captureOf([0, frameTo('02:00:00:00:00:aa', '192.168.1.1')])
  t.equal((await look(other, 9)).mac, null)
  const cooked = pcap({ linkType: 113 }, [{ bytes: frameTo('02:00:00:00:00:aa') }])
  t.equal((await look(cooked, 9)).mac, null, 'not Ethernet')
  const empty = await look(new Uint8Array(0), 9)
  t.equal(empty.mac, null)
  t.match(empty.problem?.message, /an empty file/)
  const whole = captureOf([0, frameTo('02:00:00:00:00:aa')])
  const cut = await look(whole.slice(0, -1), 9)
  t.equal(cut.mac, null)
  t.equal(cut.problem?.kind, 'truncated')
})

t.test('a source that fails, fails for the reader', async (t) => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield captureOf([0, frameTo('02:00:00:00:00:aa', '192.168.1.1')])
    throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', errno: -5 })
  }
  const { mac, source } = await lookForDirector(failing(), vips)
  t.equal(mac, null)
  const capture = readCapture(source)
  let frames = 0
  for await (const _ of capture) frames++
  t.equal(frames, 1)
  t.match(capture.problem, { kind: 'unreadable', message: /EIO/ })
})

t.test('the source is closed when the reader has seen enough', async (t) => {
  let isClosed = false
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      yield captureOf([0, frameTo('02:00:00:00:00:aa')])
      for (;;) yield new Uint8Array(16)
    } finally {
      isClosed = true
    }
  }
  const { mac, source } = await lookForDirector(endless(), vips)
  t.not(mac, null)
  t.equal(isClosed, false, 'looking leaves it open')
  for await (const _ of readCapture(source)) break
  t.equal(isClosed, true)
})
