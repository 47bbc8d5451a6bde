import fc from 'fast-check'
import t from 'tap'
import {
  AVAILABLE,
  DESTINATION_BYTES,
  DestinationTable,
  OVERLOAD,
  STAT_CONNECTIONS,
  STAT_IN_BYTES,
  STAT_IN_PACKETS,
  STAT_OUT_BYTES,
  STAT_OUT_PACKETS,
} from '../../src/balance/destination.js'
import { Region, regionBytes } from '../../src/balance/region.js'
import { SEED } from './rule-book.js'

const NONE = -1

function makeTable(capacity: number): DestinationTable {
  const bytes = regionBytes(...DestinationTable.pieces(capacity))
  return new DestinationTable(new Region(new ArrayBuffer(bytes)), capacity)
}

const address = Int32Array.of(1, 2, 3, 4)

t.test('lists agree with arrays, newest first', async (t) => {
  const step = fc.record({
    do: fc.constantFrom('add', 'add', 'unlink', 'release'),
    list: fc.nat({ max: 1 }),
    pick: fc.nat(),
  })
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const table = makeTable(10)
    const lists: number[][] = [[], []]
    const heads = [NONE, NONE]
    const unlinked: number[] = []
    for (const { do: what, list, pick } of steps) {
      const slots = lists[list]
      if (what === 'add') {
        const slot = table.create(4, 6, address, 80)
        const used = lists.flat().length + unlinked.length
        if ((slot === NONE) !== (used === 10)) throw new Error(`${slot} with ${used} used`)
        if (slot === NONE) continue
        if ([...lists.flat(), ...unlinked].includes(slot)) throw new Error('given twice')
        table.link(slot, list, heads[list])
        heads[list] = slot
        slots.unshift(slot)
      } else if (what === 'unlink' && slots.length > 0) {
        const [slot] = slots.splice(pick % slots.length, 1)
        heads[list] = table.unlink(slot, heads[list])
        unlinked.push(slot)
        if (table.isAvailable(slot) || table.service(slot) !== NONE) throw new Error('not out')
      } else if (what === 'release' && unlinked.length > 0) {
        const [slot] = unlinked.splice(pick % unlinked.length, 1)
        table.release(slot)
        if (table.isUsed(slot)) throw new Error('released, but in use')
      }
      for (const [i, expected] of lists.entries()) {
        const seen: number[] = []
        let previous = NONE
        for (let d = heads[i]; d !== NONE; d = table.next(d)) {
          if (table.previous(d) !== previous) throw new Error('backward link')
          if (table.service(d) !== i || !table.isAvailable(d)) throw new Error('not of this list')
          previous = d
          seen.push(d)
        }
        if (seen.join() !== expected.join()) throw new Error(`${seen} is not ${expected}`)
      }
    }
  })
  fc.assert(property, { seed: SEED, numRuns: 400 })
  t.pass('400 sequences')
})

t.test('each word is its own', async (t) => {
  const table = makeTable(3)
  const [first, slot, last] = [0, 1, 2].map(() => table.create(6, 17, address, 53))
  table.addActive(slot, 3)
  table.addInactive(slot, 4)
  table.addPersistent(slot, 5)
  table.setWeight(slot, 6, true)
  table.setThresholds(slot, 7, 8)
  table.setMethod(slot, 2)
  table.setFlag(slot, OVERLOAD)
  const wordsOf = (d: number) => [
    table.active(d),
    table.inactive(d),
    table.total(d),
    table.persistent(d),
    table.weight(d),
    table.upper(d),
    table.lower(d),
    table.method(d),
    table.isOverloaded(d),
    table.isUsed(d),
    table.isAvailable(d),
    table.family(d),
    table.protocol(d),
    table.port(d),
    [0, 1, 2, 3].map((i) => table.address(d, i)).join(),
  ]
  t.same(wordsOf(slot), [3, 4, 7, 5, 6, 7, 8, 2, true, true, false, 6, 17, 53, '1,2,3,4'])
  const fresh = [0, 0, 0, 0, 0, 0, 0, 0, false, true, false, 6, 17, 53, '1,2,3,4']
  t.same(wordsOf(first), fresh)
  t.same(wordsOf(last), fresh)
  table.release(slot)
  t.equal(table.create(4, 6, Int32Array.of(9, 0, 0, 0), 1), slot)
  t.same(wordsOf(slot), [0, 0, 0, 0, 0, 0, 0, 0, false, true, false, 4, 6, 1, '9,0,0,0'])
})

t.test('statistics do not touch words, nor neighbours', async (t) => {
  const table = makeTable(3)
  const slots = [0, 1, 2].map(() => table.create(4, 6, address, 80))
  const words = table.words.slice()
  const [, slot] = slots
  table.countConnection(slot)
  table.countInput(slot, 1500)
  table.countInput(slot, 40)
  table.countBytes(slot, 8)
  table.countOutput(slot, 68)
  const all = [STAT_CONNECTIONS, STAT_IN_PACKETS, STAT_IN_BYTES, STAT_OUT_PACKETS, STAT_OUT_BYTES]
  const statisticsOf = (d: number) => all.map((i) => table.statistic(d, i))
  t.same(slots.map(statisticsOf), [
    [0, 0, 0, 0, 0],
    [1, 2, 1548, 1, 68],
    [0, 0, 0, 0, 0],
  ])
  const changed = [...words.keys()].filter((i) => table.words[i] !== words[i])
  t.ok(changed.length > 0 && changed.every((i) => i >= slot * 32 && i < slot * 32 + 10))
  // Beyond what 32 bits and 2^53 would make of it: bytes of weeks at 100 Gbit/s stay exact.
  table.countBytes(slot, 2 ** 52)
  t.equal(table.statistic(slot, STAT_IN_BYTES), 2 ** 52 + 1548)
  t.equal(table.weight(slot), 0)
  t.equal(DESTINATION_BYTES, 128)
})

t.test('eligible: weight above 0, and not overloaded', async (t) => {
  const table = makeTable(1)
  const slot = table.create(4, 6, address, 80)
  table.setFlag(slot, AVAILABLE)
  const seen: boolean[] = []
  for (const weight of [0, 1]) {
    table.setWeight(slot, weight, false)
    table.setFlag(slot, OVERLOAD)
    seen.push(table.isEligible(slot))
    table.clearFlag(slot, OVERLOAD)
    seen.push(table.isEligible(slot))
  }
  t.same(seen, [false, false, false, true])
  t.ok(table.isAvailable(slot), 'clearing a flag leaves the others')
})

t.test('the last weight is the one at the beginning, then the latest but 0', async (t) => {
  const table = makeTable(1)
  const slot = table.create(4, 6, address, 80)
  const after = (weight: number, isNew: boolean) => {
    table.setWeight(slot, weight, isNew)
    return table.lastWeight(slot)
  }
  t.same([after(5, true), after(0, false), after(3, false), after(0, true)], [5, 5, 3, 0])
})
