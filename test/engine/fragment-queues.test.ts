import fc from 'fast-check'
import t from 'tap'
import {
  ADDED,
  DUPLICATE,
  FragmentQueues,
  NO_ROOM,
  NONE,
  OVERLAP,
} from '../../src/engine/fragment-queues.js'

const SEED = Number(process.env.UIPVS_TEST_SEED ?? 20261122)
const HEADER = 34

/** Queues for frames of 256 bytes, 16 of them. */
function makeQueues(chunks = 16): FragmentQueues {
  return new FragmentQueues(256, 0, chunks * 256)
}

function frame(fill: number): Uint8Array {
  return new Uint8Array(256).fill(fill)
}

function add(queues: FragmentQueues, queue: number, offset: number, end: number): number {
  return queues.add(queue, frame(offset & 0xff), 0, HEADER, offset, end)
}

function open(queues: FragmentQueues, id: number): number {
  queues.key.fill(0)
  queues.key[8] = id
  return queues.open(0, 30_000)
}

/** Offsets of the fragments of a queue, in the order of the list. */
function offsets(queues: FragmentQueues, queue: number): number[] {
  const list: number[] = []
  for (let f = queues.head[queue]; f !== NONE; f = queues.next[f] as number) {
    list.push(queues.offset[f] as number)
    if (list.length > 100) break
  }
  return list
}

t.test('pieces in any order make a whole, exactly when the last has come', async (t) => {
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 20 }), { maxLength: 8 })
  const property = fc.property(cuts, fc.nat(), (at, turn) => {
    const ends = [...at.sort((a, b) => a - b).map((n) => n * 8), 21 * 8]
    const pieces = ends.map((end, i) => ({ offset: ends[i - 1] ?? 0, end }))
    const sorted = pieces.map(({ offset }) => offset)
    for (let i = pieces.length - 1; i > 0; i--) {
      const j = Math.imul(turn, 2654435761 + i) >>> 0
      const other = j % (i + 1)
      const piece = pieces[i] as (typeof pieces)[0]
      pieces[i] = pieces[other] as (typeof pieces)[0]
      pieces[other] = piece
    }
    const queues = makeQueues()
    const queue = open(queues, 1)
    for (const [i, { offset, end }] of pieces.entries()) {
      if (queues.isComplete(queue)) throw new Error('complete too early')
      if (!queues.measure(queue, end, end === 168)) throw new Error('measured as wrong')
      if (add(queues, queue, offset, end) !== ADDED) throw new Error('refused')
      // The same again, and any part of it, does no harm.
      const inner = i % 2 === 0 ? end : Math.max(offset + 8, end - 8)
      if (add(queues, queue, offset, inner) !== DUPLICATE) throw new Error('not a duplicate')
    }
    if (!queues.isComplete(queue)) throw new Error('not complete')
    if (offsets(queues, queue).join() !== sorted.join()) throw new Error('out of order')
    queues.close(queue)
  })
  fc.assert(property, { seed: SEED, numRuns: 500 })
  t.pass('500 datagrams')
})

t.test('what touches a run without lying within one is an overlap', async (t) => {
  const queues = makeQueues()
  const queue = open(queues, 1)
  t.equal(add(queues, queue, 80, 120), ADDED)
  t.equal(add(queues, queue, 0, 40), ADDED)
  t.equal(add(queues, queue, 32, 48), OVERLAP, 'over the end of one')
  t.equal(add(queues, queue, 72, 88), OVERLAP, 'over the beginning of one')
  t.equal(add(queues, queue, 8, 16), DUPLICATE)
  t.equal(add(queues, queue, 112, 128), OVERLAP, 'over the end of the last')
  t.equal(add(queues, queue, 0, 120), OVERLAP, 'over all')
  t.equal(add(queues, queue, 40, 80), ADDED, 'the gap')
  t.equal(add(queues, queue, 32, 48), OVERLAP, 'two runs stay two, as in Linux')
  t.equal(add(queues, queue, 120, 160), ADDED)
  t.equal(add(queues, queue, 88, 150), DUPLICATE, 'but what came one behind the other is one run')
  t.same(offsets(queues, queue), [0, 40, 80, 120])
})

t.test('the length that fragments claim must not contradict what is known', async (t) => {
  const queues = makeQueues()
  const queue = open(queues, 1)
  t.ok(queues.measure(queue, 80, false))
  t.notOk(queues.measure(queue, 40, true), 'the end lies before what has come')
  t.ok(queues.measure(queue, 100, true))
  t.notOk(queues.measure(queue, 108, true), 'another end')
  t.notOk(queues.measure(queue, 104, false), 'something behind the end')
  t.ok(queues.measure(queue, 96, false))
})

t.test('room is bounded, and comes back', async (t) => {
  const queues = makeQueues(4)
  t.equal(queues.capacity, 4)
  for (let id = 1; id <= 4; id++) t.equal(add(queues, open(queues, id), 0, 8), ADDED)
  t.equal(open(queues, 5), NONE)
  const first = open(queues, 1)
  t.equal(add(queues, first, 8, 16), NO_ROOM, 'not for one that is known either')
  t.equal(queues.count, 4)
  queues.close(first)
  t.equal(queues.count, 3)
  t.notOk(queues.isOpen(first))
  const fifth = open(queues, 5)
  t.equal(add(queues, fifth, 0, 8), ADDED)
  for (const id of [2, 3, 4])
    t.equal(offsets(queues, open(queues, id)).join(), '0', `${id} is there`)
  t.equal(
    queues.add(fifth, new Uint8Array(512), 0, HEADER, 8, 8 + 256),
    NO_ROOM,
    'no frame longer than a chunk',
  )
})

t.test('datagrams in one bucket are told apart, and closed in any order', async (t) => {
  const queues = new FragmentQueues(64, 0, 64 * 4096)
  const slots = Array.from({ length: 4096 }, (_, id) => open(queues, id))
  t.equal(new Set(slots).size, 4096)
  t.ok(slots.every((slot, id) => open(queues, id) === slot))
  for (let id = 0; id < 4096; id += 3) queues.close(slots[id] as number)
  for (let id = 0; id < 4096; id++) {
    queues.key.fill(0)
    queues.key[8] = id
    if ((queues.find() === NONE) !== (id % 3 === 0)) t.fail(`datagram ${id}`)
  }
})
