import fc from 'fast-check'
import t from 'tap'
import {
  HELD_FRAME_BYTES,
  HELD_FRAMES_MAX,
  HELD_MS,
  HELD_PER_NEIGHBOUR_MAX,
  HeldFrames,
} from '../../src/link/held-frames.js'

const SEED = 20261122

t.test('a copy, as long as the frame', async (t) => {
  const held = new HeldFrames()
  const frame = Uint8Array.from({ length: 100 }, (_, i) => i)
  const at = held.hold(7, frame, 10, 60, 0)
  frame.fill(0xff)
  const slot = held.oldest(7)
  t.equal(held.offset(slot), at)
  t.equal(held.length(slot), 60)
  t.equal(held.neighbour(slot), 7)
  t.same(
    [...held.bytes.subarray(at, at + 60)],
    Array.from({ length: 60 }, (_, i) => 10 + i),
  )
  t.equal(held.oldest(8), -1)
})

t.test('bounded: in all, for one neighbour, and in length', async (t) => {
  const held = new HeldFrames()
  const frame = new Uint8Array(HELD_FRAME_BYTES + 1)
  t.equal(held.hold(0, frame, 0, HELD_FRAME_BYTES + 1, 0), -1)
  t.ok(held.hold(0, frame, 0, HELD_FRAME_BYTES, 0) >= 0)
  let count = 1
  for (let neighbour = 0; neighbour < 10; neighbour++) {
    let own = neighbour === 0 ? 1 : 0
    while (held.hold(neighbour, frame, 0, 1, 0) >= 0) own++
    t.equal(
      own,
      Math.min(HELD_PER_NEIGHBOUR_MAX, HELD_FRAMES_MAX - count + (neighbour === 0 ? 1 : 0)),
    )
    count += own - (neighbour === 0 ? 1 : 0)
  }
  t.equal(held.count, HELD_FRAMES_MAX)
})

t.test('each neighbour its frames in the order of arrival, whatever slots are free', async (t) => {
  const step = fc.record({
    neighbour: fc.nat({ max: 3 }),
    do: fc.constantFrom('hold', 'hold', 'take'),
  })
  const property = fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const held = new HeldFrames()
    const model = new Map<number, number[]>()
    const byte = new Uint8Array(2)
    const view = new DataView(byte.buffer)
    let serial = 0
    for (const { neighbour, do: what } of steps) {
      const queue = model.get(neighbour) ?? []
      model.set(neighbour, queue)
      if (what === 'hold') {
        view.setUint16(0, ++serial)
        const at = held.hold(neighbour, byte, 0, 2, serial)
        if (at >= 0 !== queue.length < HELD_PER_NEIGHBOUR_MAX) throw new Error('room')
        if (at >= 0) queue.push(serial)
      } else {
        const slot = held.oldest(neighbour)
        const expected = queue.shift()
        if (slot >= 0 !== (expected !== undefined)) throw new Error('oldest')
        if (slot < 0) continue
        if (held.view.getUint16(held.offset(slot)) !== expected) throw new Error('order')
        held.release(slot)
      }
      const sum = [...model.values()].reduce((all, each) => all + each.length, 0)
      if (held.count !== sum) throw new Error('count')
    }
  })
  fc.assert(property, { seed: SEED, numRuns: 200 })
  t.pass('200 sequences')
})

t.test('until its time is up', async (t) => {
  const held = new HeldFrames()
  held.hold(1, new Uint8Array(4), 0, 4, 1000)
  const slot = held.oldest(1)
  t.notOk(held.isExpired(slot, 1000 + HELD_MS - 1))
  t.ok(held.isExpired(slot, 1000 + HELD_MS))
  held.release(slot)
  t.notOk(held.isExpired(slot, 1000 + HELD_MS), 'a free slot is not expired')
})
