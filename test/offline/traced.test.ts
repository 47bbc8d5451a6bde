import t from 'tap'
import type { TracedFrame } from '../../src/control/trace.js'
import { TraceRecorder } from '../../src/offline/trace-recorder.js'
import { bytesOf, tracedText } from '../../src/offline/traced.js'
import type { CapturedFrame } from '../../src/port/captured-frame.js'
import { PcapngWriter } from '../../src/port/pcapng.js'
import { readCapture } from '../../src/port/replay.js'
import { build, hex, realserverMac, relayed } from '../engine/world.js'

const frame = build({
  ipv4: { source: '10.0.0.1', destination: '192.168.1.110' },
  tcp: { sport: 40000, dport: 80, flags: 'PA' },
  payload: 300,
})
const left = relayed(frame, realserverMac(2))
const forwarded: TracedFrame = {
  type: 'frame',
  time: 1_795_741_739.879035,
  worker: 0,
  arm: 'eth0',
  length: frame.length,
  verdict: 'forwarded',
  action: 'forward',
  realserver: '192.168.1.2:80',
  mac: realserverMac(2),
  egress: 'eth1',
  oneOf: 1,
  before: hex(frame),
  after: hex(left),
}
const held: TracedFrame = {
  ...forwarded,
  verdict: 'neighbour-held',
  action: 'hold',
  mac: null,
  egress: null,
  oneOf: 37,
  after: null,
}
const FLOW = 'tcp 10.0.0.1:40000 > 192.168.1.110:80'

t.test('a frame as text', async (t) => {
  t.match(tracedText(forwarded), {
    frame: `${FLOW} PA`,
    outcome: `forwarded to 192.168.1.2:80 at ${realserverMac(2)}`,
    share: '',
    sentence: 'Sent to its realserver.',
  })
  t.match(tracedText(held), {
    outcome: 'neighbour-held meant for 192.168.1.2:80',
    share: '1 of 37',
  })
  t.match(
    tracedText({
      ...held,
      realserver: null,
      verdict: 'no-service',
      length: 30,
      before: hex(frame.subarray(0, 30)),
    }),
    {
      frame: 'a malformed IPv4 packet',
      outcome: 'no-service',
    },
  )
  t.match(tracedText({ ...forwarded, before: hex(frame.subarray(0, 192)) }), {
    frame: `${FLOW} PA`,
  })
  t.match(tracedText({ ...held, before: '' }), { frame: `${frame.length} bytes` })
})

t.test('a frame as a capture: both sides, each where it was, verdict and share told', async (t) => {
  const pieces: Uint8Array[] = []
  const recorder = new TraceRecorder(new PcapngWriter((bytes) => pieces.push(bytes.slice())))
  const cut = { ...held, before: hex(frame.subarray(0, 100)) }
  for (const each of [forwarded, cut]) recorder.frame(each)
  const frames: CapturedFrame[] = []
  async function* file() {
    yield* pieces
  }
  for await (const each of readCapture(file())) frames.push(each)
  t.match(frames, [
    {
      interface: 'eth0',
      direction: 'in',
      comment: 'forwarded: Sent to its realserver. (192.168.1.2:80)',
      originalLength: frame.length,
    },
    { interface: 'eth1', direction: 'out', comment: 'to 192.168.1.2:80' },
    { interface: 'eth0', direction: 'in', originalLength: frame.length },
  ])
  t.match(frames[2]?.comment, /^neighbour-held: .*\(192\.168\.1\.2:80\)\n1 of 37 like it$/)
  const sides = [frame, left, frame.subarray(0, 100)]
  t.same(
    frames.map(({ bytes }) => hex(bytes)),
    sides.map(hex),
  )
  for (const { timestampMs } of frames) t.ok(Math.abs(timestampMs - 1_795_741_739_879.035) < 0.001)
  t.same(bytesOf('00ff10'), Uint8Array.of(0, 255, 16))
})
