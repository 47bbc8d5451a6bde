/**
 * Every decision recording of Linux 6.1's IPVS, packet by packet, through the director in kernel
 * mode on a virtual clock. The recordings are copies; where they come from is in their README.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { type Difference, play } from '../../src/conform/play.js'
import type { Recording } from '../../src/conform/recording.js'

const FOLDER = 'test/fixtures/decisions'
/** Recorded by ourselves: what the others leave out. */
const OWN_FOLDER = 'test/fixtures/decisions-own'

function recordings(folder: string): Recording[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
  return files
    .sort()
    .map((name) => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')) as Recording)
}

function told({ step, what, recorded, ours }: Difference): string {
  return `step ${step}: ${what}\n  Linux: ${recorded}\n  ours:  ${ours}`
}

t.test('every recording, packet by packet', async (t) => {
  const all = recordings(FOLDER)
  for (const recording of [...all, ...recordings(OWN_FOLDER)]) {
    const differences = await play(recording)
    t.same(differences.map(told), [], `${recording.name}: ${recording.about}`)
  }
  t.equal(all.length, 128)
  t.equal(
    all.flatMap(({ steps }) => steps.filter((step) => 'send' in step)).length,
    8883,
    'as many packets as the README counts',
  )
})
