import t from 'tap'
import { deleteDestination, editDestination, slotOf } from '../rule-book.js'
import { hashed, whoGets } from './hashing.js'

const VIP = 0x0a000001

t.test(
  'an address stays where it went, until that has too much and another has room',
  async (t) => {
    const book = hashed('lblc', [2, 4])
    const { destinations } = book.balancer
    const slot = (n: number) => slotOf(book, `192.168.1.${n}`)
    t.equal(whoGets(book, 1, 0, VIP), 2)
    destinations.addActive(slot(2), 4)
    t.equal(whoGets(book, 2, 0, VIP), 2, 'as many as its weight')
    t.equal(whoGets(book, 2, 0, VIP + 1), 1, 'another address goes to the least loaded')
    destinations.addActive(slot(2), 1)
    destinations.addActive(slot(1), 1)
    t.equal(whoGets(book, 3, 0, VIP), 2, 'too much, but nobody has less than half of its weight')
    destinations.addActive(slot(1), -1)
    t.equal(whoGets(book, 3, 0, VIP), 1)
    destinations.addActive(slot(2), -5)
    t.equal(whoGets(book, 3, 0, VIP), 1, 'and there it stays now')
  },
)

t.test('one that is full goes on, one of weight 0 and one that is deleted do not', async (t) => {
  const book = hashed('lblc', [1, 1])
  t.equal(whoGets(book, 1, 0, VIP), 2)
  book.balancer.destinations.setFlag(slotOf(book, '192.168.1.2'), 2)
  t.equal(whoGets(book, 1, 0, VIP), 2, 'thresholds do not matter to what is remembered')
  book.balancer.destinations.clearFlag(slotOf(book, '192.168.1.2'), 2)
  const edit = editDestination('192.168.1.2', { weight: 0 })
  book.apply(edit)
  t.equal(whoGets(book, 1, 0, VIP), 1)
  book.apply(deleteDestination('192.168.1.1'))
  t.equal(whoGets(book, 1, 0, VIP), 0)
})
