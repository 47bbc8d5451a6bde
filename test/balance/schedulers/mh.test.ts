import t from 'tap'
import { sipHash } from '../../../src/balance/schedulers/hash.js'
import { editDestination } from '../rule-book.js'
import { FALLBACK, hashed, PORT, whoGets } from './hashing.js'

const SLOTS = 4093
const KEY = 2654435761

/** Who has a slot of the table, found by clients that come to it; 0 where none was found. */
function table(weights: readonly number[], slots: number): number[] {
  const book = hashed('mh', weights)
  const found = new Array<number>(slots).fill(0)
  for (let client = 1; client < 60_000; client++) {
    const slot = sipHash(client, KEY) % SLOTS
    if (slot < slots) found[slot] = whoGets(book, client)
  }
  return found
}

t.test('the kernel’s table', async (t) => {
  const first = [3, 2, 3, 3, 3, 3, 3, 1, 2, 3, 3, 3, 3, 3, 1, 2, 2, 3, 3, 3, 1, 1, 2, 3]
  t.same(table([1, 2, 5], first.length), first)
  const all = table([1, 2, 5], SLOTS)
  t.same(
    [1, 2, 3].map((n) => all.filter((each) => each === n).length),
    [511, 1022, 2560],
  )
  const book = hashed('mh', [1, 2, 5])
  t.same(
    [0x0a000001, 0x0a000002, 0xcb00714d].map((client) => whoGets(book, client)),
    [3, 3, 2],
  )
})

t.test('with mh-port the port too', async (t) => {
  const slots = table([1, 2, 5], SLOTS)
  const book = hashed('mh', [1, 2, 5], PORT)
  t.equal(whoGets(book, 0x0a000001, 40_000), slots[2940])
})

t.test('weight 0 moves nobody; nobody is chosen there, or with mh-fallback another', async (t) => {
  const clients = Array.from({ length: 500 }, (_, i) => 0x0a000000 + i)
  for (const flags of [0, FALLBACK]) {
    const book = hashed('mh', [1, 2, 5], flags)
    const before = clients.map((client) => whoGets(book, client))
    const edit = editDestination('192.168.1.2', { weight: 0 })
    book.apply(edit)
    for (const [i, client] of clients.entries()) {
      const now = whoGets(book, client)
      if (before[i] !== 2) t.equal(now, before[i])
      else if (flags === 0) t.equal(now, 0)
      else t.ok(now === 1 || now === 3)
    }
  }
})

t.test('large weights are shifted until they fit, and all of them 0 leave nothing', async (t) => {
  const slots = table([1, 65_535], SLOTS)
  t.ok(slots.filter((n) => n === 1).length < SLOTS / 30)
  t.ok(slots.includes(1), 'even a small one has its turn')
  t.equal(whoGets(hashed('mh', [0, 0]), 1), 0)
})
