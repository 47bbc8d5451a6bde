/**
 * `npm run oracle`: random scenarios, or recordings' own, to Linux and to the director, and where
 * the two differ.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Difference } from '../conform/play.js'
import { readRecording, recordingFiles } from '../conform/read.js'
import type { Recording } from '../conform/recording.js'
import { UmlError } from '../uml/machine.js'
import { generate, KINDS, type Kind } from './random-scenario.js'
import { Recorder } from './recorder.js'
import { recordingText, type Scenario, scenarioOf } from './scenario.js'
import { attempt, type Trial } from './trial.js'

const HELP = `Usage: npm run oracle -- [options] [scenario.json or folder...]

Plays scenarios to IPVS of Linux, in a machine of its own, and to the director here, and says
where the two differ. Needs root, and the packages user-mode-linux, kmod, ipvsadm and iptables.

  --seeds A-B    random scenarios of these seeds (1-20 if no file is named)
  --kind KIND    only such: ${KINDS.join(', ')}
  --out DIR      keep the recordings there, one file each
  --keep DIR     keep only those that differ
  --help

Examples:
  npm run oracle -- --seeds 1-300
  npm run oracle -- --seeds 17 --kind sctp --out /tmp/recordings
  npm run oracle -- test/fixtures/decisions              record these scenarios once more
  npm run oracle -- --out recordings my-scenario.json    a scenario of your own

A scenario is a recording without what was recorded (test/fixtures/decisions/README.md).
Exit status: 0 if all agree, 1 if one differs or cannot be recorded, 2 for a wrong command line.
`

interface Wanted {
  readonly name: string
  scenario(): Scenario
}

class Usage extends Error {}

function wanted(seeds: string | undefined, kind: string | undefined, files: string[]): Wanted[] {
  const fromFiles = recordingFiles(files).map((path) => ({
    name: path,
    scenario: () => scenarioOf(readRecording(path)),
  }))
  if (seeds === undefined && files.length > 0) return fromFiles
  const match = /^(\d+)(?:-(\d+))?$/.exec(seeds ?? '1-20')
  if (match === null) throw new Usage(`--seeds is a number or a range, 1-300, not '${seeds}'`)
  if (kind !== undefined && !KINDS.includes(kind as Kind)) {
    throw new Usage(`--kind is one of ${KINDS.join(', ')}, not '${kind}'`)
  }
  const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])]
  const kinds = kind === undefined ? KINDS : [kind as Kind]
  const random: Wanted[] = []
  for (let seed = first; seed <= last; seed++) {
    const each = kinds[seed % kinds.length]
    random.push({ name: `${each} ${seed}`, scenario: () => generate(each, seed) })
  }
  return [...fromFiles, ...random]
}

function told({ step, what, recorded, ours, tables }: Difference): string {
  const text = `  step ${step}: ${what}\n  Linux: ${recorded}\n  uipvs: ${ours}\n${tables}`
  return text.trimEnd().replaceAll('\n', '\n  ')
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: 'string' },
      kind: { type: 'string' },
      out: { type: 'string' },
      keep: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const list = wanted(values.seeds, values.kind, positionals)
  const counts = { packets: 0, differ: 0, failed: 0 }
  let recorder = await Recorder.start()
  try {
    for (const { name, scenario } of list) {
      let trial: Trial
      try {
        trial = await attempt(recorder, scenario())
      } catch (error) {
        if (!(error instanceof UmlError)) throw error
        counts.failed++
        console.log(`${name}: not recorded: ${error.message}`)
        await recorder.close()
        recorder = await Recorder.start()
        continue
      }
      const { recording, difference, attempts } = trial
      counts.packets += recording.steps.filter((step) => 'send' in step).length
      if (values.out !== undefined) save(values.out, recording)
      if (difference === undefined) {
        const seldom = attempts > 1 ? ` (recording ${attempts}; it had differed)` : ''
        console.log(`${name}: ok${seldom}`)
        continue
      }
      counts.differ++
      if (values.keep !== undefined) save(values.keep, recording)
      console.log(`${name}: differs: ${recording.about}\n${told(difference)}`)
    }
  } finally {
    await recorder.close()
  }
  const { packets, differ, failed } = counts
  console.log(`${list.length} scenarios, ${packets} packets: ${differ} differ, ${failed} failed`)
  return differ + failed === 0 ? 0 : 1
}

function save(folder: string, recording: Recording): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${recording.name}.json`), recordingText(recording))
}

main().then(
  (status) => {
    process.exitCode = status
  },
  (error: Error & { code?: string }) => {
    const isUsage = error instanceof Usage || error.code?.startsWith('ERR_PARSE_ARGS') === true
    console.error(`uipvs: ${error.message}${isUsage ? '; npm run oracle -- --help' : ''}`)
    process.exitCode = isUsage ? 2 : 1
  },
)
