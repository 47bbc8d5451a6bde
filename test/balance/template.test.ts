import fc from 'fast-check'
import t from 'tap'
import { NONE } from '../../src/balance/connection.js'
import { Region, regionBytes } from '../../src/balance/region.js'
import { TEMPLATE_BYTES, TemplateKey, TemplateTable } from '../../src/balance/template.js'
import { SEED } from './rule-book.js'

function makeTable(capacity: number, seed = SEED): TemplateTable {
  const bytes = regionBytes(...TemplateTable.pieces(capacity))
  const table = new TemplateTable(new Region(new ArrayBuffer(bytes)), capacity, seed)
  table.wheel.start(0)
  return table
}

interface Named {
  readonly client: number
  readonly vip: number
  readonly protocol: number
  readonly vport: number
  readonly family: number
}

function keyOf({ client, vip, protocol, vport, family }: Named): TemplateKey {
  const key = new TemplateKey()
  key.words[family === 4 ? 0 : 3] = client
  key.words[family === 4 ? 4 : 7] = vip
  key.protocol = protocol
  key.vport = vport
  key.family = family
  return key
}

const named = fc.record({
  client: fc.constantFrom(1, -1, 0x0a000000),
  vip: fc.constantFrom(0, 7, -5),
  protocol: fc.constantFrom(0, 6, 17, 132),
  vport: fc.constantFrom(0, 80, 65534),
  family: fc.constantFrom(4, 6),
})

t.test('agrees with a map, whatever is inserted, removed and invalidated', async (t) => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('insert' as const), named }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('find' as const), named }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), pick: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('invalidate' as const), pick: fc.nat() }) },
  )
  const capacity = 12
  const property = fc.property(fc.array(step, { maxLength: 80 }), fc.integer(), (steps, seed) => {
    const table = makeTable(capacity, seed)
    let known: { slot: number; text: string | null; destination: number }[] = []
    let serial = 0
    for (const each of steps) {
      if (each.do === 'insert') {
        const slot = table.insert(keyOf(each.named), ++serial, 500, 1000)
        if (known.length === capacity) {
          if (slot !== NONE) throw new Error('inserted into a full table')
          continue
        }
        if (known.some((other) => other.slot === slot)) throw new Error('a slot in use was given')
        known.push({ slot, text: JSON.stringify(each.named), destination: serial })
      } else if (each.do === 'find') {
        const newest = known.findLast((other) => other.text === JSON.stringify(each.named))
        const slot = table.find(keyOf(each.named))
        if (slot !== (newest?.slot ?? NONE)) throw new Error(`found ${slot}`)
      } else {
        if (known.length === 0) continue
        const one = known[each.pick % known.length]
        if (each.do === 'invalidate') {
          table.invalidate(one.slot)
          one.text = null
          if (table.vport(one.slot) !== 65535) throw new Error('the port of an invalid template')
        } else {
          table.remove(one.slot)
          known = known.filter((other) => other !== one)
          if (table.isUsed(one.slot)) throw new Error('removed, but in use')
        }
      }
      if (table.count !== known.length) throw new Error(`count ${table.count}`)
      for (const { slot, destination } of known) {
        if (table.destination(slot) !== destination) throw new Error('destination changed')
        if (!table.isUsed(slot) || !table.wheel.isFiled(slot)) throw new Error('lost')
      }
    }
  })
  fc.assert(property, { seed: SEED, numRuns: 500 })
  t.pass('500 sequences')
})

t.test('what was put in comes out, and timeout and ASSURED share a word', async (t) => {
  const table = makeTable(2)
  const key = keyOf({ client: 0x0a000100, vip: 77, protocol: 17, vport: 53, family: 6 })
  const slot = table.insert(key, 5, 267_840_000, 99)
  t.same(
    [table.protocol(slot), table.vport(slot), table.family(slot), table.due(slot)],
    [17, 53, 6, 99],
  )
  t.same([table.client(slot, 3), table.vip(slot, 3)], [0x0a000100, 77])
  t.equal(table.timeout(slot), 267_840_000, 'the longest timeout, 31 days')
  t.notOk(table.isAssured(slot))
  table.assure(slot)
  t.ok(table.isAssured(slot))
  t.equal(table.timeout(slot), 267_840_000)
  table.setTimeout(slot, 6000)
  t.ok(table.isAssured(slot))
  t.equal(table.timeout(slot), 6000)
  table.addControls(slot, 1)
  table.addControls(slot, 1)
  table.addControls(slot, -1)
  t.equal(table.controls(slot), 1)
  table.remove(slot)
  const again = table.insert(key, 5, 100, 99)
  t.equal(again, slot)
  t.notOk(table.isAssured(again))
  t.equal(table.controls(again), 0)
})

t.test('a record is a cache line', async (t) => {
  t.equal(TEMPLATE_BYTES, 64)
})
