/**
 * The rules of §3.8 of the reference, in the form in which it states them, against the class,
 * through random lives of a destination: connections come and go, thresholds are edited.
 */
import fc from 'fast-check'
import t from 'tap'
import { DestinationTable } from '../../src/balance/destination.js'
import { Region, regionBytes } from '../../src/balance/region.js'
import { type FollowedKernel, Thresholds } from '../../src/balance/thresholds.js'
import { SEED } from './rule-book.js'

function make(kernel: FollowedKernel) {
  const bytes = regionBytes(...DestinationTable.pieces(1))
  const table = new DestinationTable(new Region(new ArrayBuffer(bytes)), 1)
  const slot = table.create(4, 6, new Int32Array(4), 80)
  const thresholds = new Thresholds(table, kernel)
  return {
    get isOver() {
      return table.isOverloaded(slot)
    },
    bind() {
      table.addInactive(slot, 1)
      thresholds.bound(slot)
    },
    unbind() {
      table.addInactive(slot, -1)
      thresholds.unbound(slot)
    },
    set(upper: number, lower: number) {
      const [oldUpper, oldLower] = [table.upper(slot), table.lower(slot)]
      table.setThresholds(slot, upper, lower)
      thresholds.changed(slot, oldUpper, oldLower)
    },
  }
}

/** `reference build`: set at the crossing, cleared at the crossing, judged anew when edited. */
function newer(state: { u: number; l: number; total: number; over: boolean }, event: string) {
  const lv = state.l !== 0 ? state.l : state.u - Math.trunc(state.u / 4)
  if (event === 'bound' && state.u !== 0 && state.total === state.u) state.over = true
  if (event === 'unbound' && state.total + 1 === lv) state.over = false
  if (event === 'changed') {
    if (state.u === 0) state.over = false
    else if (state.total >= state.u) state.over = true
    else if (state.total < lv) state.over = false
  }
}

/** `[C]`: 6.1.176. */
function older(
  state: { u: number; l: number; total: number; over: boolean },
  event: string,
  oldU: number,
) {
  if (event === 'bound' && state.u !== 0 && state.total >= state.u) state.over = true
  if (event === 'unbound') {
    if (state.l !== 0 ? state.total < state.l : state.u === 0 || 4 * state.total < 3 * state.u) {
      state.over = false
    }
  }
  if (event === 'changed' && (state.u === 0 || state.u > oldU)) state.over = false
}

for (const kernel of ['6.1.176', '6.1.192'] as const) {
  t.test(`${kernel}: agrees with the reference's table`, async (t) => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant('bind' as const) },
      { weight: 4, arbitrary: fc.constant('unbind' as const) },
      { weight: 1, arbitrary: fc.tuple(fc.nat({ max: 9 }), fc.nat({ max: 9 })) },
    )
    const property = fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const real = make(kernel)
      const model = { u: 0, l: 0, total: 0, over: false }
      for (const each of steps) {
        if (each === 'bind') {
          model.total++
          real.bind()
          if (kernel === '6.1.176') older(model, 'bound', model.u)
          else newer(model, 'bound')
        } else if (each === 'unbind') {
          if (model.total === 0) continue
          model.total--
          real.unbind()
          if (kernel === '6.1.176') older(model, 'unbound', model.u)
          else newer(model, 'unbound')
        } else {
          const [u, l] = [each[0], Math.min(each[0], each[1])]
          const old = { u: model.u, l: model.l }
          model.u = u
          model.l = l
          real.set(u, l)
          if (kernel === '6.1.176') older(model, 'changed', old.u)
          else if (u !== old.u || l !== old.l) newer(model, 'changed')
        }
        if (real.isOver !== model.over) throw new Error(`${each}: ${JSON.stringify(model)}`)
      }
    })
    fc.assert(property, { seed: SEED, numRuns: 1500 })
    t.pass('1500 lives')
  })

  t.test(`${kernel}: the tested example, -x 4 without -y`, async (t) => {
    const real = make(kernel)
    real.set(4, 0)
    const seen: boolean[] = []
    for (let i = 0; i < 4; i++) {
      real.bind()
      seen.push(real.isOver)
    }
    real.unbind()
    seen.push(real.isOver)
    real.unbind()
    seen.push(real.isOver)
    t.same(seen, [false, false, false, true, true, false], 'set at 4, still set at 3, cleared at 2')
  })
}

t.test('lowering the upper threshold below the count', async (t) => {
  const [classic, modern] = [make('6.1.176'), make('6.1.192')]
  for (const each of [classic, modern]) {
    for (let i = 0; i < 5; i++) each.bind()
    each.set(3, 0)
  }
  t.same([classic.isOver, modern.isOver], [false, true], 'the older kernel waits for the next bind')
  classic.bind()
  t.ok(classic.isOver)
})
