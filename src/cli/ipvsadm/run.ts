/**
 * A run of ipvsadm from its arguments to its exit status, whoever the director is.
 *
 * What only some commands need is imported when it is needed: a module costs about a millisecond
 * of a start that has 150 in all.
 */
import type { Rule } from '../../balance/rule.js'
import { RulesRefused, Unreachable } from '../../control/client.js'
import type { DirectorClient, Io } from './director-client.js'
import {
  BAD_USAGE,
  type CommandError,
  DONE,
  NOT_PERMITTED,
  REFUSED,
  refusal,
  tryHelp,
} from './messages.js'
import { HostWanted, type Names } from './names.js'
import { type Command, parse } from './parse.js'
import type { LineEnd } from './restore.js'

export interface Surroundings {
  readonly input: AsyncIterable<string>
  readonly director: DirectorClient
  readonly names: Names
  readonly io: Io
  /** `-R` clears the table first, in the same change. Not under the name of ipvsadm. */
  readonly isReplacing?: boolean
}

/**
 * @param argv with the program's name, as it was called, as the first.
 * @returns the exit status.
 */
export async function run(argv: readonly string[], around: Surroundings): Promise<number> {
  const { director, io } = around
  try {
    const command = await parseAsking(argv, around.names)
    await askFirst(command, director)
    return await runCommand(command, argv[0]!, around)
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    io.err(error.code === 'EACCES' ? NOT_PERMITTED : absence(argv[0]!, error))
    return BAD_USAGE
  }
}

/**
 * ipvsadm asks the kernel before it looks at its arguments. Rules and listings find out by
 * themselves whether a director answers; the rest must not say anything before that is known. Only
 * help is given without a director too, but not without permission.
 */
async function askFirst(command: Command | CommandError, director: DirectorClient): Promise<void> {
  if (command.kind === 'rule' || command.kind === 'list' || command.kind === 'save') return
  await director.reach().catch((error: unknown) => {
    if (isText(command) && error instanceof Unreachable && error.code !== 'EACCES') return
    throw error
  })
}

function isText(command: Command | CommandError): boolean {
  return command.kind === 'help' || command.kind === 'version'
}

function absence(program: string, { path, code }: Unreachable): string {
  const name = program.slice(program.lastIndexOf('/') + 1)
  return `${name}: no director answers at ${path} (${code}); start one with: uipvs run -i eth0\n`
}

/** Parses, and while a host's name is wanted, asks for it and parses again. */
async function parseAsking(argv: readonly string[], names: Names): Promise<Command | CommandError> {
  for (;;) {
    try {
      return parse(argv, names)
    } catch (error) {
      if (!(error instanceof HostWanted)) throw error
      await names.askAddress(error.host)
    }
  }
}

async function runCommand(
  command: Command | CommandError,
  program: string,
  around: Surroundings,
): Promise<number> {
  switch (command.kind) {
    case 'rule':
      return applyRule(command.rule, around)
    case 'restore':
      return restoreLines(program, around)
    default:
      return (await answer(command, program, around)).status
  }
}

/** Everything that changes nothing. `endsRun` tells what it means within a restored file. */
async function answer(
  command: Exclude<Command | CommandError, { kind: 'rule' | 'restore' }>,
  program: string,
  { director, names, io }: Surroundings,
): Promise<LineEnd> {
  switch (command.kind) {
    case 'error':
      io.err(command.text)
      return command
    case 'help':
    case 'version': {
      const { helpText, VERSION_LINE } = await import('./help.js')
      io.out(command.kind === 'help' ? helpText(program) : VERSION_LINE)
      return { status: DONE, endsRun: true }
    }
    case 'list': {
      const { list } = await import('./list.js')
      const status = await list(command, director, names, io)
      return { status, endsRun: status !== DONE }
    }
    case 'save': {
      const { save } = await import('./list.js')
      return { status: await save(command.numeric, director, names, io), endsRun: false }
    }
  }
}

async function applyRule(rule: Rule, { director, io }: Surroundings): Promise<number> {
  try {
    await director.rules([rule], { atomic: false })
    return DONE
  } catch (error) {
    if (!(error instanceof RulesRefused)) throw error
    io.err(refusal(rule, error))
    return REFUSED
  }
}

/** Called `ipvsadm`, by a link, this is ipvsadm in every respect; else a file is all or nothing. */
export function isByLine(program: string): boolean {
  return program.slice(program.lastIndexOf('/') + 1) === 'ipvsadm'
}

async function restoreLines(program: string, around: Surroundings): Promise<number> {
  if (!isByLine(program)) return restoreAll(program, around)
  const { restore, RuleQueue } = await import('./restore.js')
  const queue = new RuleQueue(around.director, around.io)
  return restore(program, around.input, queue, async (argv) => {
    let command = await parseAsking(argv, around.names)
    if (command.kind === 'rule') {
      queue.add(command.rule)
      return null
    }
    await queue.flush()
    if (command.kind === 'restore') command = tryHelp(program).value
    return answer(command, program, around)
  })
}

async function restoreAll(program: string, around: Surroundings): Promise<number> {
  const { director, io, names, input, isReplacing } = around
  const { restoreWhole } = await import('./restore-whole.js')
  return restoreWhole(program, input, {
    director,
    io,
    before: isReplacing ? [{ op: 'flush' }] : [],
    parseLine: async (argv) => {
      const command = await parseAsking(argv, names)
      return command.kind === 'restore' ? tryHelp(program).value : command
    },
  })
}
