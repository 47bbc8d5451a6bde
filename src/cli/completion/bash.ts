/**
 * Completion for bash 4 and later. One function per program walks the words before the cursor to
 * find which command they belong to, then offers what that command takes there. It needs nothing of
 * the bash-completion package, so it works where only bash is installed.
 */
import type { CommandModel, OptionModel, ValueModel } from './model.js'
import { REALSERVERS_AWK, SERVICE_OPTIONS, SERVICES_AWK } from './running.js'

/** A command with the words that lead to it: '', ' run', ' realserver up'. */
interface Place {
  readonly path: string
  readonly command: CommandModel
}

function places(command: CommandModel, path = ''): Place[] {
  const below = command.commands.flatMap((child) => places(child, `${path} ${child.name}`))
  return [{ path, command }, ...below]
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

function takesValue(option: OptionModel): boolean {
  return option.value.kind !== 'none'
}

/** The call that offers values of one kind. */
function offer(value: ValueModel): string {
  return `_uipvs_offer ${value.kind} ${quote(value.choices.join(' '))}`
}

/** `' run -i'|' run --interface'` */
function pattern(path: string, options: readonly OptionModel[]): string {
  return options.flatMap((option) => option.names.map((name) => quote(`${path} ${name}`))).join('|')
}

function valueCases(all: readonly Place[]): string {
  return all
    .flatMap(({ path, command }) =>
      command.options
        .filter(takesValue)
        .map(
          (option) =>
            `    ${pattern(path, [option])}) ${offer(option.value)}; _uipvs_trim; return ;;`,
        ),
    )
    .join('\n')
}

/** Steps over the value of an option, which may look like a command. */
function skipCase(all: readonly Place[]): string {
  const patterns = all
    .map(({ path, command }) => {
      const needed = command.options.filter((option) => takesValue(option) && !option.valueOptional)
      return pattern(path, needed)
    })
    .filter((text) => text !== '')
  if (patterns.length === 0) return ''
  return `      ${patterns.join('|')})
        i=$((i + 1))
        if [[ ${'$'}{words[i]} == '=' ]]; then i=$((i + 1)); fi
        continue ;;\n`
}

/** Goes one command deeper. */
function deeperCase(all: readonly Place[]): string {
  const paths = all.filter((place) => place.path !== '').map((place) => quote(place.path))
  return paths.length === 0 ? '' : `      ${paths.join('|')}) path="$path $word" ;;\n`
}

/** What a place offers for a word that is no option: its commands, or its operands in turn. */
function operandCases({ path, command }: Place): string {
  if (command.commands.length > 0) {
    const names = command.commands.map((child) => child.name)
    const choices = [...names, ...(command.operands[0]?.choices ?? [])]
    return `    ${quote(path)}:0) ${offer({ kind: 'words', choices })} ;;`
  }
  return command.operands
    .map((value, index) => {
      const last = index === command.operands.length - 1
      const count = last && command.repeats ? '*' : String(index)
      return `    ${quote(path)}:${count}) ${offer(value)} ;;`
    })
    .join('\n')
}

function optionCases({ path, command }: Place): string {
  const names = command.options.flatMap((option) => option.names)
  return `      ${quote(path)}) ${offer({ kind: 'words', choices: names })} ;;`
}

const OFFER = `# Offers candidates of one kind for the word at the cursor, which is in $cur.
_uipvs_offer() {
  case $1 in
    words) mapfile -t COMPREPLY < <(compgen -W "$2" -- "$cur") ;;
    interface) mapfile -t COMPREPLY < <(compgen -W "$(command ls /sys/class/net)" -- "$cur") ;;
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    directory) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    service) _uipvs_matching < <(_uipvs_saved | command awk -v wanted="$2" '${SERVICES_AWK}') ;;
    realserver) _uipvs_realservers ;;
  esac
}

# The rules of the running director; nothing if none runs. The words are those of the caller.
_uipvs_saved() {
  local -a control=()
  if [[ ${'$'}{words[1]} == --control ]]; then control=(--control "${'$'}{words[2]}"); fi
  command "${'$'}{words[0]}" "${'$'}{control[@]}" -S -n 2>/dev/null
}

# Lines that begin with $cur. (compgen -W would take brackets of IPv6 addresses for patterns.)
_uipvs_matching() {
  local line
  while read -r line; do
    if [[ $line == "$cur"* ]]; then COMPREPLY+=("$line"); fi
  done
}

# The realservers of the service that the words before name.
_uipvs_realservers() {
  local wanted='' service='' i
  for ((i = 1; i < cword - 1; i++)); do
    case ${'$'}{words[i]} in
      --control) i=$((i + 1)) ;;
${SERVICE_OPTIONS.map(([saved, names]) => `      ${names.join('|')}) wanted=${saved} service=${'$'}{words[i + 1]} ;;`).join('\n')}
    esac
  done
  _uipvs_matching < <(_uipvs_saved |
    command awk -v wanted="$wanted" -v service="$service" '${REALSERVERS_AWK}')
}

# bash cuts words at colons: puts them together again, as words and cword of the caller.
_uipvs_join() {
  local i word glue=''
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=${'$'}{COMP_WORDS[i]}
    if ((i > 0)) && [[ $glue || $word =~ ^:+$ ]]; then
      words[cword]+=$word
    else
      cword=${'$'}{#words[@]}
      words+=("$word")
    fi
    if [[ $word =~ ^:+$ ]]; then glue=1; else glue=''; fi
  done
}

# What stands before the last colon is on the line already, and not part of the word for bash.
_uipvs_trim() {
  if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
    COMPREPLY=("${'$'}{COMPREPLY[@]#"${'$'}{cur%"${'$'}{cur##*:}"}"}")
  fi
}`

function program(command: CommandModel): string {
  const all = places(command)
  const operands = all.map(operandCases).filter((text) => text !== '')
  const name = command.name
  return `_${name}_complete() {
  local cword=0
  local -a words=()
  _uipvs_join
  local cur=\${words[cword]} prev=\${words[cword - 1]}
  local path='' word i operands=0
  COMPREPLY=()
  # bash cuts --option=value into three words.
  if [[ $cur == '=' ]]; then
    cur=''
  elif [[ $prev == '=' ]]; then
    prev=\${words[cword - 2]}
  fi
  # Letters may be run together; the last one takes the value.
  if [[ $prev =~ ^-[A-Za-z0-9]+$ ]]; then prev=-\${prev: -1}; fi
  # Which command do the words before belong to, and how many operands has it already?
  for ((i = 1; i < cword; i++)); do
    word=\${words[i]}
    case "$path $word" in
${skipCase(all)}      *' -'*) ;;
${deeperCase(all)}      *) operands=$((operands + 1)) ;;
    esac
  done
  case "$path $prev" in
${valueCases(all)}
    *) ;;
  esac
  if [[ $cur == -* ]]; then
    case "$path" in
${all.map(optionCases).join('\n')}
    esac
    return
  fi
  case "$path:$operands" in
${[...operands, '    *) ;;'].join('\n')}
  esac
}
complete -F _${name}_complete ${name}`
}

export function bashCompletion(programs: readonly CommandModel[]): string {
  const names = programs.map((command) => command.name).join(' and ')
  return [`# bash completion for ${names}`, OFFER, ...programs.map(program), ''].join('\n\n')
}
