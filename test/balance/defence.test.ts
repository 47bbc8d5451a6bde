import fc from 'fast-check'
import t from 'tap'
import type { ConnectionTable } from '../../src/balance/connection.js'
import { Defence, PAGES } from '../../src/balance/defence.js'
import { Sysctls } from '../../src/balance/sysctl.js'
import { NEXT_STATE, NEXT_STATE_DEFENCE } from '../../src/balance/tcp-state.js'
import { SEED } from './rule-book.js'

/** A table of which only this matters: how full it is. */
function tableOf(capacity: number, count = 0) {
  return { capacity, count } as { capacity: number; count: number } & ConnectionTable
}

/** Which of the next `n` new connections are dropped, from 1. */
function dropped(defence: Defence, n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1).filter(() => defence.sheds())
}

t.test('drop_packet 3: the first new connection, then every am_droprate-th', async (t) => {
  const sysctls = new Sysctls()
  const defence = new Defence(sysctls, [tableOf(100)])
  t.same(dropped(defence, 20), [], 'off')
  sysctls.am_droprate = 4
  sysctls.drop_packet = 3
  defence.update()
  t.same(dropped(defence, 12), [1, 5, 9])
  sysctls.am_droprate = 1
  defence.update()
  t.same(dropped(defence, 4), [1, 2, 3, 4], 'a rate of 1 is all of them')
  sysctls.am_droprate = 0
  defence.update()
  t.same(dropped(defence, 4), [])
})

t.test('modes 1 and 2 follow the memory, 0 and 3 do not', async (t) => {
  const sysctls = new Sysctls()
  const table = tableOf(1000)
  const defence = new Defence(sysctls, [tableOf(50), table])
  const modes = () => [sysctls.drop_entry, sysctls.drop_packet, sysctls.secure_tcp]
  const effects = () => [defence.dropsEntries, defence.tcpTable === NEXT_STATE_DEFENCE]
  const set = (mode: number) => {
    sysctls.drop_entry = sysctls.drop_packet = sysctls.secure_tcp = mode
    defence.update()
    return modes()
  }
  t.same(
    [set(0), effects()],
    [
      [0, 0, 0],
      [false, false],
    ],
  )
  t.same(
    [set(1), effects()],
    [
      [1, 1, 1],
      [false, false],
    ],
  )
  t.same(set(2), [1, 1, 1], 'memory is not low')
  t.same(
    [set(3), effects()],
    [
      [3, 3, 3],
      [true, true],
    ],
  )
  set(1)
  table.count = 938 // fewer than a sixteenth left
  t.same(
    [set(0), effects()],
    [
      [0, 0, 0],
      [false, false],
    ],
  )
  t.same(
    [set(1), effects()],
    [
      [2, 2, 2],
      [true, true],
    ],
  )
  table.count = 937
  defence.update()
  t.same(
    [modes(), effects()],
    [
      [1, 1, 1],
      [false, false],
    ],
  )
  t.equal(defence.tcpTable, NEXT_STATE)
})

t.test('the rate is the better the less memory is left, and counts anew each second', async (t) => {
  const property = fc.property(
    fc.integer({ min: 0, max: 1000 }),
    fc.integer({ min: 1, max: 20_000 }),
    (count, amemthresh) => {
      const sysctls = Object.assign(new Sysctls(), { amemthresh, drop_packet: 1 })
      const defence = new Defence(sysctls, [tableOf(1000, count)])
      defence.update()
      const free = Math.floor((PAGES * (1000 - count)) / 1000)
      const isLow = free < amemthresh
      const rate = isLow ? Math.floor(amemthresh / (amemthresh - free)) : 0
      const expected = Array.from({ length: 300 }, (_, i) => i + 1).filter(
        (n) => isLow && n % rate === 0,
      )
      return JSON.stringify(dropped(defence, 300)) === JSON.stringify(expected)
    },
  )
  fc.assert(property, { seed: SEED })
  t.pass('100 fillings')
})

t.test('the memory is looked at once a second', async (t) => {
  const sysctls = new Sysctls()
  const table = tableOf(1000)
  const defence = new Defence(sysctls, [table])
  defence.start(2147483600)
  sysctls.drop_entry = 1
  defence.update()
  table.count = 1000
  defence.advance((2147483600 + 99) | 0)
  t.equal(sysctls.drop_entry, 1)
  defence.advance((2147483600 + 100) | 0)
  t.equal(sysctls.drop_entry, 2, 'also where the tick wraps round')
  table.count = 0
  defence.advance((2147483600 + 199) | 0)
  t.equal(sysctls.drop_entry, 2)
  defence.advance((2147483600 + 250) | 0)
  t.equal(sysctls.drop_entry, 1)
})
