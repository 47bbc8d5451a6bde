import { readFileSync } from 'node:fs'
import t from 'tap'
import { play } from '../../src/conform/play.js'
import type { FrameOut, Out, Recording, Step } from '../../src/conform/recording.js'

function read(name: string): Recording {
  return JSON.parse(readFileSync(`test/fixtures/decisions/${name}.json`, 'utf8')) as Recording
}

/** The step numbers at which we differ from a recording of which one step was changed. */
async function stepsOf(recording: Recording, at: number, step: object): Promise<number[]> {
  const steps = recording.steps.map((each, i) => (i === at ? { ...each, ...step } : each) as Step)
  return (await play({ ...recording, steps })).map((difference) => difference.step)
}

/** Another outcome than the one that was recorded. */
function altered(out: Out): Out {
  if ('frames' in out) return { ...out, frames: out.frames.slice(1) }
  if ('ttl_delta' in out) return { ...out, ttl_delta: 0 } as FrameOut
  return out.to === 'drop' ? { to: 'rst' } : { to: 'drop' }
}

t.test('a recording of which anything was changed is not what we do', async (t) => {
  let changes = 0
  for (const name of ['rr-changes', 'fragments', 'v6-fragments', 'persist', 'commands']) {
    const recording = read(name)
    t.same(await play(recording), [], name)
    for (const [i, step] of recording.steps.entries()) {
      if ('sysctl' in step || 'sleep_ms' in step) continue
      const change =
        'send' in step
          ? { out: altered(step.out) }
          : 'run' in step
            ? { stdout: `${step.stdout}?` }
            : { stdout: step.stdout.replace(/\d+(?=[ :]*\n)/, (n) => String(Number(n) + 1)) }
      if ('stdout' in change && 'snapshot' in step && change.stdout === step.stdout) continue
      changes++
      const found = await stepsOf(recording, i, change)
      if (found.join() !== String(i + 1)) t.fail(`${name}, step ${i + 1} changed: ${found}`)
    }
  }
  t.ok(changes > 150, `${changes} changes`)
})

t.test('a packet that differs leads to another outcome', async (t) => {
  const recording = read('rr-changes')
  const at = recording.steps.findIndex((step) => 'send' in step)
  const step = recording.steps[at] as Step & { send: object }
  t.same(await stepsOf(recording, at, { send: { ...step.send, flags: 'A' } }), [at + 1])
  t.same(await stepsOf(recording, at, { send: { ...step.send, ttl: 1 } }), [at + 1])
})

t.test('set-up commands count, and a setting that is not there', async (t) => {
  const recording = read('rr-changes')
  const [first, ...rest] = recording.setup_out
  const wrong = { ...recording, setup_out: [{ ...first, rc: 2 }, ...rest] } as Recording
  t.equal((await play(wrong))[0]?.step, 0)
  const at_ms = recording.steps[3]?.at_ms ?? 0
  const unknown = { sysctl: { no_such: '1' }, at_ms }
  const steps = recording.steps.map((each, i) => (i === 3 ? unknown : each))
  t.equal((await play({ ...recording, steps }))[0]?.step, 4)
  t.equal((await play(wrong, { limit: 3 })).length, 1, 'further differences up to a limit')
})
