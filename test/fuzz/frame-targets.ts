/**
 * Frames, whole and damaged, through what reads frames outside of the director's path. The bytes
 * behind a frame's end are not its own: with other bytes there, the result has to be the same.
 */
import assert from 'node:assert/strict'
import { build, type FrameSpec } from '../../src/wire/build.js'
import { describe } from '../../src/wire/describe.js'
import { completeChecksum } from '../../src/wire/partial-checksum.js'
import { type Chance, damaged } from './chance.js'
import type { Target } from './targets.js'

const IPV4 = { source: '10.0.0.1', destination: '10.9.0.100' }
const IPV6 = { source: '2001:db8::1', destination: '2001:db8::100' }
const PORTS = { sport: 40000, dport: 80 }
const EXTENSIONS = [
  { kind: 'hop-by-hop' },
  { kind: 'routing', bytes: 24 },
  { kind: 'destination-options', bytes: 16 },
  { kind: 'fragment', offset: 64, more: true },
] as const

const SPECS: readonly FrameSpec[] = [
  { arp: { senderMac: '02:00:00:00:00:01', sender: '10.0.0.1', target: '10.9.0.100' } },
  { ipv4: IPV4, tcp: { ...PORTS, options: [2, 4, 5, 180, 1, 3, 3, 7] }, payload: 40 },
  { ipv4: { ...IPV4, options: [7, 7, 4, 0, 0, 0, 0] }, udp: PORTS, payload: 9 },
  { ipv4: { ...IPV4, frag: 64, mf: true }, payload: 64 },
  { ethernet: { vlan: [100, 200] }, ipv4: IPV4, sctp: PORTS },
  { ipv4: IPV4, icmp: { type: 8, identifier: 1, sequence: 2 }, payload: 56 },
  {
    ipv4: IPV4,
    icmp: { type: 3, code: 4, mtu: 1400, quote: { ipv4: IPV4, tcp: PORTS } },
  },
  { ipv6: IPV6, tcp: PORTS, payload: 33 },
  { ipv6: { ...IPV6, extensions: EXTENSIONS }, udp: PORTS, payload: 12 },
  { ipv6: IPV6, icmpv6: { type: 135, target: IPV6.destination, linkLayer: '02:00:00:00:00:01' } },
  { ipv6: IPV6, icmpv6: { type: 1, code: 4, quote: { ipv6: IPV6, udp: PORTS } } },
]

const FRAMES = SPECS.map((spec) => build(spec))

function makeFrame(chance: Chance): Uint8Array {
  if (chance.oneIn(12)) return chance.bytes(chance.below(120))
  return damaged(chance.pick(FRAMES), chance)
}

/** The frame somewhere within other bytes. */
function embedded(frame: Uint8Array, around: number, at: number): DataView {
  const bytes = new Uint8Array(at + frame.length + 64).fill(around)
  bytes.set(frame, at)
  return new DataView(bytes.buffer)
}

function runDescribe(input: Uint8Array): void {
  const exact = new DataView(input.buffer, input.byteOffset, input.length)
  const layers = describe(exact, 0, input.length)
  for (const layer of layers) {
    assert.ok(layer.offset >= 0 && layer.offset + layer.bytes <= input.length, layer.name)
    for (const field of layer.fields) {
      assert.ok(field.offset + field.bytes <= input.length, `${layer.name}.${field.name}`)
    }
  }
  for (const around of [0x00, 0xff]) {
    assert.deepEqual(describe(embedded(input, around, 0), 0, input.length), layers)
  }
}

function runChecksum(input: Uint8Array, chance: Chance): void {
  const at = chance.below(9)
  const view = embedded(input, 0xa5, at)
  completeChecksum(view, at, input.length)
  const after = new Uint8Array(view.buffer)
  let changed = 0
  for (let i = 0; i < after.length; i++) {
    const before = i < at || i >= at + input.length ? 0xa5 : input[i - at]
    if (after[i] === before) continue
    assert.ok(i >= at && i < at + input.length, 'a byte outside of the frame was changed')
    changed++
  }
  assert.ok(changed <= 2, `${changed} bytes changed`)
}

export const frameTargets: readonly Target[] = [
  { name: 'describe', make: makeFrame, run: runDescribe },
  { name: 'partial checksum', make: makeFrame, run: runChecksum },
]
