/**
 * Frames of all kinds, whole and damaged, a few at a time, through the director in both modes. Each
 * frame lies between bytes that must stay as they are. What must hold: nothing throws; the verdict
 * is one of the list; what passes is untouched; in textbook mode what is forwarded has 12 other
 * bytes; each answer is one frame of our own; and what we send is well formed, to the last
 * checksum.
 */
import assert from 'node:assert/strict'
import { RuleBook } from '../../src/balance/apply.js'
import { Balancer } from '../../src/balance/balancer.js'
import { Region } from '../../src/balance/region.js'
import { SCHEDULERS } from '../../src/balance/schedulers/index.js'
import { Batch } from '../../src/engine/batch.js'
import { Director } from '../../src/engine/forward.js'
import { type Arm, Outbox } from '../../src/engine/port.js'
import { ACTION, ANSWER, ENDINGS, FORWARD, HOLD, PASS } from '../../src/engine/verdict.js'
import { build } from '../../src/wire/build.js'
import { ipv4Journeys } from '../engine/journeys-ipv4.js'
import { ipv6Journeys } from '../engine/journeys-ipv6.js'
import { linkJourneys } from '../engine/journeys-link.js'
import { ROUTES, rulesOf, service, VIP, VIP6, words } from '../engine/world.js'
import { type Chance, damaged } from './chance.js'
import type { Target } from './targets.js'

const GUARD_BYTES = 24
const GUARD = 0xa5
const OUTBOX_SLOTS = 8
const SLOT_BYTES = 2048

const FRAMES = [...linkJourneys, ...ipv4Journeys, ...ipv6Journeys]
  .map(({ frame }) => (frame instanceof Uint8Array ? frame : build(frame)))
  .filter((frame) => frame.length <= 1514)

/** Frames behind each other, each with its length in two bytes in front. */
function makeFrames(chance: Chance): Uint8Array {
  const pieces: number[] = []
  for (let count = 1 + chance.below(6); count > 0; count--) {
    const whole = chance.oneIn(20) ? chance.bytes(chance.below(150)) : chance.pick(FRAMES)
    const frame = (chance.oneIn(2) ? damaged(whole, chance) : whole).subarray(0, 1514)
    pieces.push(frame.length >>> 8, frame.length & 0xff, ...frame)
  }
  return Uint8Array.from(pieces)
}

