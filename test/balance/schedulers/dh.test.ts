import t from 'tap'
import { hash32 } from '../../../src/balance/schedulers/hash.js'
import { deleteDestination, editDestination } from '../rule-book.js'
import { hashed, whoGets } from './hashing.js'

t.test('the virtual address decides, by a table that deals in turn', async (t) => {
  const book = hashed('dh', [1, 5, 1])
  for (let i = 0; i < 200; i++) {
    const vip = 0x0a000000 + i * 77
    // The list is 3, 2, 1, and weights do not matter.
    t.equal(whoGets(book, i, 0, vip), 3 - (hash32(vip, 8) % 3), `address ${i}`)
  }
})

t.test('if it may not be chosen nobody is; another weight deals nothing anew', async (t) => {
  const book = hashed('dh', [1, 1])
  const vip = 0x0a000001
  const first = whoGets(book, 1, 0, vip)
  const edit = editDestination(`192.168.1.${first}`, { weight: 0 })
  book.apply(edit)
  t.equal(whoGets(book, 1, 0, vip), 0)
  book.apply(deleteDestination(`192.168.1.${first}`))
  t.equal(whoGets(book, 1, 0, vip), 3 - first, 'but a deletion does')
})
