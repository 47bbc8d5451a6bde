/** Findings for people and for programs. */
import type { Paint } from '../lab/paint.js'
import type { Finding } from './finding.js'

const MARK = { ok: 'ok', note: 'note', problem: 'PROBLEM', skipped: 'skipped' } as const

/** Prints them; returns the exit status: 1 if there is a problem. */
export function printFindings(findings: readonly Finding[], json: boolean, paint: Paint): number {
  const problems = findings.filter(({ level }) => level === 'problem').length
  if (json) process.stdout.write(`${JSON.stringify({ problems, findings }, null, 2)}\n`)
  else process.stdout.write(findings.map((finding) => describe(finding, paint)).join(''))
  return problems === 0 ? 0 : 1
}

export function describe(finding: Finding, paint: Paint): string {
  const colours = { ok: paint.green, note: paint.cyan, problem: paint.red, skipped: paint.yellow }
  const { id, level, found, why, fix } = finding
  const mark = colours[level](MARK[level].padEnd(8))
  const head = `${mark}${id.padEnd(18)} ${found}\n`
  // What is in order needs no explanation in passing; --json has it.
  if (level === 'ok') return head
  const indent = ' '.repeat(27)
  const mend = fix === null ? '' : `${indent}fix: ${paint.bold(fix)}\n`
  return `${head}${indent}${paint.dim(why)}\n${mend}`
}
