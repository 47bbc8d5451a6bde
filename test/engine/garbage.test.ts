/**
 * The path of a frame makes no garbage. A process of its own runs a million frames, with a young
 * generation of 1 MiB, and its collector reports: one byte allocated for each frame would fill
 * that.
 *
 * The criterion: in one of three rounds of a million frames each, after a warm-up, there is no
 * collection at all. (A round can be disturbed once by the compiler; garbage of the path would be
 * in all of them.) And over each round the live heap grows by less than 64 KiB.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'

const PROGRAM = join(import.meta.dirname, 'garbage-program.js')
const FRAMES = 1_000_000
const GROWTH_BYTES_MAX = 64 * 1024

interface Measured {
  /** Collections in each round. */
  readonly collections: number[]
  readonly grown: number[]
  readonly counts: Record<string, number>
  readonly text: string
}

function measure(phase: string, frames = FRAMES): Measured {
  const flags = ['--expose-gc', '--trace-gc', '--max-semi-space-size=1', '--min-semi-space-size=1']
  const args = [...flags, PROGRAM, phase, String(frames)]
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${phase}: status ${status}\n${stderr}`)
  const rounds = [...stdout.matchAll(/\nbegin \d+\n([\s\S]*?)\nend \d+\n/g)]
  const collections = rounds.map(([, text]) => (text?.match(/Scavenge|Mark-Compact/g) ?? []).length)
  const grown = [...stdout.matchAll(/\ngrown (-?\d+)\n/g)].map(([, bytes]) => Number(bytes))
  const counts = JSON.parse(/\ncounts (.*)\n/.exec(stdout)?.[1] ?? '{}')
  return { collections, grown, counts, text: stdout }
}

/** What a phase is meant to be: the names of verdicts that most or all of its frames end in. */
const PHASES: Record<string, readonly string[]> = {
  flows: ['forwarded'],
  'flows-kernel': ['forwarded'],
  openings: ['forwarded'],
  'openings-kernel': ['forwarded'],
  refused: [
    'arp-answered',
    'nd-answered',
    'echo-answered',
    'no-service',
    'no-destination',
    'malformed-ip',
  ],
}

for (const [phase, names] of Object.entries(PHASES)) {
  t.test(phase, async (t) => {
    const { collections, grown, counts, text } = measure(phase)
    t.equal(collections.length, 3)
    t.ok(collections.includes(0), `collections in each round: ${collections.join(', ')}`) ||
      t.comment(text)
    t.ok(Math.min(...grown) < GROWTH_BYTES_MAX, `grown by ${grown.join(', ')} bytes`)
    for (const name of names) t.ok((counts[name] ?? 0) > 1000, `${name}: ${counts[name]} frames`)
    t.comment(JSON.stringify(counts))
  })
}
