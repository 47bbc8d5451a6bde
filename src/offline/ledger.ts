/**
 * All counters of a director at one moment, so that two moments can be compared: what did this
 * frame touch? Statistics as `uipvsadm --stats` has them, connection counts, and frames by verdict.
 */

import type { RuleBook } from '../balance/apply.js'
import { STAT_COUNT } from '../balance/destination.js'
import { serviceText } from '../balance/judge.js'
import { realserverText } from '../control/choice.js'
import { ENDINGS } from '../engine/verdict.js'
import type { ExplainedCounter } from './explanation.js'

/** By STAT_ index. */
const STATISTICS = ['connections', 'packets in', 'bytes in', 'packets out', 'bytes out'] as const

interface Cell {
  readonly of: string
  readonly name: string
  readonly read: () => number
}

export class Ledger {
  readonly #cells: readonly Cell[]
  readonly #before: Float64Array

  /** Notes what every counter says now. */
  constructor(book: RuleBook, verdicts: Float64Array) {
    this.#cells = [...cellsOf(book), ...verdictCells(verdicts)]
    this.#before = Float64Array.from(this.#cells, (cell) => cell.read())
  }

  /** The counters that say something else by now. */
  changes(): ExplainedCounter[] {
    return this.#cells.flatMap(({ of, name, read }, i) => {
      const before = this.#before[i]
      const after = read()
      return before === after ? [] : [{ of, name, before, after }]
    })
  }
}

/** The director as a whole, then each service with its realservers. */
function cellsOf(book: RuleBook): Cell[] {
  const { services, destinations } = book.balancer
  const statistics = (of: string, read: (index: number) => number): Cell[] =>
    STATISTICS.slice(0, STAT_COUNT).map((name, index) => ({ of, name, read: () => read(index) }))
  const cells = statistics('director', (index) => services.statistic(services.capacity, index))
  for (const slot of book.services()) {
    const key = book.serviceKeys[slot]
    if (key === undefined) continue
    const name = serviceText(key)
    cells.push(...statistics(`service ${name}`, (index) => services.statistic(slot, index)))
    for (let d = services.head(slot); d >= 0; d = destinations.next(d)) {
      const of = `realserver ${realserverText(book, d)} of ${name}`
      cells.push(
        ...statistics(of, (index) => destinations.statistic(d, index)),
        { of, name: 'active', read: () => destinations.active(d) },
        { of, name: 'inactive', read: () => destinations.inactive(d) },
        { of, name: 'persistent', read: () => destinations.persistent(d) },
      )
    }
  }
  return cells
}

function verdictCells(verdicts: Float64Array): Cell[] {
  return ENDINGS.map(({ name }, i) => ({ of: 'verdict', name, read: () => verdicts[i] }))
}
