/** Contestants one after the other, in rounds. */
import type { Tell } from '../progress.js'
import type { Contestant, StartOptions } from './contestant.js'
import { CONTESTANTS } from './index.js'
import { NotStarted } from './program.js'

/** A contestant that could not run here. */
export interface Skipped {
  readonly contestant: string
  readonly reason: string
}

/** What a report says of those: wrong is that one did not run who was asked for by name. */
export function whoDidNotRun(
  skipped: readonly Skipped[],
  wanted: readonly string[],
): { readonly remarks: string[]; readonly wrong: string[] } {
  const titles = new Map(CONTESTANTS.map(({ name, title }) => [name, title]))
  const say = ({ contestant, reason }: Skipped) => `not run: ${titles.get(contestant)}: ${reason}`
  const isWanted = ({ contestant }: Skipped) => wanted.includes(contestant)
  return {
    remarks: skipped.filter((each) => !isWanted(each)).map(say),
    wrong: skipped.filter(isWanted).map(say),
  }
}

export interface Taken<T> {
  /** Those that ran, in the order of the reports. */
  readonly contestants: readonly Contestant[]
  readonly skipped: readonly Skipped[]
  /** What each turn brought. */
  readonly turns: readonly T[]
}

/** How far a turn is, and what is done in it. */
export type TellTurn = (what: string, part: number) => void

/**
 * Lets the contestants of these names, and the generator alone, have a turn in each round. Another
 * one begins each round: nobody always runs after the same neighbour.
 */
export async function takeTurns<T>(
  names: readonly string[],
  rounds: number,
  start: StartOptions,
  tell: Tell,
  turn: (contestant: Contestant, round: number, tell: TellTurn) => Promise<T>,
): Promise<Taken<T>> {
  const skipped: Skipped[] = []
  let running = CONTESTANTS.filter(
    ({ name, side }) => side === 'generator' || names.includes(name),
  ).filter((each) => {
    const reason = each.whyNot(start)
    if (reason !== null) skipped.push({ contestant: each.name, reason })
    return reason === null
  })
  const turns: T[] = []
  for (let round = 0; round < rounds; round++) {
    const order = running.map((_, i) => running[(round + i) % running.length])
    for (const [i, contestant] of order.entries()) {
      const step = `round ${round + 1} of ${rounds}, ${contestant.title}`
      const tellTurn: TellTurn = (what, part) =>
        tell((round + (i + part) / order.length) / rounds, step, what)
      try {
        turns.push(await turn(contestant, round, tellTurn))
      } catch (error) {
        // In the first round it is the machine that does not let it; later, something is wrong.
        if (!(error instanceof NotStarted) || round > 0) throw error
        skipped.push({ contestant: contestant.name, reason: error.message })
        running = running.filter((each) => each !== contestant)
      }
    }
  }
  return { contestants: running, skipped, turns }
}
