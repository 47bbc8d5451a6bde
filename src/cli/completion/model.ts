/**
 * What a shell must know of a program to complete its command line, taken from the commander
 * program itself so that it cannot say anything else than the program does.
 */
import type { Argument, Command, Option } from 'commander'
import { FILTER_WORDS } from '../../engine/trace-filter.js'

/**
 * What may stand where a value is wanted. `words` has the choices in `ValueModel.choices`;
 * `service` has there, alone, the option as which `uipvsadm -S` prints such services; `realserver`
 * is one of the service that the words before it name. These two are asked of the director.
 */
export type ValueKind =
  | 'none'
  | 'words'
  | 'file'
  | 'directory'
  | 'interface'
  | 'service'
  | 'realserver'
  | 'any'

export interface ValueModel {
  readonly kind: ValueKind
  readonly choices: readonly string[]
}

export interface OptionModel {
  /** `-i`, `--interface`: one or both, short first. */
  readonly names: readonly string[]
  readonly summary: string
  readonly value: ValueModel
  /** Whether the option may stand without its value. */
  readonly valueOptional: boolean
}

export interface CommandModel {
  readonly name: string
  readonly summary: string
  readonly options: readonly OptionModel[]
  /** Operands in order; the last one repeats if `repeats`. */
  readonly operands: readonly ValueModel[]
  readonly repeats: boolean
  readonly commands: readonly CommandModel[]
}

export const NO_VALUE: ValueModel = { kind: 'none', choices: [] }

/** How our help tells what is meant: by the placeholder (`<file>`), else by the option's name. */
const PLACEHOLDERS: readonly [RegExp, ValueKind][] = [
  [/iface|interface/i, 'interface'],
  [/\bdir|directory/i, 'directory'],
  [/file|path|pcap|capture|socket/i, 'file'],
]

function valueModel(choices: readonly string[] | undefined, ...hints: string[]): ValueModel {
  if (choices !== undefined) return { kind: 'words', choices }
  for (const hint of hints) {
    const found = PLACEHOLDERS.find(([pattern]) => pattern.test(hint))
    if (found !== undefined) return { kind: found[1], choices: [] }
  }
  return { kind: 'any', choices: [] }
}

function optionModel(option: Option): OptionModel {
  const placeholder = /[<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1]
  return {
    names: [option.short, option.long].filter((name) => name !== undefined),
    summary: option.description,
    value:
      placeholder === undefined
        ? NO_VALUE
        : valueModel(option.argChoices, placeholder, option.long ?? ''),
    valueOptional: option.optional,
  }
}

/** Words that may stand in an operand among others, by its name. */
const OPERAND_WORDS: Readonly<Record<string, readonly string[]>> = { filter: FILTER_WORDS }

function operandModel(operand: Argument): ValueModel {
  return valueModel(operand.argChoices ?? OPERAND_WORDS[operand.name()], operand.name())
}

/** Everything visible in the help of a command, and of the commands below it. */
export function commandModel(command: Command): CommandModel {
  const help = command.createHelp()
  const visible = help.visibleCommands(command)
  const commands = visible.map(commandModel)
  // The operand of the help command that commander adds is the name of another command.
  const others = visible.map((child) => child.name()).filter((name) => name !== 'help')
  const withHelp = commands.map((child) =>
    child.name === 'help'
      ? { ...child, operands: [{ kind: 'words', choices: others } as const] }
      : child,
  )
  return {
    name: command.name(),
    summary: command.summary() || command.description(),
    options: help.visibleOptions(command).map(optionModel),
    operands: command.registeredArguments.map(operandModel),
    repeats: command.registeredArguments.at(-1)?.variadic ?? false,
    commands: withHelp,
  }
}
