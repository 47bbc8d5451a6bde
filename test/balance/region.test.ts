import t from 'tap'
import { Region, regionBytes } from '../../src/balance/region.js'

t.test('pieces are aligned, apart, and where the next reader finds them', async (t) => {
  const memory = new SharedArrayBuffer(regionBytes(4 * 3, 8 * 2, 5))
  const first = new Region(memory)
  const words = first.int32(3)
  const floats = first.float64(2)
  const bytes = first.uint8(5)
  t.same([words.byteOffset, floats.byteOffset, bytes.byteOffset], [0, 64, 128])
  t.same([words.length, floats.length, bytes.length], [3, 2, 5])
  words[2] = 7
  floats[1] = 0.5
  bytes[4] = 9
  const second = new Region(memory)
  t.equal(second.int32(3)[2], 7)
  t.equal(second.float64(2)[1], 0.5)
  t.equal(second.uint8(5)[4], 9)
})

t.test('begins where it is told, aligned', async (t) => {
  const region = new Region(new ArrayBuffer(256), 1)
  t.equal(region.used, 64)
  t.equal(region.uint8(1).byteOffset, 64)
  t.equal(region.used, 128)
})

t.test('memory that does not suffice is a mistake of ours', async (t) => {
  const region = new Region(new ArrayBuffer(regionBytes(16, 16)))
  region.int32(4)
  region.int32(4)
  t.throws(() => region.uint8(1), { name: 'RangeError', message: /no room for 1 more/ })
})

t.test('the bytes that are needed are enough for any order', async (t) => {
  const sizes = [1, 63, 64, 65, 1000]
  for (const order of [sizes, sizes.toReversed()]) {
    const region = new Region(new ArrayBuffer(regionBytes(...sizes)))
    for (const bytes of order) region.uint8(bytes)
    t.equal(region.used, regionBytes(...sizes))
  }
})
