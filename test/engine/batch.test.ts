import t from 'tap'
import { Batch } from '../../src/engine/batch.js'

t.test('view and bytes are of one arena, and columns as long as the batch', async (t) => {
  const batch = new Batch(new ArrayBuffer(64), 4)
  batch.view.setUint32(8, 0x01020304)
  t.same([...batch.bytes.subarray(8, 12)], [1, 2, 3, 4])
  const columns = [
    'offset',
    'length',
    'verdict',
    'egress',
    'partialChecksum',
    'segmentBytes',
  ] as const
  for (const column of columns) {
    t.equal(batch[column].length, 4, column)
    t.ok(batch[column].every((each) => each === 0))
  }
  t.same([batch.count, batch.arm, batch.capacity], [0, 0, 4])
})

t.test('a part of an arena', async (t) => {
  const arena = new SharedArrayBuffer(64)
  const batch = new Batch(arena, 1, 16, 32)
  t.same([batch.bytes.length, batch.view.byteLength], [32, 32])
  batch.bytes[0] = 7
  t.equal(new Uint8Array(arena)[16], 7)
  t.equal(new Batch(arena, 1, 16).bytes.length, 48, 'to its end')
})
