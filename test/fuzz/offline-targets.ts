/**
 * Captures, whole and damaged, through the library functions behind `uipvs replay` and `uipvs
 * explain`. Whatever the bytes are:
 *
 *   every frame that the reader gives (up to the first that is not Ethernet) has one verdict
 *   the counts of the summary are those of the frames
 *   the recording can be read again, and has each frame as it came
 *   a frame can be explained, with the verdict that the replay gave it (one capture in three)
 */
import assert from 'node:assert/strict'
import { ENDINGS } from '../../src/engine/verdict.js'
import { PLAIN } from '../../src/lab/paint.js'
import { Explainer } from '../../src/offline/explain.js'
import { explanationText } from '../../src/offline/print-explanation.js'
import { frameLine, summaryText } from '../../src/offline/print-replay.js'
import { Recorder } from '../../src/offline/recorder.js'
import { replay, tellFrame } from '../../src/offline/replay.js'
import { DEFAULT_DIRECTOR_MAC } from '../../src/offline/surroundings.js'
import { PcapngWriter } from '../../src/port/pcapng.js'
import { type CapturedFrame, readCapture } from '../../src/port/replay.js'
import { build, type FrameSpec } from '../../src/wire/build.js'
import { DIRECTOR, LIMITS, RULES, rulesOf, VIP } from '../offline/harness.js'
import { concat, inPieces, interfaceBlock, packetBlock, pcap, section } from '../port/captures.js'
import { type Chance, damaged } from './chance.js'
import type { Target } from './targets.js'

const ipv4 = { source: '10.0.0.1', destination: VIP }
const ipv6 = { source: '2001:db8::1', destination: '2001:db8::110' }
const ports = { sport: 40000, dport: 80 }
const quote = {
  ipv4: { source: VIP, destination: '10.0.0.1' },
  tcp: { sport: 80, dport: 40000, flags: 'SA' },
}

const SPECS: readonly FrameSpec[] = [
  { ipv4, tcp: ports },
  { ipv4, tcp: { ...ports, flags: 'A' }, payload: 30 },
  { ipv4, tcp: { ...ports, flags: 'FA' } },
  { ipv4, tcp: { ...ports, flags: 'R' } },
  { ipv4, udp: { ...ports, dport: 53 }, payload: 9 },
  { ipv4: { ...ipv4, mf: true }, udp: { ...ports, dport: 53 }, payload: 24 },
  { ipv4: { ...ipv4, frag: 32, protocol: 17 }, payload: 20 },
  { ipv4, icmp: { type: 8 }, payload: 20 },
  { ipv4, icmp: { type: 3, code: 4, mtu: 1400, quote } },
  { ipv4, sctp: ports },
  { ipv6, tcp: ports },
  { ipv6: { ...ipv6, extensions: [{ kind: 'fragment', more: true }] }, tcp: ports, payload: 24 },
  { ipv6, icmpv6: { type: 135, target: ipv6.destination, linkLayer: '02:00:00:00:00:01' } },
  {
    arp: {
      operation: 'reply',
      senderMac: '02:00:00:00:00:33',
      sender: '192.168.1.3',
      target: '192.168.1.1',
    },
  },
  { ethernet: { destination: DIRECTOR, vlan: 3 }, ipv4, tcp: ports },
]
const FRAMES = SPECS.map((spec) => build({ ethernet: { destination: DIRECTOR }, ...spec }))

function makeFrame(chance: Chance): Uint8Array {
  const frame = chance.pick(FRAMES)
  return chance.oneIn(4) ? damaged(frame, chance) : frame
}

/** Mostly a little later, at times leaps. */
function makeSeconds(chance: Chance): number {
  return chance.oneIn(40) ? chance.bits() : 1_700_000_000 + chance.below(20)
}

function makeCapture(chance: Chance): Uint8Array {
  const count = 1 + chance.below(10)
  if (chance.oneIn(2)) {
    const records = Array.from({ length: count }, () => ({
      bytes: makeFrame(chance),
      seconds: makeSeconds(chance),
      fraction: chance.below(1_000_000),
    }))
    return pcap({ linkType: chance.oneIn(30) ? 113 : 1 }, records)
  }
  const blocks = Array.from({ length: count }, () =>
    packetBlock(true, 0, BigInt(makeSeconds(chance)) * 1_000_000n, makeFrame(chance)),
  )
  return concat(section(true), interfaceBlock(true), ...blocks)
}

const rules = rulesOf(RULES)

async function framesOf(bytes: Uint8Array): Promise<CapturedFrame[]> {
  const frames: CapturedFrame[] = []
  for await (const frame of readCapture(bytes)) frames.push(frame)
  return frames
}

async function runReplay(input: Uint8Array, chance: Chance): Promise<void> {
  const mode = chance.oneIn(2) ? 'textbook' : 'kernel'
  const options = { rules, mode, directorMac: DEFAULT_DIRECTOR_MAC, limits: LIMITS } as const
  const read = await framesOf(input)
  const foreign = read.findIndex((frame) => frame.linkType !== 1)
  const given = foreign < 0 ? read : read.slice(0, foreign)
  const verdicts: number[] = []
  const parts: Uint8Array[] = []
  const recorder = new Recorder(new PcapngWriter((bytes) => parts.push(bytes.slice())))
  const { directorMac, ...found } = options
  const summary = await replay(
    inPieces(input, 1 + chance.below(200)),
    chance.oneIn(2) ? options : found,
    {
      frame: (frame, offline) => {
        const told = tellFrame(frame, offline)
        verdicts.push(frame.verdict)
        recorder.frame(frame, told.realserver)
        frameLine(frame, told, PLAIN)
      },
      own: (bytes, ms) => recorder.own(bytes, ms),
    },
  )
  summaryText(summary, PLAIN)
  assert.equal(verdicts.length, given.length)
  assert.equal(summary.frames, given.length)
  assert.equal(
    summary.verdicts.reduce((sum, { frames }) => sum + frames, 0),
    given.length,
  )
  const recording = await framesOf(concat(...parts))
  const came = recording.filter((frame) => frame.interface === 'in')
  assert.deepEqual(
    came.map((frame) => Buffer.from(frame.bytes).toString('hex')),
    given.map((frame) => Buffer.from(frame.bytes).toString('hex')),
  )
  if (summary.directorMac !== DIRECTOR || !chance.oneIn(3)) return
  const explainer = new Explainer(options)
  for (const [i, { bytes, timestampMs }] of given.entries()) {
    const explained = explainer.explain(bytes, timestampMs)
    assert.equal(explained.verdict.name, ENDINGS[verdicts[i]].name, `frame ${i + 1}`)
    explanationText(explained, PLAIN)
  }
}

export const offlineTargets: readonly Target[] = [
  {
    name: 'offline director',
    make: (chance) =>
      chance.oneIn(2) ? makeCapture(chance) : damaged(makeCapture(chance), chance),
    run: runReplay,
  },
]
