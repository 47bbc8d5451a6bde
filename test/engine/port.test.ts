import t from 'tap'
import { Outbox } from '../../src/engine/port.js'

t.test('slots behind each other, until there are no more', async (t) => {
  const arena = new ArrayBuffer(16 + 3 * 100)
  const outbox = new Outbox(arena, 3, 100, 16)
  t.same([outbox.reserve(60, 0), outbox.reserve(100, 2)], [0, 100])
  t.equal(outbox.reserve(101, 0), -1, 'longer than a slot')
  t.equal(outbox.overflows, 1)
  t.equal(outbox.count, 2, 'and no slot is lost by it')
  t.equal(outbox.reserve(1, 1), 200)
  t.equal(outbox.reserve(1, 1), -1)
  t.equal(outbox.overflows, 2)
  t.same([...outbox.length], [60, 100, 1])
  t.same([...outbox.egress], [0, 2, 1])
  outbox.view.setUint8(200, 9)
  t.equal(new Uint8Array(arena)[216], 9)
  outbox.count = 0
  t.equal(outbox.reserve(5, 0), 0)
})

t.test('needs the memory that it promises', async (t) => {
  t.throws(() => new Outbox(new ArrayBuffer(299), 3, 100), { name: 'RangeError' })
  t.throws(() => new Outbox(new ArrayBuffer(300), 3, 100, 1), { name: 'RangeError' })
})
