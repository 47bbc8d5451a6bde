/**
 * `uipvsadm -R`: all lines or none. ipvsadm carries out what stands before a mistake, and so do we
 * under its name (restore.ts); half a file is what nobody who restores one wants.
 */
import type { Rule } from '../../balance/rule.js'
import { RulesRefused } from '../../control/client.js'
import type { DirectorClient, Io } from './director-client.js'
import { type CommandError, DONE, REFUSED, refusal } from './messages.js'
import type { Command } from './parse.js'
import { wordsOf } from './rule-lines.js'

interface Line {
  readonly words: readonly string[]
  /** From 1. */
  readonly line: number
}

export interface Whole {
  readonly director: DirectorClient
  readonly io: Io
  /** What is done before the first line, in the same change. */
  readonly before: readonly Rule[]
  readonly parseLine: (argv: readonly string[]) => Promise<Command | CommandError>
}

/** @returns the exit status. */
export async function restoreWhole(
  program: string,
  input: AsyncIterable<string>,
  { director, io, before, parseLine }: Whole,
): Promise<number> {
  const pieces: string[] = []
  for await (const piece of input) pieces.push(piece)
  const lines: Line[] = [...wordsOf(pieces.join(''))]
  const rules = [...before]
  for (const line of lines) {
    const command = await parseLine([program, ...line.words])
    if (command.kind === 'rule') {
      rules.push(command.rule)
      continue
    }
    const isTold = command.kind === 'error'
    io.err(isTold ? command.text : `'${line.words.join(' ')}' changes nothing\n`)
    io.err(unchanged(program, line))
    return isTold && command.status !== DONE ? command.status : REFUSED
  }
  if (rules.length === 0) return DONE
  try {
    await director.rules(rules, { atomic: true })
    return DONE
  } catch (error) {
    if (!(error instanceof RulesRefused)) throw error
    io.err(refusal(rules[error.index], error))
    // A state that cannot be written is no line's fault.
    const at = error.subject === 'state' ? undefined : lines[error.index - before.length]
    io.err(unchanged(program, at))
    return REFUSED
  }
}

function unchanged(program: string, at: Line | undefined): string {
  const name = program.slice(program.lastIndexOf('/') + 1)
  if (at === undefined) return `${name}: nothing was changed\n`
  const where = `line ${at.line}: ${at.words.join(' ')}`
  return `${name}: nothing was changed (${where}); correct it, and run all again\n`
}
