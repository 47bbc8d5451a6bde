import fc from 'fast-check'
import t from 'tap'
import { growing, inPieces } from '../../src/daemon/surround.js'

const names = fc.uniqueArray(fc.constantFrom(...'abcdefghijklmnop'.split('')))

t.test('lists grow by so many at a time, and end as wanted', async (t) => {
  const property = fc.property(names, names, fc.integer({ min: 1, max: 5 }), (old, after, size) => {
    let before: ReadonlySet<string> = new Set(old)
    const lists = growing(before, after, size)
    for (const list of lists) {
      if (list.filter((each) => !before.has(each)).length > size) return false
      if (list.some((each) => !after.includes(each))) return false
      if (new Set(list).size !== list.length) return false
      before = new Set(list)
    }
    return lists.at(-1) === after
  })
  fc.assert(property)
  t.same(growing(new Set(['a', 'x']), ['a', 'b', 'c', 'd'], 2), [
    ['a', 'b', 'c'],
    ['a', 'b', 'c', 'd'],
  ])
  t.same(growing(new Set(['a']), [], 2), [[]])
})

t.test('pieces', async (t) => {
  t.same(inPieces([1, 2, 3, 4, 5], 2), [[1, 2], [3, 4], [5]])
  t.same(inPieces([], 2), [])
})