function split(input: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let at = 0; at + 2 <= input.length; ) {
    const length = ((input[at] as number) << 8) | (input[at + 1] as number)
    frames.push(input.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return frames
}

const ARM: Arm = { name: 'a', macHigh: 0x0200, macLow: 1, mtu: 1500, superframes: true }
const LIMITS = { services: 4, destinations: 8, connections4: 8, connections6: 8, templates: 4 }

function makeDirector(mode: 'textbook' | 'kernel', outbox: Outbox): Director {
  const region = new Region(new ArrayBuffer(Balancer.bytes(LIMITS)))
  const rules = new RuleBook(region, LIMITS, 5, SCHEDULERS)
  const director = new Director({ rules, arms: [ARM], outbox, mode, answersPerSecond: 1e6 })
  director.start(0)
  director.setVips(
    [VIP, VIP6].map((address) => ({
      family: address === VIP ? 4 : 6,
      words: words(address),
      onKernel: false,
      announced: true,
    })),
  )
  director.resolver.announce([], 0, 0)
  director.setRoutes(ROUTES)
  const services = [
    { to: [2, 3] },
    { service: service(53, 'udp'), to: [4] },
    { service: service(80, 'sctp'), persistent: 60, to: [2] },
    { service: service(80, 'tcp', VIP6), to: [2] },
  ]
  for (const rule of rulesOf(services)) director.apply(rule)
  // One neighbour stays unknown: what is for it is held.
  for (let n = 1; n < director.neighbours.highWater; n++) director.neighbours.pin(n, 0x0200, n)
  return director
}

function runForward(mode: 'textbook' | 'kernel', input: Uint8Array, chance: Chance): void {
  const frames = split(input)
  const bytes = frames.reduce((sum, frame) => sum + frame.length + GUARD_BYTES, GUARD_BYTES)
  const arena = new Uint8Array(bytes).fill(GUARD)
  const batch = new Batch(arena.buffer, frames.length)
  const outbox = new Outbox(new ArrayBuffer(OUTBOX_SLOTS * SLOT_BYTES), OUTBOX_SLOTS, SLOT_BYTES)
  const director = makeDirector(mode, outbox)
  let at = GUARD_BYTES
  for (const [i, frame] of frames.entries()) {
    arena.set(frame, at)
    batch.offset[i] = at
    batch.length[i] = frame.length
    batch.partialChecksum[i] = chance.oneIn(8) ? 1 : 0
    batch.segmentBytes[i] = chance.oneIn(16) ? 1 + chance.below(1400) : 0
    at += frame.length + GUARD_BYTES
  }
  batch.count = frames.length
  let now = 0
  for (const i of frames.keys()) {
    now += chance.pick([0, 5, 1000, 40_000])
    director.begin(now)
    const before = arena.slice()
    outbox.count = 0
    outbox.bytes.fill(GUARD)
    const verdict = director.forward(batch, i)
    assert.ok(verdict >= 0 && verdict < ENDINGS.length, `verdict ${verdict}`)
    const action = ACTION[verdict]
    const name = `${mode}, frame ${i}: ${ENDINGS[verdict]?.name}`
    checkChanges(before, arena, batch, i, mode === 'textbook' && action === FORWARD, name)
    if (action === PASS) assert.deepEqual(arena, before, `${name}: untouched`)
    if (action === ANSWER) assert.equal(outbox.count, 1, `${name}: one answer`)
    else if (action !== HOLD) assert.equal(outbox.count, 0, `${name}: nothing of our own`)
    checkOutbox(outbox, name, true)
    outbox.count = 0
    outbox.bytes.fill(GUARD)
    director.tick()
    checkOutbox(outbox, `${mode}, tick`, false)
  }
}

/** Bytes outside of frame `i` are as before; with `isTextbook` all but its first twelve. */
function checkChanges(
  before: Uint8Array,
  after: Uint8Array,
  batch: Batch,
  i: number,
  isTextbook: boolean,
  name: string,
): void {
  const from = batch.offset[i] as number
  const to = from + Math.min(batch.length[i] as number, isTextbook ? 12 : 1e9)
  const isSame = (begin: number, end: number) =>
    Buffer.compare(before.subarray(begin, end), after.subarray(begin, end)) === 0
  assert.ok(isSame(0, from) && isSame(to, after.length), `${name}: other bytes were changed`)
}

const UNTOUCHED = new Uint8Array(SLOT_BYTES).fill(GUARD)

/**
 * `isWritten`: what is in the outbox was written by the director, and is not a frame that waited.
 */
function checkOutbox(outbox: Outbox, name: string, isWritten: boolean): void {
  for (let slot = 0; slot < OUTBOX_SLOTS; slot++) {
    const begin = slot * SLOT_BYTES
    const length = slot < outbox.count ? (outbox.length[slot] as number) : 0
    const rest = outbox.bytes.subarray(begin + length, begin + SLOT_BYTES)
    const isRestSame = Buffer.compare(rest, UNTOUCHED.subarray(0, rest.length)) === 0
    assert.ok(isRestSame, `${name}: written beyond slot ${slot}`)
    if (slot < outbox.count) checkOwn(outbox.bytes.slice(begin, begin + length), name, isWritten)
  }
}

/** What we send has right lengths and right checksums, reckoned here anew. */
function checkOwn(frame: Uint8Array, name: string, isWritten: boolean): void {
  const view = new DataView(frame.buffer)
  let ip = 14
  while ([0x8100, 0x88a8].includes(view.getUint16(ip - 2))) ip += 4
  const type = view.getUint16(ip - 2)
  if (type === 0x0806) {
    assert.ok(frame.length >= ip + 28, `${name}: a whole ARP`)
    return
  }
  if (type === 0x0800) {
    const header = (view.getUint8(ip) & 15) * 4
    const total = view.getUint16(ip + 2)
    // A frame that waited may be padded.
    assert.ok(
      isWritten ? total === frame.length - ip : total <= frame.length - ip,
      `${name}: length`,
    )
    assert.equal(onesSum(frame.subarray(ip, ip + header)), 0xffff, `${name}: header checksum`)
    const isPiece = (view.getUint16(ip + 6) & 0x3fff) !== 0
    if (isWritten && !isPiece && view.getUint8(ip + 9) === 1) {
      assert.equal(onesSum(frame.subarray(ip + header)), 0xffff, `${name}: ICMP checksum`)
    }
    return
  }
  assert.equal(type, 0x86dd, `${name}: EtherType ${type.toString(16)}`)
  const payload = frame.length - ip - 40
  if (isWritten) assert.equal(view.getUint16(ip + 4), payload, `${name}: payload length`)
  if (!isWritten || view.getUint8(ip + 6) !== 58) return
  const pseudo = Uint8Array.of(
    0,
    58,
    (frame.length - ip - 40) >>> 8,
    (frame.length - ip - 40) & 255,
  )
  const all = Uint8Array.of(
    ...frame.subarray(ip + 8, ip + 40),
    ...pseudo,
    ...frame.subarray(ip + 40),
  )
  assert.equal(onesSum(all), 0xffff, `${name}: ICMPv6 checksum`)
}

function onesSum(bytes: Uint8Array): number {
  let sum = 0
  for (const [i, byte] of bytes.entries()) sum += i % 2 === 0 ? byte << 8 : byte
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return sum
}

export const forwardTargets: readonly Target[] = (['textbook', 'kernel'] as const).map((mode) => ({
  name: mode === 'textbook' ? 'forward' : 'forward, kernel mode',
  make: makeFrames,
  run: (input, chance) => runForward(mode, input, chance),
}))
