/** A report: report.json for programs, report.md and its plots for people. */
import { accessSync, constants, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../../control/folder.js'
import { describeEnvironment, type Environment } from '../environment.js'
import type { Section } from '../section.js'
import { markdownTable } from './table.js'

/** Makes the folder of a report, and sees that it can be written to. */
export function prepareFolder(path: string): void {
  makeFolder(path, 0o777)
  accessSync(path, constants.W_OK)
}

export function jsonReport(
  command: string,
  environment: Environment,
  sections: readonly Section[],
): Record<string, unknown> {
  const found = sections.map(({ name, title, remarks, wrong, data }) => [
    name,
    { title, remarks, wrong, ...data },
  ])
  return { command, environment, ...Object.fromEntries(found) }
}

export function markdownReport(
  command: string,
  environment: Environment,
  sections: readonly Section[],
): string {
  const parts = [
    '# uipvs bench\n',
    `\`\`\`\n${command}\n\n${describeEnvironment(environment)}\n\`\`\`\n`,
    ...sections.flatMap(({ title, conditions, tables, plots, remarks, wrong }) => [
      `## ${title}\n`,
      `${conditions.join('\n')}\n`,
      ...tables.map(markdownTable),
      ...plots.map((plot) => `![${plot.title}](${plot.name}.svg)\n`),
      list('Of this run', remarks),
      list('**What contradicts itself: do not use these figures**', wrong),
    ]),
    'What the figures mean: docs/benchmarking.md of uipvs.\n',
  ]
  return parts.filter((part) => part !== '').join('\n')
}

function list(title: string, sentences: readonly string[]): string {
  if (sentences.length === 0) return ''
  return `${title}:\n\n${sentences.map((sentence) => `- ${sentence}\n`).join('')}`
}

export function writeReport(
  folder: string,
  command: string,
  environment: Environment,
  sections: readonly Section[],
): void {
  const json = jsonReport(command, environment, sections)
  writeFileSync(join(folder, 'report.json'), `${JSON.stringify(json, null, 2)}\n`)
  writeFileSync(join(folder, 'report.md'), markdownReport(command, environment, sections))
  for (const { name, svg } of sections.flatMap(({ plots }) => plots)) {
    writeFileSync(join(folder, `${name}.svg`), svg)
  }
}
