/**
 * Every recorded command of ipvsadm 1.31 against our program and the model director: standard
 * output, standard error and status to the byte.
 *
 * - Scenarios that need `traffic`: their numbers are staged (see staging.ts).
 * - `nobody`: a director whose socket may not be opened.
 * - `no-module`: not to the byte, all five commands, since they speak of modprobe and the kernel.
 *   What is the same to us is that no director runs: the status is the recorded one, and the
 *   sentence ours. Help and version need no director here.
 */
import t, { type Test } from 'tap'
import { Unreachable } from '../../../src/control/client.js'
import { ModelDirector } from './model-director.js'
import { recordedNames } from './recorded-names.js'
import { answerOf, type CommandStep, type Recording, recordings } from './recordings.js'
import { stage } from './staging.js'

const LEFT_OUT = ['no-module']

type Pieces = (stdin: string | null) => Iterable<string>

async function replay(t: Test, recording: Recording, pieces: Pieces): Promise<number> {
  const director = new ModelDirector()
  const names = recordedNames()
  const isStaged = recording.needs?.includes('traffic')
  let count = 0
  for (const step of recording.steps) {
    if (!('argv' in step)) continue
    director.isForbidden = step.user !== undefined
    if (isStaged) stage(director, step.stdout, names)
    const answer = await answerOf(step.argv, pieces(step.stdin), director, names)
    const { status, stdout, stderr } = step
    t.same(answer, { status, stdout, stderr }, `${++count}: ${step.argv.join(' ')}`)
  }
  return count
}

t.test('every recording but those left out, byte for byte', async (t) => {
  let count = 0
  const all = recordings()
  for (const recording of all.filter(({ scenario }) => !LEFT_OUT.includes(scenario))) {
    await t.test(recording.scenario, async (t) => {
      count += await replay(t, recording, (stdin) => [stdin ?? ''])
    })
  }
  t.equal(all.length, 73)
  t.equal(count, 1225 - 5)
})

t.test('what is restored may arrive in pieces', async (t) => {
  const restoring = recordings().filter(({ steps }) =>
    steps.some((step) => 'argv' in step && (step as CommandStep).stdin !== null),
  )
  t.ok(restoring.length >= 5)
  for (const recording of restoring) {
    if (recording.scenario === 'large-table') continue
    await t.test(recording.scenario, (t) => replay(t, recording, (stdin) => [...(stdin ?? '')]))
  }
})

t.test('no director, as recorded without the module: the status, and what to do', async (t) => {
  const path = '/run/uipvs/control.sock'
  const director = Object.assign(new ModelDirector(), {
    reach: () => Promise.reject(new Unreachable(path, 'ENOENT')),
  })
  const steps = recordings().find(({ scenario }) => scenario === 'no-module')?.steps ?? []
  t.equal(steps.length, 5)
  for (const step of steps) {
    if (!('argv' in step)) continue
    const answer = await answerOf(step.argv, [], director, recordedNames())
    if (['-h', '--version'].includes(step.argv[1] ?? '')) {
      t.match(answer, { status: 0, stdout: /^ipvsadm v1\.31 /, stderr: '' })
    } else {
      const advice = 'start one with: uipvs run -i eth0'
      const stderr = `ipvsadm: no director answers at ${path} (ENOENT); ${advice}\n`
      t.same(answer, { status: step.status, stdout: '', stderr }, step.argv.join(' '))
    }
  }
})
