/** Writes traced frames as fast as it can, into memory that another thread reads. */
import { workerData } from 'node:worker_threads'
import { Region } from '../../src/balance/region.js'
import { Batch } from '../../src/engine/batch.js'
import { TraceWriter } from '../../src/engine/trace-ring.js'

const { memory, count } = workerData as { memory: SharedArrayBuffer; count: number }
const writer = new TraceWriter(new Region(memory))
const batch = new Batch(new ArrayBuffer(2048), 1)
for (let n = 0; n < count; n++) {
  batch.length[0] = 60 + (n % 1500)
  batch.verdict[0] = n & 0x1f
  batch.bytes.fill(n & 0xff, 0, batch.length[0])
  writer.write(0, n, n, batch, 0, n, n, batch.view, 0)
}
