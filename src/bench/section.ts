/**
 * A benchmark, and what it hands over when it is done: one section of a report. `uipvs bench all`
 * has several of them in one.
 */
import type { Tell } from './progress.js'
import type { Plot } from './report/plot.js'
import type { Table } from './report/table.js'

export interface Section {
  /** Its key in report.json, and the beginning of its plots' file names: `wire`, `micro`. */
  readonly name: string
  readonly title: string
  /** Under which conditions, in a few sentences. */
  readonly conditions: readonly string[]
  readonly tables: readonly Table[]
  readonly plots: readonly Plot[]
  /** What the reader must know of this run, such as that the machine was not quiet. */
  readonly remarks: readonly string[]
  /** What contradicts itself: the run has failed if there is any. */
  readonly wrong: readonly string[]
  /** Everything that was measured, for report.json. */
  readonly data: Readonly<Record<string, unknown>>
}

export interface Bench {
  /** About how long it will take. */
  readonly seconds: number
  /**
   * `ended` rejects when the user wants it to end. Then, and when it is done, and at the latest
   * when this process exits, nothing of what it has made may remain.
   */
  run(tell: Tell, ended: Promise<never>): Promise<Section>
}
