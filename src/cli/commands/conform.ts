/** `uipvs conform`: what Linux decided, packet by packet, and whether the director does so too. */
import type { Command } from 'commander'
import type { FollowedKernel } from '../../balance/thresholds.js'
import { type Difference, play } from '../../conform/play.js'
import { NoRecording, readRecording, recordingFiles } from '../../conform/read.js'
import { CliFailure, EXIT_FAILED } from '../failure.js'
import { linuxOption } from '../linux-option.js'

interface Flags {
  readonly linux: FollowedKernel
  readonly json?: true
}

interface Result {
  readonly name: string
  readonly file: string
  readonly ok: boolean
  readonly difference?: Difference
}

const EXAMPLES = `
Examples:
  uipvs conform test/fixtures/decisions                     all recordings of a folder
  uipvs conform test/fixtures/decisions/persist.json
  uipvs conform --json test/fixtures/decisions | jq '.[] | select(.ok | not)'
  uipvs conform --linux 6.1.192 recordings/                 recorded with a newer kernel

A recording is a scenario that was played to IPVS of Linux: packets, commands, listings. It is
played to the director here, in kernel mode, on a clock of its own. No root needed.
Exit status: 0 if all agree, 1 if one does not, 2 for a wrong command line.
`

export function register(program: Command): void {
  program
    .command('conform')
    .description('play recordings of Linux IPVS to the director, and say where it differs')
    .argument('<path...>', 'recordings, or folders of them')
    .addOption(linuxOption())
    .option('--json', 'print the results as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (paths: string[], flags: Flags) => {
      const results: Result[] = []
      for (const file of filesOf(paths)) {
        const result = await conform(file, flags.linux)
        results.push(result)
        if (flags.json !== true) process.stdout.write(resultText(result))
      }
      if (flags.json === true) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`)
      if (results.some(({ ok }) => !ok)) process.exitCode = EXIT_FAILED
    })
}

function filesOf(paths: readonly string[]): string[] {
  try {
    return recordingFiles(paths)
  } catch (error) {
    throw readable(error)
  }
}

async function conform(file: string, kernel: FollowedKernel): Promise<Result> {
  try {
    const recording = readRecording(file)
    const [difference] = await play(recording, { kernel })
    const { name } = recording
    return difference === undefined
      ? { name, file, ok: true }
      : { name, file, ok: false, difference }
  } catch (error) {
    throw readable(error)
  }
}

function readable(error: unknown): unknown {
  return error instanceof NoRecording ? new CliFailure(error.message) : error
}

function resultText({ name, difference }: Result): string {
  if (difference === undefined) return `${name}: ok\n`
  const { step, what, recorded, ours, tables } = difference
  const place = step === 0 ? 'in the set-up' : `at step ${step}`
  return [
    `${name}: differs ${place}: ${what}`,
    ...block('Linux', recorded),
    ...block('uipvs', ours),
    ...block('the tables then', tables),
    '',
  ].join('\n')
}

/** A title with a text behind it, or below it if it has lines. */
function block(title: string, text: string): string[] {
  const lines = text.trimEnd().split('\n')
  if (lines.length === 1) return [`  ${title}: ${lines[0]}`]
  return [`  ${title}:`, ...lines.map((line) => `    ${line}`)]
}
