import t from 'tap'
import { slotOf } from '../rule-book.js'
import { hashed, whoGets } from './hashing.js'

const VIP = 0x0a000001
const DAY_MS = 86_400_000

t.test('an address has a set, which grows under load and shrinks after a day', async (t) => {
  const book = hashed('lblcr', [1, 1, 1])
  const { balancer } = book
  const { destinations } = balancer
  const slot = (n: number) => slotOf(book, `192.168.1.${n}`)
  t.equal(whoGets(book, 1, 0, VIP), 3)
  destinations.addActive(slot(3), 2)
  t.equal(whoGets(book, 1, 0, VIP), 2, 'too much for the one: another is added')
  destinations.addActive(slot(2), 1)
  t.equal(whoGets(book, 1, 0, VIP), 2, 'the least loaded of the set')
  destinations.addActive(slot(3), -2)
  t.equal(whoGets(book, 1, 0, VIP), 3, 'again the least loaded of the set, not of all')
  destinations.addActive(slot(3), 1)
  balancer.begin(DAY_MS - 60_000)
  whoGets(book, 1, 0, VIP)
  destinations.addActive(slot(2), 1)
  balancer.begin(DAY_MS + 60_000)
  t.equal(whoGets(book, 1, 0, VIP), 3, 'and the most loaded leaves the set')
  destinations.addActive(slot(2), -2)
  t.equal(whoGets(book, 1, 0, VIP), 3, 'so that it is not asked any more')
  t.equal(whoGets(book, 1, 0, VIP + 1), 2, 'though it has least to do')
})
