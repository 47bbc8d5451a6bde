/** Completion for fish: one `complete` line per command and option (fish's complete(1)). */
import type { CommandModel, OptionModel, ValueModel } from './model.js'
import { REALSERVERS_AWK, SERVICE_OPTIONS, SERVICES_AWK } from './running.js'

function quote(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`
}

/** What follows when a value is wanted: `-r` wants one, `-f` offers no files beside it. */
function valueWords(value: ValueModel, isOptional: boolean): string[] {
  const wants = isOptional ? [] : ['-r']
  switch (value.kind) {
    case 'none':
      return []
    case 'words':
      return [...wants, '-f', '-a', quote(value.choices.join(' '))]
    case 'interface':
      return [...wants, '-f', '-a', quote('(command ls /sys/class/net)')]
    case 'directory':
      return [...wants, '-f', '-a', quote('(__fish_complete_directories)')]
    case 'file':
      return [...wants, '-F']
    case 'service':
      return [...wants, '-f', '-a', quote(`(__uipvs_services ${value.choices.join(' ')})`)]
    case 'realserver':
      return [...wants, '-f', '-a', quote('(__uipvs_realservers)')]
    case 'any':
      return [...wants, '-f']
  }
}

function nameWords(option: OptionModel): string[] {
  return option.names.flatMap((name) =>
    name.startsWith('--') ? ['-l', name.slice(2)] : ['-s', name.slice(1)],
  )
}

/** The condition under which a command's own words are offered: it was named, no other below it. */
function condition(path: readonly string[], command: CommandModel): string[] {
  const below = command.commands.map((child) => child.name)
  const parts = path.map((name) => `__fish_seen_subcommand_from ${name}`)
  if (below.length > 0) parts.push(`not __fish_seen_subcommand_from ${below.join(' ')}`)
  return parts.length === 0 ? [] : ['-n', quote(parts.join('; and '))]
}

function lines(program: string, command: CommandModel, path: readonly string[]): string[] {
  const start = ['complete', '-c', program, ...condition(path, command)]
  const options = command.options.map((option) => [
    ...start,
    ...nameWords(option),
    ...valueWords(option.value, option.valueOptional),
    '-d',
    quote(option.summary),
  ])
  const operands = command.operands
    .filter((value) => value.kind !== 'any')
    .map((value) => [...start, ...valueWords(value, true)])
  const children = command.commands.map((child) => [
    ...start,
    '-a',
    child.name,
    '-d',
    quote(child.summary),
  ])
  const below = command.commands.flatMap((child) => lines(program, child, [...path, child.name]))
  return [...[...options, ...operands, ...children].map((words) => words.join(' ')), ...below]
}

const RUNNING = `# The rules of the running director; nothing if none runs.
function __uipvs_saved
    set -l words (commandline -opc)
    set -l control
    if test "$words[2]" = --control
        set control --control $words[3]
    end
    command $words[1] $control -S -n 2>/dev/null
end

function __uipvs_services
    __uipvs_saved | command awk -v wanted=$argv[1] '${SERVICES_AWK}'
end

# The realservers of the service that the words before name.
function __uipvs_realservers
    set -l words (commandline -opc)
    set -l wanted ''
    set -l service ''
    for i in (seq 2 (math (count $words) - 1))
        switch $words[$i]
${SERVICE_OPTIONS.map(
  ([saved, names]) =>
    `            case ${names.join(' ')}
                set wanted ${saved}
                set service $words[(math $i + 1)]`,
).join('\n')}
        end
    end
    __uipvs_saved | command awk -v wanted="$wanted" -v service="$service" '${REALSERVERS_AWK}'
end`

export function fishCompletion(programs: readonly CommandModel[]): string {
  const names = programs.map((command) => command.name)
  const body = programs.flatMap((command) => [
    `complete -c ${command.name} -f`,
    ...lines(command.name, command, []),
  ])
  return [`# fish completion for ${names.join(' and ')}`, RUNNING, ...body, ''].join('\n')
}
