/**
 * Captures through the offline director: verdicts, times, summary, and the capture that is written.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ENDINGS } from '../../src/engine/verdict.js'
import { Recorder } from '../../src/offline/recorder.js'
import { type ReplayOptions, replay, tellFrame } from '../../src/offline/replay.js'
import { PcapngWriter } from '../../src/port/pcapng.js'
import { type CapturedFrame, readCapture } from '../../src/port/replay.js'
import { build } from '../../src/wire/build.js'
import { concat, pcap } from '../port/captures.js'
import {
  captureOf,
  DIRECTOR,
  explainer,
  LIMITS,
  packet,
  piped,
  RULES,
  rulesOf,
  VIP,
} from './harness.js'

const options: ReplayOptions = { rules: rulesOf(RULES), mode: 'textbook', limits: LIMITS }
const SYN = packet('tcp 10.0.0.1:40000 192.168.1.110:80 S')
const ACK = packet('tcp 10.0.0.1:40000 192.168.1.110:80 A')
const CLOSED = packet('tcp 10.0.0.1:40000 192.168.1.110:81 S')
const UDP = packet('udp 10.0.0.1:40000 192.168.1.110:53')
const CAPTURE = captureOf([0, SYN], [1, ACK], [5, CLOSED], [10, UDP], [2_000_000, ACK])

async function played(capture: Uint8Array, given: Partial<ReplayOptions> = {}) {
  const lines: string[] = []
  const summary = await replay(
    piped(capture, 100),
    { ...options, ...given },
    {
      frame: (frame, offline) => {
        const { realserver } = tellFrame(frame, offline)
        const { name } = ENDINGS[frame.verdict]
        lines.push(`${frame.number} ${frame.seconds} ${name} ${realserver ?? '-'}`)
      },
    },
  )
  return { lines, summary }
}

t.test('each frame has its number, time, verdict and realserver', async (t) => {
  const { lines, summary } = await played(CAPTURE)
  t.same(lines, [
    '1 0 forwarded 192.168.1.3:80',
    '2 0.001 forwarded 192.168.1.3:80',
    '3 0.005 no-service -',
    '4 0.01 forwarded 192.168.1.2:53',
    '5 2000 not-an-opening -',
  ])
  t.match(summary, {
    frames: 5,
    seconds: 2000,
    directorMac: DIRECTOR,
    ownFrames: 2,
    cutFrames: 0,
    problem: null,
    verdicts: [
      { name: 'no-service', action: 'answer', frames: 1 },
      { name: 'not-an-opening', action: 'answer', frames: 1 },
      { name: 'forwarded', action: 'forward', frames: 3 },
    ],
  })
  const tcp = summary.services.find(({ service }) => service === `tcp ${VIP}:80`)
  t.match(tcp?.realservers[1], {
    realserver: '192.168.1.3:80',
    connections: 1,
    packets: 2,
    bytes: 80,
  })
  t.match(tcp?.realservers[1], { active: 0, inactive: 0 }, 'it has timed out')
})

t.test('a frame means the same to replay and to explain', async (t) => {
  const { lines } = await played(CAPTURE)
  const one = explainer()
  const frames: CapturedFrame[] = []
  for await (const frame of readCapture(CAPTURE)) frames.push(frame)
  for (const [i, { bytes, timestampMs }] of frames.entries()) {
    t.equal(one.explain(bytes, timestampMs).verdict.name, lines[i].split(' ')[2], `frame ${i + 1}`)
  }
})

t.test('a capture that ends too early: what came before is replayed', async (t) => {
  const { lines, summary } = await played(CAPTURE.slice(0, -1))
  t.equal(lines.length, 4)
  t.match(summary, { frames: 4, problem: { kind: 'truncated' } })
})

t.test('what is not Ethernet is refused', async (t) => {
  const cooked = pcap({ linkType: 113 }, [{ bytes: SYN }])
  const { lines, summary } = await played(cooked)
  t.same(lines, [])
  t.match(summary.problem, { kind: 'unsupported', message: /only Ethernet.*link type 113/ })
})

t.test('frames that were cut are counted, and judged as they stand', async (t) => {
  const cut = pcap({}, [{ bytes: SYN.slice(0, 40), original: SYN.length }])
  const { lines, summary } = await played(cut, { directorMac: { high: 0x0200, low: 0xff01 } })
  t.same(lines, ['1 0 malformed-ip -'])
  t.equal(summary.cutFrames, 1)
})

t.test('the director is where the first frame for a VIP went, or as said', async (t) => {
  const other = build({
    ethernet: { destination: '02:00:00:00:00:42' },
    ipv4: { source: '10.0.0.1', destination: VIP },
    tcp: { sport: 1, dport: 80 },
  })
  const found = await played(captureOf([0, other]))
  t.equal(found.summary.directorMac, '02:00:00:00:00:42')
  t.match(found.lines, ['1 0 forwarded 192.168.1.3:80'])
  const said = await played(captureOf([0, other]), { directorMac: { high: 0x0200, low: 1 } })
  t.same(said.lines, ['1 0 other-host -'])
})

t.test('it waits for who writes', async (t) => {
  let waited = 0
  let heard = 0
  await replay(piped(CAPTURE), options, {
    frame: () => {
      t.equal(heard++, waited, 'no frame before the last was written')
    },
    behind: async () => {
      await new Promise((resolve) => setImmediate(resolve))
      waited++
    },
  })
  t.equal(waited, 5)
})

async function recorded(capture: Uint8Array) {
  const parts: Uint8Array[] = []
  const recorder = new Recorder(new PcapngWriter((bytes) => parts.push(bytes.slice())))
  await replay(piped(capture), options, {
    frame: (frame, offline) => recorder.frame(frame, tellFrame(frame, offline).realserver),
    own: (bytes, ms) => recorder.own(bytes, ms),
  })
  return concat(...parts)
}

t.test('the recording: what came with its verdict, then what left', async (t) => {
  const frames: CapturedFrame[] = []
  const capture = readCapture(await recorded(CAPTURE))
  for await (const frame of capture) frames.push(frame)
  t.equal(capture.problem, null)
  t.same(
    frames.map(({ interface: name, timestampMs, comment }) => [name, timestampMs, comment]),
    [
      ['in', 0, 'forwarded: Sent to its realserver. (192.168.1.3:80)'],
      ['out', 0, 'to 192.168.1.3:80'],
      ['in', 1, 'forwarded: Sent to its realserver. (192.168.1.3:80)'],
      ['out', 1, 'to 192.168.1.3:80'],
      ['in', 5, commentOf('no-service')],
      ['out', 5, 'sent by the director itself'],
      ['in', 10, 'forwarded: Sent to its realserver. (192.168.1.2:53)'],
      ['out', 10, 'to 192.168.1.2:53'],
      ['in', 2_000_000, commentOf('not-an-opening')],
      ['out', 2_000_000, 'sent by the director itself'],
    ],
  )
  t.same(new Uint8Array(frames[0].bytes), SYN, 'as it came')
  t.same(frames[1].bytes.slice(12), SYN.slice(12), 'and as it left')
  t.equal(
    Buffer.from(frames[1].bytes.slice(0, 12)).toString('hex'),
    '0200c0a801030200' + '0000ff01',
  )
})

function commentOf(name: string): string {
  return `${name}: ${ENDINGS.find((ending) => ending.name === name)?.sentence}`
}

t.test('a comment that a packet had is kept behind the verdict', async (t) => {
  const parts: Uint8Array[] = []
  const writer = new PcapngWriter((bytes) => parts.push(bytes.slice()))
  const id = writer.addInterface({ name: 'eth0' })
  writer.packet({ interface: id, timestampMs: 0, bytes: CLOSED, comment: 'look here' })
  const capture = readCapture(await recorded(concat(...parts)))
  for await (const { comment } of capture) {
    t.equal(comment, `${commentOf('no-service')}\nlook here`)
    break
  }
})

const tcpdump = spawnSync('tcpdump', ['--version']).error === undefined

t.test('tcpdump reads it', { skip: tcpdump ? false : 'tcpdump is not installed' }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'uipvs-replay-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'out.pcapng')
  writeFileSync(path, await recorded(CAPTURE))
  const done = spawnSync('tcpdump', ['-nner', path], { encoding: 'utf8' })
  t.equal(done.status, 0, done.stderr)
  const lines = done.stdout.trimEnd().split('\n')
  t.equal(lines.length, 10)
  t.match(
    lines[1],
    /02:00:00:00:ff:01 > 02:00:c0:a8:01:03.* 10.0.0.1.40000 > 192.168.1.110.80: Flags \[S\]/,
  )
  t.match(lines[5], /192.168.1.110.81 > 10.0.0.1.40000: Flags \[R.\]/)
})
