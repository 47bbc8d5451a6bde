/** What the commands below `uipvs bench` share: options, the report, and how they end. */
import type { Command } from 'commander'
import { describeEnvironment, lookAround } from '../bench/environment.js'
import { type Progress, SILENT } from '../bench/progress.js'
import { textTable } from '../bench/report/table.js'
import type { Section } from '../bench/section.js'
import { Ended, endOnSignals } from '../lab/ending.js'
import { hasRootsRights } from '../lab/rootless.js'
import { CliFailure, EXIT_FAILED, EXIT_USAGE } from './failure.js'

export interface ReportFlags {
  readonly json?: true
}

export function addReportOptions(command: Command): Command {
  return command.option('--json', 'print everything that was measured as JSON')
}

/** Reads an option that is a number. */
export function numberOption(option: string, least: number, most: number, isWhole = false) {
  return (text: string): number => {
    const value = Number(text)
    const fits = text.trim() !== '' && value >= least && value <= most
    if (fits && (!isWhole || Number.isInteger(value))) return value
    const kind = isWhole ? 'a whole number' : 'a number'
    throw new CliFailure(
      `${option} ${text} makes no sense`,
      EXIT_USAGE,
      `${kind}, ${least} to ${most}`,
    )
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

/** One benchmark: what it found, unless `ended` is first. */
export type Bench = (progress: Progress, ended: Promise<never>) => Promise<Section>

/** Runs benchmarks one after the other, prints what they found, and sets the exit status. */
export async function runBenches(
  flags: ReportFlags,
  benches: readonly Bench[],
  needsRoot = true,
): Promise<void> {
  if (needsRoot && !hasRootsRights()) {
    throw new CliFailure('network namespaces are for root', EXIT_FAILED, 'run it with sudo')
  }
  // Whatever ends this process, the benchmarks have put what they made on its exit.
  const ended = endOnSignals(() => {})
  const sections: Section[] = []
  try {
    const environment = await Promise.race([lookAround(), ended])
    if (flags.json !== true) process.stdout.write(`${describeEnvironment(environment)}\n`)
    for (const bench of benches) {
      const section = await bench(SILENT, ended)
      sections.push(section)
      if (flags.json !== true) process.stdout.write(sectionText(section))
    }
    if (flags.json === true) {
      const data = Object.fromEntries(
        sections.map((each) => [
          each.name,
          { ...(each.data as object), remarks: each.remarks, wrong: each.wrong },
        ]),
      )
      process.stdout.write(`${JSON.stringify({ environment, ...data }, null, 2)}\n`)
    }
  } catch (error) {
    if (!(error instanceof Ended)) throw error
    process.exitCode = error.status
    return
  }
  const wrong = sections.flatMap((section) => section.wrong)
  for (const sentence of wrong) process.stderr.write(`uipvs: ${sentence}\n`)
  if (wrong.length > 0) process.exitCode = EXIT_FAILED
}

function sectionText({ title, conditions, tables, remarks }: Section): string {
  const parts = [
    `\n${title}\n${conditions}\n`,
    ...tables.map((table) => textTable(table)),
    ...(remarks.length > 0 ? [remarks.map((remark) => `${remark}\n`).join('')] : []),
  ]
  return parts.join('\n')
}
