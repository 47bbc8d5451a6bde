/** What the commands below `uipvs bench` share: options, the report, and how they end. */
import type { Command } from 'commander'
import { describeEnvironment, type Environment, lookAround } from '../bench/environment.js'
import { Progress } from '../bench/progress.js'
import { jsonReport, prepareFolder, writeReport } from '../bench/report/files.js'
import { textTable } from '../bench/report/table.js'
import type { Bench, Section } from '../bench/section.js'
import { Ended, endOnSignals } from '../lab/ending.js'
import { hasRootsRights } from '../lab/rootless.js'
import { CliFailure, EXIT_FAILED, EXIT_USAGE } from './failure.js'

export interface ReportFlags {
  readonly json?: true
  readonly report?: string
}

export function addReportOptions(command: Command): Command {
  return command
    .option('--report <dir>', 'write report.json, report.md and plots (SVG) there')
    .option('--json', 'print everything that was measured as JSON')
}

/** Reads an option that is a number. */
export function numberOption(option: string, least: number, most: number, isWhole = false) {
  return (text: string): number => {
    const value = Number(text)
    const fits = text.trim() !== '' && value >= least && value <= most
    if (fits && (!isWhole || Number.isInteger(value))) return value
    const hint = `${isWhole ? 'a whole number' : 'a number'}, ${least} to ${most}`
    throw new CliFailure(`'${text}' makes no sense (${option})`, EXIT_USAGE, hint)
  }
}

/** Reads an option that names some of `known`, with commas between, or `none` of them. */
export function choice(option: string, text: string, known: readonly string[]): string[] {
  if (text === 'none') return []
  const names = text.split(',')
  const unknown = names.find((name) => !known.includes(name))
  if (unknown === undefined) return known.filter((name) => names.includes(name))
  const hint = `known are ${known.join(', ')}`
  throw new CliFailure(`there is no '${unknown}' (${option})`, EXIT_USAGE, hint)
}

export function needRoot(): void {
  if (hasRootsRights()) return
  throw new CliFailure('network namespaces are for root', EXIT_FAILED, 'run it with sudo')
}

/** Runs benchmarks one after the other, tells what they found, and sets the exit status. */
export async function runBenches(flags: ReportFlags, benches: readonly Bench[]): Promise<void> {
  // Before a quarter of an hour has gone into something that can't be written.
  if (flags.report !== undefined) prepareFolder(flags.report)
  // Whatever ends this process, benchmarks take away what they have made when it exits.
  const ended = endOnSignals(() => {})
  try {
    const environment = await Promise.race([lookAround(), ended])
    if (flags.json !== true) process.stdout.write(`${describeEnvironment(environment)}\n`)
    const sections = await allOf(benches, ended)
    tell(flags, environment, sections)
    const wrong = sections.flatMap((section) => section.wrong)
    for (const sentence of wrong) process.stderr.write(`uipvs: ${sentence}\n`)
    if (wrong.length > 0) process.exitCode = EXIT_FAILED
  } catch (error) {
    if (!(error instanceof Ended)) throw error
    process.exitCode = error.status
  }
}

async function allOf(benches: readonly Bench[], ended: Promise<never>): Promise<Section[]> {
  const whole = benches.reduce((sum, { seconds }) => sum + seconds, 0)
  const progress = new Progress(process.stderr, whole)
  const sections: Section[] = []
  let before = 0
  try {
    for (const bench of benches) {
      const share = bench.seconds / whole
      sections.push(
        await bench.run(
          (part, step, detail) => progress.tell(before + part * share, step, detail),
          ended,
        ),
      )
      before += share
    }
  } finally {
    progress.end()
  }
  return sections
}

function tell(flags: ReportFlags, environment: Environment, sections: readonly Section[]): void {
  const command = commandLine(process.argv.slice(2))
  if (flags.report !== undefined) writeReport(flags.report, command, environment, sections)
  if (flags.json === true) {
    const report = jsonReport(command, environment, sections)
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
    return
  }
  for (const section of sections) process.stdout.write(sectionText(section))
  if (flags.report !== undefined) process.stdout.write(`\nreport: ${flags.report}/report.md\n`)
}

/** What was typed, to type it again. */
function commandLine(words: readonly string[]): string {
  const quoted = (word: string) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
  return ['uipvs', ...words.map(quoted)].join(' ')
}

function sectionText({ title, conditions, tables, remarks }: Section): string {
  const parts = [
    `\n${title}\n${conditions.join('\n')}\n`,
    ...tables.map((table) => textTable(table)),
    ...(remarks.length > 0 ? [remarks.map((remark) => `${remark}\n`).join('')] : []),
  ]
  return parts.join('\n')
}
