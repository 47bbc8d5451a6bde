/** The figures of a race as tables. */
import type { Table } from '../report/table.js'
import type { Load } from './round.js'
import type { NoLossSummary, Spread, Summary } from './summary.js'

/** Names of contestants to what the reports call them. */
export type Titles = ReadonlyMap<string, string>

/**
 * Where more is lost, the generator's share says nothing: a frame that finds a ring full is cheaper
 * than one that is dropped by nftables, as those of the generator alone are.
 */
export const LOSS_TELLING = 0.01

const HEAD = ['', 'thousand/s', 'loss %', 'machine µs', 'involved µs', 'own µs']

export function loadTable(
  title: string,
  summaries: readonly Summary[],
  load: Load,
  titles: Titles,
): Table {
  const rows = summaries
    .filter((each) => each.load === load)
    .map((each) => {
      const isAlone = each.contestant === 'generator'
      return [
        titles.get(each.contestant) ?? each.contestant,
        cell(isAlone ? each.deliveredRate : each.receivedRate, 1 / 1000, 0),
        isAlone ? '' : cell(each.loss, 100, 2),
        ...(each.loss.median > LOSS_TELLING ? ['', ''] : shares(each)),
        each.ownMicroseconds.most === 0 ? '' : cell(each.ownMicroseconds, 1, 2),
      ]
    })
  return { title, head: HEAD, rows }
}

function shares({ machineMicroseconds, involvedMicroseconds }: Summary): string[] {
  return [machineMicroseconds, involvedMicroseconds].map((spread) => cell(spread, 1, 2))
}

export function noLossTable(title: string, found: readonly NoLossSummary[], titles: Titles): Table {
  const rows = found.map(({ contestant, rate, atGeneratorsLimit }) => [
    titles.get(contestant) ?? contestant,
    `${atGeneratorsLimit > 0 ? '≥ ' : ''}${cell(rate, 1 / 1000, 0)}`,
  ])
  return { title, head: ['', 'thousand/s'], rows }
}

/** The median, and how far the rounds lie apart. */
export function cell({ median, least, most }: Spread, factor: number, digits: number): string {
  const text = (value: number) => (value * factor).toFixed(digits)
  return `${text(median)} (${text(least)}..${text(most)})`
}
