import t from 'tap'
import { receiveEntriesFor } from '../../src/port/xdp-ground.js'

t.test('many queues share what one has', async (t) => {
  const counts = [1, 2, 3, 4, 5, 8, 63]
  t.same(counts.map(receiveEntriesFor), [16_384, 8192, 4096, 4096, 4096, 4096, 4096])
})
