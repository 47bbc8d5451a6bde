/**
 * Is the code on the path of a frame still optimised when it has run for a while? Runs the
 * benchmark of a decision with `--trace-deopt`, and fails if V8 takes back any code after the
 * warm-up, which the benchmark marks: nothing else than frames happens then.
 *
 *   npm run bench:deopt
 */
import { spawnSync } from 'node:child_process'

/** Printed by the benchmark's child when its first round is over. */
const MARK = 'warm:'
const PROGRAM = 'build/src/bench/micro/child-program.cjs'
const FLOWS = ['256', '100000']

let failed = false
for (const flows of FLOWS) {
  const options = { frames: 4_000_000, rounds: 5, hugePages: true, isTraced: true }
  const args = ['--trace-deopt', PROGRAM, 'decision', flows]
  const done = spawnSync(process.execPath, [...args, JSON.stringify(options)], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  const [before, after] = done.stdout.split(MARK)
  if (done.status !== 0 || after === undefined) {
    console.error(
      `the benchmark failed (${flows} flows); run \`npm run build\` first\n${done.stderr}`,
    )
    process.exit(1)
  }
  const deopts = (text) => text.split('\n').filter((line) => line.startsWith('[bailout'))
  const late = deopts(after)
  console.log(`${flows} flows: ${deopts(before).length} in the warm-up, ${late.length} afterwards`)
  for (const line of late) console.log(`  ${line}`)
  failed ||= late.length > 0
}
process.exitCode = failed ? 1 : 0
