/** How far a benchmark is, told while it runs. */

export interface Progress {
  /** How many steps there will be. */
  plan(steps: number): void
  /** `done` steps are over, in parts of one too; `what` is measured now. */
  at(done: number, what: string): void
  end(): void
}

export const SILENT: Progress = { plan: () => {}, at: () => {}, end: () => {} }
