import t from 'tap'
import { FragmentTable, REMEMBER_MS } from '../../src/engine/fragments.js'
import { HELD_FRAMES_MAX } from '../../src/link/held-frames.js'

t.test('a datagram is known by addresses, identification and protocol', async (t) => {
  const table = new FragmentTable()
  const key = [1, 2, 3, 17] as const
  table.key4(...key)
  table.remember(9, 1000)
  t.equal(table.find(1000), 9)
  for (let i = 0; i < 4; i++) {
    const other = [...key] as [number, number, number, number]
    other[i] = (other[i] as number) + 1
    table.key4(...other)
    t.equal(table.find(1000), -1, `another word ${i}`)
  }
  table.key4(...key)
  t.equal(table.find(1000 + REMEMBER_MS - 1), 9)
  t.equal(table.find(1000 + REMEMBER_MS), -1, 'forgotten after half a minute')
})

t.test('IPv6: every word of both addresses', async (t) => {
  const table = new FragmentTable()
  const view = new DataView(new ArrayBuffer(40))
  for (let i = 0; i < 8; i++) view.setInt32(4 + 4 * i, i + 1)
  table.key6(view, 4, 77, 0)
  table.remember(5, 0)
  for (let i = 0; i < 8; i++) {
    view.setInt32(4 + 4 * i, 100)
    table.key6(view, 4, 77, 0)
    t.equal(table.find(1), -1, `word ${i}`)
    view.setInt32(4 + 4 * i, i + 1)
  }
  table.key6(view, 4, 77, 0)
  t.equal(table.find(1), 5)
  table.key6(view, 4, 78, 0)
  t.equal(table.find(1), -1)
})

t.test('a table of thousands remembers most of the latest thousand', async (t) => {
  const table = new FragmentTable()
  for (let id = 0; id < 1000; id++) {
    table.key4(0x0a000001, 0x0a000002, id, 17)
    table.remember(id, 0)
  }
  let known = 0
  for (let id = 0; id < 1000; id++) {
    table.key4(0x0a000001, 0x0a000002, id, 17)
    const found = table.find(1)
    if (found === id) known++
    else if (found !== -1) t.fail(`${id} is taken for ${found}`)
  }
  t.ok(known > 700, `${known} of 1000`)
})

t.test('early fragments are kept, a bounded number', async (t) => {
  const table = new FragmentTable()
  const frame = new Uint8Array(100)
  let kept = 0
  for (let id = 0; id < HELD_FRAMES_MAX + 5; id++) {
    table.key4(1, 2, id, 17)
    if (table.keep(frame, 0, 100, 0)) kept++
  }
  t.equal(kept, HELD_FRAMES_MAX)
  t.ok(table.hash() >= 0)
})
