import t from 'tap'
import {
  FAILED_RETRY_MS,
  NeighbourTable,
  NONE,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_PROBE,
  NUD_REACHABLE,
  REACHABLE_MS,
  RETRANSMIT_MS,
} from '../../src/link/neighbour.js'

const NAMES: Record<number, string> = {
  [NUD_INCOMPLETE]: 'INCOMPLETE',
  [NUD_REACHABLE]: 'REACHABLE',
  [NUD_PROBE]: 'PROBE',
  [NUD_FAILED]: 'FAILED',
}

/** Turns a clock and writes down each solicitation and each change of state. */
class Watch {
  now = 0
  readonly log: string[] = []
  readonly table: NeighbourTable
  #state = -1

  constructor(table: NeighbourTable) {
    this.table = table
  }

  until(ms: number): void {
    for (; this.now <= ms; this.now += 100) {
      const wanted = this.table.nextWanted(0, this.now)
      const state = this.table.state(0)
      if (state !== this.#state) this.log.push(`${this.now} ${NAMES[state]}`)
      this.#state = state
      if (wanted === 0)
        this.log.push(`${this.now} ${this.table.isUnicastProbe(0) ? 'unicast' : 'ask'}`)
    }
  }

  answer(): void {
    this.table.confirm(0, 0x0200, 5, this.now)
  }
}

t.test('never answered: three questions, then left alone, then again', async (t) => {
  const table = new NeighbourTable(4)
  table.acquire(0, 4, 1, 0, 0, 0, 0)
  const watch = new Watch(table)
  watch.until(8500)
  t.same(watch.log, [
    '0 INCOMPLETE',
    '0 ask',
    '1000 ask',
    '2000 ask',
    '3000 FAILED',
    '8000 INCOMPLETE',
    '8000 ask',
  ])
  t.equal(RETRANSMIT_MS, 1000)
  t.equal(FAILED_RETRY_MS, 5000)
})

t.test('answered: trusted for a while, then asked again by unicast', async (t) => {
  const table = new NeighbourTable(4)
  table.acquire(0, 4, 1, 0, 0, 0, 0)
  const watch = new Watch(table)
  watch.until(500)
  watch.answer()
  t.ok(table.isUsable(0) && !table.isFailed(0))
  const trusted = watch.now + REACHABLE_MS
  watch.until(trusted + 100)
  t.same(watch.log, [
    '0 INCOMPLETE',
    '0 ask',
    '600 REACHABLE',
    `${trusted} PROBE`,
    `${trusted} unicast`,
  ])
  t.ok(table.isUsable(0), 'frames go on to the last known address')
  watch.answer()
  watch.until(trusted + 2000)
  t.equal(watch.log.at(-1), `${trusted + 200} REACHABLE`)
})

t.test('a probe without answer becomes a question to everybody, and then fails', async (t) => {
  const table = new NeighbourTable(4)
  table.acquire(0, 4, 1, 0, 0, 0, 0)
  table.confirm(0, 1, 2, 0)
  const watch = new Watch(table)
  watch.until(REACHABLE_MS + 8000)
  t.same(
    watch.log.map((line) => line.split(' ').reverse().join(' ')),
    [
      'REACHABLE 0',
      'PROBE 30000',
      'unicast 30000',
      'unicast 31000',
      'unicast 32000',
      'INCOMPLETE 33000',
      'ask 33000',
      'ask 34000',
      'ask 35000',
      'FAILED 36000',
    ],
  )
  t.ok(table.isFailed(0) && !table.isUsable(0))
})

t.test('one that was pinned is never asked', async (t) => {
  const table = new NeighbourTable(4)
  table.acquire(0, 4, 1, 0, 0, 0, 0)
  table.pin(0, 7, 8)
  t.equal(table.nextWanted(0, 1e12), NONE)
  t.same([table.macHigh[0], table.macLow[0], table.isUsable(0)], [7, 8, true])
})

t.test('shared by all that use it, and gone with the last of them', async (t) => {
  const table = new NeighbourTable(2)
  const first = table.acquire(0, 6, 1, 2, 3, 4, 0)
  t.equal(table.acquire(0, 6, 1, 2, 3, 4, 0), first)
  const other = table.acquire(1, 6, 1, 2, 3, 4, 0)
  t.not(other, first, 'on another arm it is another')
  t.equal(table.acquire(0, 4, 1, 2, 3, 4, 0), NONE, 'full')
  t.same([table.family(first), table.arm[other]], [6, 1])
  t.same(
    [0, 1, 2, 3].map((i) => table.address(first, i)),
    [1, 2, 3, 4],
  )
  table.confirm(first, 1, 1, 0)
  table.release(first)
  t.ok(table.isUsable(first))
  table.release(first)
  t.notOk(table.isUsable(first))
  t.equal(table.find(0, 6, 1, 2, 3, 4), NONE)
  t.equal(table.nextWanted(0, 1e9), other, 'nobody asks for one that is not used')
  t.equal(table.acquire(0, 4, 9, 0, 0, 0, 0), first, 'its slot is free')
  t.notOk(table.isUsable(first))
})

t.test('each address is told apart by every word', async (t) => {
  const table = new NeighbourTable(8)
  const slots = [
    [1, 0, 0, 0],
    [0, 1, 0, 0],
    [0, 0, 1, 0],
    [0, 0, 0, 1],
  ].map(([a, b, c, d]) =>
    table.acquire(0, 6, a as number, b as number, c as number, d as number, 0),
  )
  t.equal(new Set(slots).size, 4)
  t.equal(table.highWater, 4)
})
