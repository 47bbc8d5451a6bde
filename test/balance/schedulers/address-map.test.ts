import t from 'tap'
import {
  AddressMap,
  COLLECTION_TICKS,
  ENTRIES_GOAL,
  ENTRIES_MAX,
} from '../../../src/balance/schedulers/address-map.js'

const NONE = -1
const DAY = 86_400 * 100

const address = (n: number) => Int32Array.of(n, 0, 0, n >>> 3)

t.test('what was added is found, also after growing', async (t) => {
  const map = new AddressMap(0, () => {})
  for (let n = 0; n < 1000; n++) map.add(address(n), n * 2, 0)
  for (let n = 0; n < 1000; n++) {
    const entry = map.use(address(n), 1)
    if (entry === NONE || map.value[entry] !== n * 2) t.fail(`address ${n}`)
  }
  t.equal(map.use(address(1000), 1), NONE)
  t.equal(map.use(Int32Array.of(1, 1, 0, 0), 1), NONE, 'the same when folded')
  t.equal(map.count, 1000)
})

t.test('what was not used for a day goes at the next full look, each half hour', async (t) => {
  const dropped: number[] = []
  const map = new AddressMap(0, (value) => dropped.push(value))
  map.add(address(1), 11, 0)
  map.add(address(2), 22, 0)
  map.use(address(2), DAY - 1)
  map.collect(DAY - COLLECTION_TICKS, DAY)
  t.same(dropped, [])
  map.collect(DAY + 30 * COLLECTION_TICKS, DAY)
  t.same(dropped, [11])
  t.equal(map.use(address(1), DAY), NONE)
  t.not(map.use(address(2), DAY), NONE)
})

t.test('the number of entries is bounded, and too many are collected early', async (t) => {
  let dropped = 0
  const map = new AddressMap(0, () => dropped++)
  for (let n = 0; n < ENTRIES_MAX; n++) if (map.add(address(n), n, 0) === NONE) t.fail(`${n}`)
  t.equal(map.add(address(ENTRIES_MAX), 0, 0), NONE)
  map.collect(COLLECTION_TICKS, DAY)
  t.equal(dropped, 0, 'all were used within six minutes')
  map.collect(6 * COLLECTION_TICKS, DAY)
  t.ok(dropped >= ENTRIES_MAX - ENTRIES_GOAL, `${dropped} dropped`)
  t.equal(map.count, ENTRIES_MAX - dropped)
  t.not(map.add(address(ENTRIES_MAX), 0, 0), NONE, 'room again')
})
