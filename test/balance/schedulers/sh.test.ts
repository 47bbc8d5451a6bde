import t from 'tap'
import { hash32 } from '../../../src/balance/schedulers/hash.js'
import { editDestination } from '../rule-book.js'
import { FALLBACK, hashed, PORT, whoGets } from './hashing.js'

t.test('the client decides, buckets dealt by weight', async (t) => {
  const book = hashed('sh', [1, 2, 5])
  t.equal(whoGets(book, 0x0a000001), 1)
  t.equal(whoGets(book, 0x0a000002), 3)
  t.equal(whoGets(book, 0xcb00714d), 3)
  const dealt = [3, 3, 3, 3, 3, 2, 2, 1]
  for (let i = 0; i < 300; i++) {
    const client = 0x0a000000 + i * 91
    t.equal(whoGets(book, client, 5), dealt[hash32(client, 8) % 8], `client ${i}`)
  }
})

t.test('with sh-port its port too', async (t) => {
  const book = hashed('sh', [1, 2, 5], PORT)
  const dealt = [3, 3, 3, 3, 3, 2, 2, 1]
  t.equal(whoGets(book, 0x0a000001, 40_000), dealt[203 % 8])
  t.equal(whoGets(book, 0x0a000001, 0), dealt[39 % 8])
})

t.test(
  'one of weight 0 keeps its bucket: nobody is chosen, or with sh-fallback another',
  async (t) => {
    const clients = Array.from({ length: 200 }, (_, i) => 0x0a000000 + i)
    const quiesce = (flags: number) => {
      const book = hashed('sh', [1, 1, 1], flags)
      const edit = editDestination('192.168.1.2', { weight: 0 })
      const before = clients.map((client) => whoGets(book, client))
      book.apply(edit)
      return { before, after: clients.map((client) => whoGets(book, client)) }
    }
    const { before, after } = quiesce(0)
    t.ok(before.includes(2))
    t.same(
      after,
      before.map((n) => (n === 2 ? 0 : n)),
    )
    const fallen = quiesce(FALLBACK)
    for (const [i, n] of fallen.before.entries()) {
      const hash = hash32(clients[i] as number, 8)
      // Buckets are 3 2 1 3 2 1 …; the search begins at twice the hash.
      const dealt = (bucket: number) => 3 - ((bucket & 255) % 3)
      const other = [0, 1].map((k) => dealt(2 * hash + k)).find((d) => d !== 2)
      t.equal(fallen.after[i], n === 2 ? other : n)
    }
  },
)
