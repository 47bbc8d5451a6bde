/**
 * Rules in the format of `ipvsadm-save`, line by line. Pure, so that the page in the browser reads
 * the very files that the programs read.
 */
import type { Rule } from '../../balance/rule.js'
import { HostWanted, type Names } from './names.js'
import { parse } from './parse.js'

export interface RuleLine {
  readonly rule: Rule
  /** From 1. */
  readonly line: number
}

/** The first line that is no rule. */
export class BadRuleLine extends Error {
  override readonly name = 'BadRuleLine'
  readonly line: number
  /** What to do about it. */
  readonly advice: string

  constructor(message: string, line: number, advice: string) {
    super(message)
    this.line = line
    this.advice = advice
  }
}

/** The lines with a rule: their words, and their numbers from 1 on. */
export function* wordsOf(
  text: string,
): Generator<{ readonly words: string[]; readonly line: number }> {
  for (const [index, content] of text.split('\n').entries()) {
    const words = content.split(/[ \t\r]+/).filter((word) => word !== '' && word !== 'ipvsadm')
    if (words.length > 0 && !words[0].startsWith('#')) yield { words, line: index + 1 }
  }
}

/** The line that holds rule `index` of `readRuleLines`. */
export function lineOfRule(text: string, index: number): number | undefined {
  return [...wordsOf(text)][index]?.line
}

/** @throws BadRuleLine */
export function readRuleLines(text: string, names: Names): RuleLine[] {
  return [...wordsOf(text)].map(({ words, line }) => ({ rule: readRule(words, line, names), line }))
}

function readRule(words: readonly string[], line: number, names: Names): Rule {
  try {
    const command = parse(['ipvsadm', ...words], names)
    if (command.kind === 'rule') return command.rule
    // What ipvsadm says of a command that it does not know is advice for a shell's user.
    const isTold = command.kind === 'error' && !command.text.startsWith('Try ')
    const what = isTold ? command.text.trim() : `'${words.join(' ')}' is no rule`
    throw new BadRuleLine(what, line, 'rules are -A, -E, -D, -C, -a, -e, -d, -Z and --set')
  } catch (error) {
    if (!(error instanceof HostWanted)) throw error
    const what = `the host name '${error.host}' is in no hosts file`
    throw new BadRuleLine(what, line, 'write the address')
  }
}
