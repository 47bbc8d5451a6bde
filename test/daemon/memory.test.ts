import t from 'tap'
import { Balancer } from '../../src/balance/balancer.js'
import { CONNECTIONS_MAX, DEFAULT_LIMITS } from '../../src/balance/limits.js'
import { CELL_NAMES, WorkerMemory } from '../../src/daemon/memory.js'
import { VERDICT_COUNT } from '../../src/engine/verdict.js'
import { ThreadMemory } from '../../src/native/mapping.js'
import { LIMITS } from '../balance/rule-book.js'

t.test('worker and reader lay the same memory out alike', async (t) => {
  const shared = new SharedArrayBuffer(WorkerMemory.bytes(LIMITS))
  const [worker, reader] = [new WorkerMemory(shared, LIMITS), new WorkerMemory(shared, LIMITS)]
  const tables = [worker, reader].map(({ region }) => new Balancer(region, LIMITS, 1))
  for (const [i, name] of CELL_NAMES.entries()) worker.set(name, i + 0.5)
  for (const [i, name] of CELL_NAMES.entries()) t.equal(reader.get(name), i + 0.5, name)
  worker.counts.fill(7)
  t.equal(reader.counts.length, VERDICT_COUNT)
  t.ok(reader.counts.every((count) => count === 7))
  const [written, seen] = tables as [Balancer, Balancer]
  t.equal(seen.connections4.count, 0, 'counts and cells are not in the tables')
  written.connections4.wheel.start(0)
  const slot = written.connections4.insert4(6, 1, 2, 0x10001, 0, 0, 5)
  t.equal(seen.connections4.find4(6, 1, 2, 0x10001), slot)
})

t.test('the bytes asked for are what it takes, no more than a line each too many', async (t) => {
  for (const limits of [LIMITS, DEFAULT_LIMITS]) {
    const bytes = WorkerMemory.bytes(limits)
    const memory = new WorkerMemory(new ArrayBuffer(bytes), limits)
    t.doesNotThrow(() => new Balancer(memory.region, limits, 1))
    t.equal(memory.region.used, bytes)
  }
})

t.test('the largest table that may be asked for has a last record', async (t) => {
  const limits = { ...DEFAULT_LIMITS, connections4: CONNECTIONS_MAX }
  const memory = ThreadMemory.create(WorkerMemory.bytes(limits))
  t.teardown(() => memory.close())
  const { region } = new WorkerMemory(memory.buffer, limits)
  const { connections4 } = new Balancer(region, limits, 1)
  t.equal(connections4.insert4(6, 1, 2, 0x10001, 0, 0, 5), 0)
  // The cells of a table are one line: records in use, and the first that never was.
  const cells = new Int32Array(memory.buffer)
  const state = findLine(cells, [1, 1, 0, 0])
  cells[state + 1] = CONNECTIONS_MAX - 1
  const last = connections4.insert4(6, 3, 2, 0x10001, 0, 0, 5)
  t.equal(last, CONNECTIONS_MAX - 1)
  t.equal(connections4.find4(6, 3, 2, 0x10001), last)
  t.equal(connections4.insert4(6, 4, 2, 0x10001, 0, 0, 5), -1, 'and then it is full')
  connections4.remove(last)
  t.equal(connections4.find4(6, 3, 2, 0x10001), -1)
  t.equal(connections4.find4(6, 1, 2, 0x10001), 0)
})

/** Where a line of 16 words begins that starts with these. */
function findLine(words: Int32Array, line: readonly number[]): number {
  for (let at = 0; at < words.length; at += 16) {
    if (line.every((word, i) => words[at + i] === word)) return at
  }
  throw new Error('no such line')
}
