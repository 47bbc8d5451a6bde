/**
 * Captures, whole and damaged, of both formats and both byte orders, through the readers and
 * through the port that plays them. Whatever the bytes are, reading has to end without an
 * exception, and:
 *
 *   frames are numbered from 0, and hold together no more bytes than the file
 *   times are numbers; a problem lies within the file
 *   the same bytes in other pieces give the same frames and the same problem
 */
import assert from 'node:assert/strict'
import { FORWARDED } from '../../src/engine/verdict.js'
import { PcapngWriter } from '../../src/port/pcapng.js'
import {
  type CapturedFrame,
  type CaptureSource,
  ReplayPort,
  readCapture,
} from '../../src/port/replay.js'
import {
  block,
  concat,
  fields,
  inPieces,
  interfaceBlock,
  option,
  packetBlock,
  pcap,
  section,
} from '../port/captures.js'
import { type Chance, damaged } from './chance.js'
import type { Target } from './targets.js'

function makePcap(chance: Chance): Uint8Array {
  const records = Array.from({ length: chance.below(6) }, () => ({
    bytes: chance.bytes(chance.below(chance.oneIn(20) ? 5000 : 80)),
    seconds: chance.bits(),
    fraction: chance.below(1_000_000),
  }))
  const littleEndian = chance.oneIn(2)
  const nanoseconds = chance.oneIn(2)
  return pcap({ littleEndian, nanoseconds, linkType: chance.oneIn(8) ? 113 : 1 }, records)
}

const TEXT = new TextEncoder().encode('a comment of some length, ünïcode')

function makeOption(le: boolean, chance: Chance): Uint8Array {
  const code = chance.pick([0, 1, 2, 9, 14, 2988])
  const value = chance.oneIn(2) ? TEXT : chance.bytes(chance.pick([0, 1, 4, 8, 13]))
  return option(le, code, value)
}

function makeBlock(le: boolean, chance: Chance): Uint8Array {
  const options = Array.from({ length: chance.below(3) }, () => makeOption(le, chance))
  const bytes = chance.bytes(chance.below(90))
  switch (chance.below(6)) {
    case 0:
      return interfaceBlock(le, chance.oneIn(4) ? 113 : 1, chance.pick([0, 96, 65535]), ...options)
    case 1:
      return block(le, 3, fields(le, [32, bytes.length]), bytes)
    case 2:
      return block(le, chance.pick([5, 0x0bad, 0xffffffff]), bytes)
    case 3:
      return concat(section(le), interfaceBlock(le))
    default:
      return packetBlock(
        le,
        chance.oneIn(5) ? 1 : 0,
        BigInt(chance.bits()) << 18n,
        bytes,
        ...options,
      )
  }
}

function makePcapng(chance: Chance): Uint8Array {
  const le = chance.oneIn(2)
  const blocks = Array.from({ length: chance.below(8) }, () => makeBlock(le, chance))
  return concat(section(le), interfaceBlock(le), ...blocks)
}

async function read(source: CaptureSource) {
  const capture = readCapture(source)
  const frames: CapturedFrame[] = []
  for await (const frame of capture) frames.push(frame)
  return { frames, problem: capture.problem }
}

const summary = ({ frames, problem }: Awaited<ReturnType<typeof read>>) =>
  JSON.stringify([
    problem,
    frames.map((f) => ({ ...f, bytes: Buffer.from(f.bytes).toString('hex') })),
  ])

async function runReader(input: Uint8Array, chance: Chance): Promise<void> {
  const whole = await read(input)
  let bytes = 0
  for (const [i, frame] of whole.frames.entries()) {
    assert.equal(frame.index, i)
    assert.ok(Number.isFinite(frame.timestampMs), 'a time that is no number')
    bytes += frame.bytes.length
  }
  assert.ok(bytes <= input.length, 'more bytes than the file has')
  if (whole.problem !== null) {
    assert.equal(whole.problem.record, whole.frames.length)
    assert.ok(whole.problem.offset <= input.length, 'a problem beyond the file')
  }
  const inParts = await read(inPieces(input, 1 + chance.below(chance.oneIn(2) ? 16 : 4096)))
  assert.equal(summary(inParts), summary(whole), 'other pieces, another result')
}

async function runReplay(input: Uint8Array, chance: Chance): Promise<void> {
  let settled = 0
  const port = new ReplayPort(readCapture(input), {
    batch: 1 + chance.below(8),
    quantumMs: chance.pick([0, 1, 1e9]),
    onSettled: ({ frame, after }) => {
      assert.equal(frame.index, settled++)
      assert.deepEqual(after, frame.bytes)
    },
  })
  let clockMs = Number.NEGATIVE_INFINITY
  while (await port.fill()) {
    const batch = port.receive()
    assert.ok(port.clockMs >= clockMs, 'the clock went back')
    clockMs = port.clockMs
    batch.verdict.fill(FORWARDED, 0, batch.count)
    port.settle(batch)
  }
  const { frames } = await read(input)
  const foreign = frames.findIndex((frame) => frame.linkType !== 1)
  assert.equal(settled, foreign < 0 ? frames.length : foreign)
  assert.equal(port.problem === null, foreign < 0 && (await read(input)).problem === null)
}

/** What the writer writes, the reader reads. The input is the content of the frames. */
async function runWriter(input: Uint8Array, chance: Chance): Promise<void> {
  const parts: Uint8Array[] = []
  const writer = new PcapngWriter((bytes) => parts.push(bytes))
  const resolution = chance.oneIn(2) ? 'us' : 'ns'
  writer.addInterface({ name: chance.oneIn(2) ? 'eth0' : '', resolution })
  const comment = Buffer.from(input).toString('latin1').replaceAll('\0', ' ')
  const written = Array.from({ length: chance.below(4) }, (_, i) => ({
    interface: 0,
    timestampMs: chance.bits() * 256 + i / 4,
    bytes: input.subarray(chance.below(input.length + 1)),
    ...(chance.oneIn(2) && { comment }),
    ...(chance.oneIn(2) && { direction: chance.pick(['in', 'out'] as const) }),
  }))
  for (const packet of written) writer.packet(packet)
  const { frames, problem } = await read(concat(...parts))
  assert.equal(problem, null)
  assert.deepEqual(
    frames.map((f) => [
      f.timestampMs,
      Buffer.from(f.bytes).toString('hex'),
      f.comment,
      f.direction,
    ]),
    written.map((w) => [
      w.timestampMs,
      Buffer.from(w.bytes).toString('hex'),
      'comment' in w ? w.comment : undefined,
      'direction' in w ? w.direction : undefined,
    ]),
  )
}

export const captureTargets: readonly Target[] = [
  { name: 'pcap', make: (chance) => damaged(makePcap(chance), chance), run: runReader },
  { name: 'pcapng', make: (chance) => damaged(makePcapng(chance), chance), run: runReader },
  {
    name: 'replay',
    make: (c) => damaged(c.oneIn(2) ? makePcap(c) : makePcapng(c), c),
    run: runReplay,
  },
  { name: 'pcapng writer', make: (chance) => chance.bytes(chance.below(300)), run: runWriter },
]
