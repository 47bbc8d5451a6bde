import t from 'tap'
import { ModelDirector } from './model-director.js'
import { recordedNames } from './recorded-names.js'
import { answerOf } from './recordings.js'

const names = recordedNames()

function addressLines(count: number): string {
  let text = ''
  for (let i = 0; i < count; i++) text += `-A -t 10.0.${i >> 8}.${i & 0xff}:80 -s rr\n`
  return text
}

t.test('rules go out together', async (t) => {
  const requests: number[] = []
  // The model takes too long to keep so many.
  const director = Object.assign(new ModelDirector(), {
    rules: async (rules: readonly unknown[]) => void requests.push(rules.length),
  })
  const answer = await answerOf(['ipvsadm', '-R'], [addressLines(33_000)], director, names)
  t.same(answer, { status: 0, stdout: '', stderr: '' })
  t.same(requests, [32_768, 232])
})

t.test('what was refused is reported in its place, and what follows still done', async (t) => {
  const director = new ModelDirector()
  const [a, b, c] = addressLines(3).split('\n')
  const input = [a, a, b, b, '-L --timeout', c, a, c].join('\n')
  const answer = await answerOf(['ipvsadm', '-R'], [input], director, names)
  t.same(answer, {
    status: 255,
    stdout: 'Timeout (tcp tcpfin udp): 900 120 300\n',
    stderr: 'Service already exists\n'.repeat(4),
  })
  t.equal(director.services.length, 3)
})

t.test('the last line decides the status, whatever kind it is of', async (t) => {
  const [a, b] = addressLines(2).split('\n')
  const statusOf = async (...lines: (string | undefined)[]) =>
    (await answerOf(['ipvsadm', '-R'], [lines.join('\n')], new ModelDirector(), names)).status
  t.equal(await statusOf(a, a), 255)
  t.equal(await statusOf(a, a, b), 0)
  t.equal(await statusOf(a, a, '-Ln'), 0)
  t.equal(await statusOf(a, '-A --bogus'), 255)
  t.equal(await statusOf('-A --bogus', a), 0)
})

t.test('a command is carried out before the next one is waited for', async (t) => {
  const director = new ModelDirector()
  const seen: number[] = []
  function* pieces() {
    for (const line of addressLines(3).split('\n').slice(0, 3)) {
      seen.push(director.services.length)
      yield `${line}\n`
    }
  }
  await answerOf(['ipvsadm', '-R'], pieces(), director, names)
  t.same(seen, [0, 1, 2])
})

t.test('a run that ended reads no further', async (t) => {
  const director = new ModelDirector()
  let wasAsked = false
  function* pieces() {
    yield '-h\n'
    wasAsked = true
    yield addressLines(1)
  }
  const answer = await answerOf(['ipvsadm', '-R'], pieces(), director, names)
  t.equal(answer.status, 0)
  t.equal(wasAsked, false)
  t.equal(director.services.length, 0)
})
