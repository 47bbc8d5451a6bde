import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import t from 'tap'
import { Region } from '../../src/balance/region.js'
import { Batch } from '../../src/engine/batch.js'
import {
  HEAD_BYTES,
  KEPT_BYTES_MAX,
  RECORDS,
  TRACE_RING_BYTES,
  TraceReader,
  TraceRecord,
  TraceWriter,
} from '../../src/engine/trace-ring.js'

const SEED = 20261127

/** Writer and reader of the same new memory. */
function makeRing() {
  const memory = new ArrayBuffer(TRACE_RING_BYTES)
  return {
    writer: new TraceWriter(new Region(memory)),
    reader: new TraceReader(new Region(memory)),
  }
}

t.test('what is written is read: both sides of a frame, and all that is known of it', async (t) => {
  const { writer, reader } = makeRing()
  const record = new TraceRecord()
  for (const length of [0, 1, 13, 60, HEAD_BYTES, 131, 1514, KEPT_BYTES_MAX, 9000]) {
    const batch = new Batch(new ArrayBuffer(16384), 3)
    batch.arm = 2
    batch.offset[1] = 77
    batch.length[1] = length
    batch.verdict[1] = 5
    batch.egress[1] = 3
    for (let i = 0; i < length; i++) batch.bytes[77 + i] = (i * 7) & 0xff
    const came = new DataView(new ArrayBuffer(10_000))
    for (let i = 0; i < length; i++) came.setUint8(11 + i, (i * 7 + 1) & 0xff)
    writer.write(4, 1234, 1e12 + 0.125, batch, 1, -1, 37, came, 11)
    t.ok(reader.read(record))
    const { trace, time, arm, egress, verdict, destination, weight } = record
    t.same(
      { trace, time, arm, egress, verdict, destination, weight },
      {
        trace: 1234,
        time: 1e12 + 0.125,
        arm: 2,
        egress: 3,
        verdict: 5,
        destination: -1,
        weight: 37,
      },
    )
    const kept = Math.min(length, KEPT_BYTES_MAX)
    t.same([record.length, record.kept], [length, kept])
    const bytes = (side: Uint8Array) => Buffer.from(side.subarray(0, kept))
    const after = Buffer.from(batch.bytes.subarray(77, 77 + kept))
    t.ok(bytes(record.after).equals(after), `${length} bytes as they left`)
    const head = Math.min(kept, HEAD_BYTES)
    const before = Buffer.concat([Buffer.from(came.buffer, 11, head), after.subarray(head)])
    t.ok(bytes(record.before).equals(before), `${length} bytes as they came`)
  }
  t.notOk(reader.read(record), 'and then there are no more')
  t.equal(reader.written(4), 9)
})

t.test('a reader that is late gets the newest, in order, each once', async (t) => {
  const step = fc.record({ written: fc.nat(3 * RECORDS), read: fc.nat(2 * RECORDS) })
  const property = fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
    const { writer, reader } = makeRing()
    const batch = new Batch(new ArrayBuffer(64), 1)
    const record = new TraceRecord()
    let written = 0
    let next = 0
    for (const { written: more, read } of steps) {
      for (let n = 0; n < more; n++) writer.write(0, ++written, 0, batch, 0, 0, 1, batch.view, 0)
      next = Math.max(next, written - RECORDS)
      for (let n = 0; n < read && next < written; n++) {
        if (!reader.read(record)) throw new Error('nothing there')
        if (record.trace !== ++next) throw new Error(`${record.trace} and not ${next}`)
      }
      if (next === written && reader.read(record)) throw new Error('read twice')
    }
  })
  fc.assert(property, { seed: SEED, numRuns: 60 })
  t.pass('60 times')
})

t.test('while another thread overwrites, no record is ever read in parts', async (t) => {
  const memory = new SharedArrayBuffer(TRACE_RING_BYTES)
  const reader = new TraceReader(new Region(memory))
  const count = 100_000
  const program = new URL('./trace-ring-program.js', import.meta.url)
  const worker = new Worker(program, { workerData: { memory, count } })
  let isOver = false
  worker.on('exit', () => {
    isOver = true
  })
  const record = new TraceRecord()
  let last = -1
  let reads = 0
  for (;;) {
    // Once more after it is over: it may have written since the ring was found empty.
    const isLast = isOver
    while (reader.read(record)) {
      const n = record.trace
      if (n <= last) t.fail(`${n} after ${last}`)
      last = n
      reads++
      const { length, time, verdict, destination, weight, kept } = record
      const isWhole =
        length === 60 + (n % 1500) &&
        time === n &&
        verdict === (n & 0x1f) &&
        destination === n &&
        weight === n &&
        [0, 5, HEAD_BYTES, kept - 1].every((at) => at >= kept || record.after[at] === (n & 0xff)) &&
        record.before[0] === (n & 0xff)
      if (!isWhole) t.fail(`record ${n} is mixed with another`)
    }
    if (isLast) break
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.equal(last, count - 1)
  t.equal(reader.written(0), count)
  t.ok(reads > 0 && reads <= count, `${reads} of ${count}`)
})
