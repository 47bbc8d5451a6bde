/**
 * What a benchmark hands over when it is done: one section of a report. `uipvs bench all` has
 * several of them in one.
 */
import type { Table } from './report/table.js'

export interface Section {
  /** Its key in report.json, and the beginning of its plots' file names: `wire`, `micro`. */
  readonly name: string
  readonly title: string
  /** Under which conditions, in a few sentences of Markdown without headings. */
  readonly conditions: string
  readonly tables: readonly Table[]
  /** What the reader must know of this run, such as that the machine was not quiet. */
  readonly remarks: readonly string[]
  /** What contradicts itself: the run has failed if there is any. */
  readonly wrong: readonly string[]
  /** Everything that was measured, for report.json. */
  readonly data: unknown
}
