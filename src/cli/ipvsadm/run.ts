/** A run of ipvsadm from its arguments to its exit status, whoever the director is. */
import type { Rule } from '../../balance/rule.js'
import { RulesRefused, Unreachable } from '../../control/client.js'
import type { DirectorClient, Io } from './director-client.js'
import { helpText, VERSION_LINE } from './help.js'
import { list, save } from './list.js'
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
import { type LineEnd, RuleQueue, restore } from './restore.js'

export interface Surroundings {
  readonly input: AsyncIterable<string>
  readonly director: DirectorClient
  readonly names: Names
  readonly io: Io
}

/**
 * @param argv with the program's name, as it was called, as the first.
 * @returns the exit status.
 */
export async function run(argv: readonly string[], around: Surroundings): Promise<number> {
  const { director, io } = around
  try {
    // ipvsadm asks the kernel before it looks at its arguments, and we the director, except where
    // an answer needs neither.
    const needless = await director.reach().then(() => null, unreachable)
    const command = await parseAsking(argv, around.names)
    if (needless !== null && !isText(command)) throw needless
    return await runCommand(command, argv[0]!, around)
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    io.err(error.code === 'EACCES' ? NOT_PERMITTED : absence(argv[0]!, error))
    return BAD_USAGE
  }
}

/** Without permission nothing is answered at all; without a director, still the help is. */
function unreachable(error: unknown): Unreachable {
  if (!(error instanceof Unreachable) || error.code === 'EACCES') throw error
  return error
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
      io.out(helpText(program))
      return { status: DONE, endsRun: true }
    case 'version':
      io.out(VERSION_LINE)
      return { status: DONE, endsRun: true }
    case 'list': {
      const status = await list(command, director, names, io)
      return { status, endsRun: status !== DONE }
    }
    case 'save':
      return { status: await save(command.numeric, director, names, io), endsRun: false }
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

function restoreLines(program: string, around: Surroundings): Promise<number> {
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
