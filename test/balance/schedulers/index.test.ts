import t from 'tap'
import { SCHEDULERS } from '../../../src/balance/schedulers/index.js'
import { addDestination, addService, key, makeBook, picks } from '../rule-book.js'

t.test('every scheduler: nobody to choose, one, and one that may not be chosen', async (t) => {
  t.ok(SCHEDULERS.size >= 4)
  for (const scheduler of SCHEDULERS.keys()) {
    const book = makeBook()
    book.apply(addService(key(), { scheduler }))
    t.equal(picks(book, 2), '- -', `${scheduler}: nobody`)
    book.apply(addDestination('10.0.0.7', { weight: 0 }))
    t.equal(picks(book, 2), '- -', `${scheduler}: only one with weight 0`)
    book.apply(addDestination('10.0.0.8', { weight: 5 }))
    t.equal(picks(book, 2), '8 8', `${scheduler}: one`)
  }
})
