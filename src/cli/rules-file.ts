/**
 * A file of rules as `ipvsadm-save` writes it, as a list of rules: what `uipvs run --rules`,
 * `replay` and `explain` begin with. Comments (`#`) and empty lines are skipped; the first line
 * that is no rule is an error that names it.
 */
import type { Rule } from '../balance/rule.js'
import { CliFailure } from './failure.js'
import { HostWanted } from './ipvsadm/names.js'
import { parse } from './ipvsadm/parse.js'
import { systemNames } from './ipvsadm/system-names.js'

/** The lines with a rule: their words, and their numbers from 1 on. */
function* rulesOf(text: string): Generator<{ readonly words: string[]; readonly line: number }> {
  for (const [index, content] of text.split('\n').entries()) {
    const words = content.split(/[ \t\r]+/).filter((word) => word !== '' && word !== 'ipvsadm')
    if (words.length > 0 && !words[0].startsWith('#')) yield { words, line: index + 1 }
  }
}

/** The line of the file that holds rule `index` of `readRules`. */
export function lineOfRule(text: string, index: number): number | undefined {
  return [...rulesOf(text)][index]?.line
}

export function readRules(text: string, file: string): Rule[] {
  const names = systemNames()
  const rules: Rule[] = []
  for (const { words, line } of rulesOf(text)) {
    rules.push(readRule(words, `${file}, line ${line}`))
  }
  return rules

  function readRule(words: string[], where: string): Rule {
    try {
      const command = parse(['ipvsadm', ...words], names)
      if (command.kind === 'rule') return command.rule
      // What ipvsadm says of a command that it does not know is advice for a shell's user.
      const isTold = command.kind === 'error' && !command.text.startsWith('Try ')
      const what = isTold ? command.text.trim() : `'${words.join(' ')}' is no rule`
      throw new CliFailure(
        `${what} (${where})`,
        1,
        'rules are -A, -E, -D, -C, -a, -e, -d, -Z and --set',
      )
    } catch (error) {
      if (!(error instanceof HostWanted)) throw error
      throw new CliFailure(
        `the host name '${error.host}' is in no hosts file (${where})`,
        1,
        'write the address',
      )
    }
  }
}
