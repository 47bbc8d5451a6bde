/**
 * Completion for zsh: one function per command, made of `_arguments` specifications
 * (zshcompsys(1)). The script works as a file `_uipvs` on $fpath and when it is sourced.
 */
import type { CommandModel, OptionModel, ValueModel } from './model.js'

/** Text inside a single-quoted word of the script. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** Text between `[` and `]`, or before a `:`, of a specification. */
function escaped(text: string): string {
  return text.replace(/[\\[\]:]/g, '\\$&')
}

/** The action part of a specification: how values of this kind are found. */
function action(value: ValueModel): string {
  switch (value.kind) {
    case 'words':
      return `(${value.choices.join(' ')})`
    case 'file':
      return '_files'
    case 'directory':
      return '_files -/'
    case 'interface':
      return '_net_interfaces'
    default:
      return ' '
  }
}

/** `'(-i --interface)'{-i,--interface}'[summary]:value:action'`, for each name of an option. */
function optionSpecifications(option: OptionModel): string[] {
  const colon = option.valueOptional ? '::' : ':'
  const value = option.value.kind === 'none' ? '' : `${colon}value:${action(option.value)}`
  return option.names.map((name) => quote(`*${name}[${escaped(option.summary)}]${value}`))
}

function operandSpecifications(command: CommandModel): string[] {
  return command.operands.map((value, index) => {
    const last = index === command.operands.length - 1
    const position = last && command.repeats ? '*' : `${index + 1}`
    return quote(`${position}:operand:${action(value)}`)
  })
}

function leaf(name: string, command: CommandModel): string {
  const specifications = [
    ...command.options.flatMap(optionSpecifications),
    ...operandSpecifications(command),
  ]
  return `${name}() {\n  _arguments -s -S \\\n    ${specifications.join(' \\\n    ')}\n}`
}

function branch(name: string, command: CommandModel): string {
  const options = command.options.flatMap(optionSpecifications)
  const list = command.commands.map((child) => quote(`${child.name}:${child.summary}`))
  const cases = command.commands.map((child) => `    ${child.name}) ${name}_${child.name} ;;`)
  return `${name}() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands=(
    ${list.join('\n    ')}
  )
  _arguments -C \\
    ${[...options, "'1:command:->command'", "'*::argument:->argument'"].join(' \\\n    ')}
  case $state in
    command) _describe -t commands command commands ;;
    argument)
      case $words[1] in
    ${cases.join('\n    ')}
      esac ;;
  esac
}`
}

function functions(name: string, command: CommandModel): string[] {
  if (command.commands.length === 0) return [leaf(name, command)]
  const below = command.commands.flatMap((child) => functions(`${name}_${child.name}`, child))
  return [...below, branch(name, command)]
}

export function zshCompletion(programs: readonly CommandModel[]): string {
  const names = programs.map((command) => command.name)
  const called = names.map((name) => `    ${name}) _${name} "$@" ;;`).join('\n')
  const end = `if [[ $funcstack[1] == _uipvs ]]; then
  # Autoloaded from a file on $fpath, as the function that the file is named after.
  case $service in
${called}
  esac
else
${names.map((name) => `  compdef _${name} ${name}`).join('\n')}
fi`
  const bodies = programs.flatMap((command) => functions(`_${command.name}`, command))
  return [`#compdef ${names.join(' ')}`, ...bodies, end, ''].join('\n\n')
}
