/** What an operator should hear of rules that are taken, and do not do what they do on Linux. */
import { destinationText, serviceText } from '../balance/judge.js'
import type { Rule } from '../balance/rule.js'

/** One line for each kind, which names the first such rule and counts the others. */
export function warningsOf(rules: readonly Rule[]): string[] {
  const names: string[] = []
  const roles: string[] = []
  for (const rule of rules) {
    if (rule.op === 'start-daemon') roles.push(rule.daemon.role)
    if (rule.op !== 'add-destination' && rule.op !== 'edit-destination') continue
    const { method } = rule.settings
    if (method === 'route') continue
    const letter = method === 'masq' ? '-m' : '-i'
    names.push(`${destinationText(rule.destination)} of ${serviceText(rule.service)} (${letter})`)
  }
  const lines: string[] = []
  if (names.length > 0) {
    const more = names.length === 1 ? '' : ` and ${names.length - 1} more`
    lines.push(`${names[0]}${more}: kept, but frames for it end as method-unsupported; use -g`)
  }
  if (roles.length > 0) {
    lines.push(`sync daemon (${roles.join(', ')}): kept and listed, but nothing is synchronised`)
  }
  return lines
}
