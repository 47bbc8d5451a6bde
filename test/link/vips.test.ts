import fc from 'fast-check'
import t from 'tap'
import { ANNOUNCED, ON_KERNEL, VIPS_MAX, type Vip, VipTable } from '../../src/link/vips.js'

const SEED = 20261122
const word = fc.oneof(fc.constantFrom(0, 1, -1), fc.integer())
const address = fc.record({
  family: fc.constantFrom<4 | 6>(4, 6),
  words: fc.tuple(word, word, word, word),
})

function vipOf(each: { family: 4 | 6; words: readonly number[] }, flags: number): Vip {
  return {
    family: each.family,
    words: Int32Array.from(each.words),
    onKernel: (flags & ON_KERNEL) !== 0,
    announced: (flags & ANNOUNCED) !== 0,
  }
}

t.test('finds what is in it, with its flags, and nothing else', async (t) => {
  const lists = fc.array(fc.tuple(address, fc.nat({ max: 3 })), { maxLength: 40 })
  const property = fc.property(lists, lists, fc.array(address), (first, second, others) => {
    const table = new VipTable()
    for (const list of [first, second]) {
      const known = new Map(list.map(([each, flags]) => [JSON.stringify(each), { each, flags }]))
      const vips = [...known.values()].map(({ each, flags }) => vipOf(each, flags))
      table.replace(vips)
      for (const each of [...first, ...second].map(([one]) => one).concat(others)) {
        const expected = known.get(JSON.stringify(each))?.flags ?? -1
        const [w0, w1, w2, w3] = each.words
        if (table.find(each.family, w0, w1, w2, w3) !== expected) throw new Error('differs')
      }
      if (table.list.length !== vips.length) throw new Error('the list')
    }
  })
  fc.assert(property, { seed: SEED, numRuns: 300 })
  t.pass('300 pairs of lists')
})

t.test('as many as promised, and no more', async (t) => {
  const table = new VipTable()
  const vips = Array.from({ length: VIPS_MAX + 1 }, (_, i) =>
    vipOf({ family: 4, words: [0x0a000000 + i, 0, 0, 0] }, ANNOUNCED),
  )
  table.replace(vips.slice(1))
  t.equal(table.find(4, 0x0a000001, 0, 0, 0), ANNOUNCED)
  t.equal(table.find(4, 0x0a000000 + VIPS_MAX, 0, 0, 0), ANNOUNCED)
  t.equal(table.find(4, 0x0a000000, 0, 0, 0), -1)
  t.throws(() => table.replace(vips), { name: 'RangeError' })
  t.equal(table.find(4, 0x0a000001, 0, 0, 0), ANNOUNCED, 'and the old ones are still there')
  table.replace([])
  t.equal(table.find(4, 0x0a000001, 0, 0, 0), -1)
})

t.test('adding and removing one by one leaves what replacing leaves', async (t) => {
  const table = new VipTable()
  const model = new Map<number, Vip>()
  let random = 12345
  for (let step = 0; step < 60_000; step++) {
    random = (Math.imul(random, 1103515245) + 12345) >>> 0
    // Few addresses, far apart and side by side: long runs of slots, and holes in them.
    const word = Math.imul((random >>> 8) % 9000, 0x10001)
    const words = Int32Array.of(word, 0, 0, 0)
    const vip: Vip = { family: 4, words, onKernel: (random & 4) !== 0, announced: true }
    if ((random >>> 28) % 2 === 0) {
      if (table.add(vip) === model.has(word)) t.fail(`step ${step}: newness of ${word}`)
      model.set(word, vip)
    } else {
      table.remove(vip)
      model.delete(word)
    }
  }
  t.ok(model.size > 1000)
  const wrong: number[] = []
  for (let n = 0; n < 9000; n++) {
    const word = Math.imul(n, 0x10001)
    const vip = model.get(word)
    const expected = vip === undefined ? -1 : vip.onKernel ? 3 : 2
    if (table.find(4, word, 0, 0, 0) !== expected) wrong.push(n)
  }
  t.same(wrong, [])
  t.same(new Set(table.list), new Set(model.values()))
})
