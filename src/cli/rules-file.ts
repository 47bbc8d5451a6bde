/**
 * A file of rules as `ipvsadm-save` writes it, as a list of rules: what `uipvs run --rules`,
 * `replay` and `explain` begin with. Comments (`#`) and empty lines are skipped; the first line
 * that is no rule is an error that names it.
 */
import type { Rule } from '../balance/rule.js'
import { CliFailure } from './failure.js'
import { BadRuleLine, readRuleLines } from './ipvsadm/rule-lines.js'
import { systemNames } from './ipvsadm/system-names.js'

export { lineOfRule } from './ipvsadm/rule-lines.js'

export function readRules(text: string, file: string): Rule[] {
  try {
    return readRuleLines(text, systemNames()).map(({ rule }) => rule)
  } catch (error) {
    if (!(error instanceof BadRuleLine)) throw error
    throw new CliFailure(`${error.message} (${file}, line ${error.line})`, 1, error.advice)
  }
}
