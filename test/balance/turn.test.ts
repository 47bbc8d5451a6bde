/** The word that workers share: swapped only by whoever has seen it as it is. */
import t from 'tap'
import { Turn } from '../../src/balance/turn.js'

t.test('a swap succeeds for the first, and changes nothing for the second', async (t) => {
  const words = new Int32Array(new SharedArrayBuffer(16))
  const [mine, yours, other] = [new Turn(words, 2), new Turn(words, 2), new Turn(words, 3)]
  const [seenByMe, seenByYou] = [mine.load(), yours.load()]
  t.same([seenByMe, seenByYou], [0, 0], 'fresh memory is the beginning')
  t.ok(mine.swap(seenByMe, 7))
  t.notOk(yours.swap(seenByYou, 9))
  t.equal(yours.load(), 7)
  t.ok(yours.swap(7, -1), 'all 32 bits are a value')
  t.equal(mine.load(), -1)
  t.equal(other.load(), 0, 'the next service has its own')
  mine.reset()
  t.equal(yours.load(), 0)
})
