/**
 * Completion for zsh: one function per command, made of `_arguments` specifications
 * (zshcompsys(1)). The script works as a file `_uipvs` on $fpath and when it is sourced.
 */
import type { CommandModel, OptionModel, ValueModel } from './model.js'
import { REALSERVERS_AWK, SERVICE_OPTIONS, SERVICES_AWK } from './running.js'

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
    case 'service':
      return `_uipvs_services ${value.choices.join(' ')}`
    case 'realserver':
      return '_uipvs_realservers'
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
  // A command with commands below it may have an operand of its own, and options after it.
  const operands = command.operands[0]?.choices ?? []
  const also = operands.length === 0 ? '' : `; compadd ${operands.join(' ')}`
  if (operands.length > 0) cases.push(`    *) _arguments -s -S ${options.join(' ')} ;;`)
  return `${name}() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands=(
    ${list.join('\n    ')}
  )
  _arguments -C \\
    ${[...options, "'1:command:->command'", "'*::argument:->argument'"].join(' \\\n    ')}
  case $state in
    command) _describe -t commands command commands${also} ;;
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

const RUNNING = `# The rules of the running director; nothing if none runs.
_uipvs_saved() {
  local -a control
  [[ $words[2] == --control ]] && control=(--control "\${(Q)words[3]}")
  command $words[1] $control -S -n 2>/dev/null
}

# _arguments puts options for compadd before an argument of ours.
_uipvs_services() {
  local -a found
  found=(\${(f)"$(_uipvs_saved | command awk -v wanted="$argv[-1]" '${SERVICES_AWK}')"})
  compadd "\${(@)argv[1,-2]}" -a found
}

# The realservers of the service that the words before name.
_uipvs_realservers() {
  local wanted service i
  local -a found
  for ((i = 2; i < CURRENT - 1; i++)); do
    case $words[i] in
      --control) ((i++)) ;;
${SERVICE_OPTIONS.map(([saved, names]) => `      ${names.join('|')}) wanted=${saved} service=\${(Q)words[i+1]} ;;`).join('\n')}
    esac
  done
  found=(\${(f)"$(_uipvs_saved | command awk -v wanted="$wanted" -v service="$service" \\
    '${REALSERVERS_AWK}')"})
  compadd "$@" -a found
}`

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
  return [`#compdef ${names.join(' ')}`, RUNNING, ...bodies, end, ''].join('\n\n')
}
