import t from 'tap'
import { RulesRefused } from '../../../src/control/client.js'
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

t.test('under our own name, a file is carried out as a whole or not at all', async (t) => {
  const kept = '-A -t 10.9.0.1:80 -s rr'
  const good = '-A -t 10.9.0.2:80 -s rr'
  const again = 'correct it, and run all again'
  const told = (name: string, line: number, text: string) =>
    `${name}: nothing was changed (line ${line}: ${text}); ${again}\n`
  const bad: [line: string, status: number, stderr: string][] = [
    [kept, 255, 'Service already exists\n'],
    ['-A -t bad address -s rr', 2, 'illegal virtual server address[:port] specified\n'],
    ['-A -t 10.9.0.3:80 --bogus', 255, '--bogus: unknown option\n'],
    ['bogus', 255, "Try `uipvsadm -h' or 'uipvsadm --help' for more information.\n"],
    ['-R', 255, "Try `uipvsadm -h' or 'uipvsadm --help' for more information.\n"],
    ['-a -t 10.9.0.9:80 -r 10.9.0.4', 255, 'Service not defined\n'],
    ['-Ln', 255, "'-Ln' changes nothing\n"],
    ['-S', 255, "'-S' changes nothing\n"],
    ['-h', 255, "'-h' changes nothing\n"],
  ]
  for (const [line, status, stderr] of bad) {
    for (const position of [0, 1, 2]) {
      const lines = ['# a comment', '', '-C', good, '-A -t 10.9.0.4:80 -s rr']
      lines.splice(3 + position, 0, line)
      // What is there already is only there as long as nothing clears it.
      if (line === kept) lines[2] = ''
      const director = new ModelDirector()
      await answerOf(['ipvsadm', ...kept.split(' ')], [], director, names)
      const answer = await answerOf(['uipvsadm', '-R'], [lines.join('\n')], director, names)
      t.same(answer, {
        status,
        stdout: '',
        stderr: stderr + told('uipvsadm', 4 + position, line),
      })
      t.same(
        director.services.map(({ service }) => service),
        [{ protocol: 'tcp', address: '10.9.0.1', port: 80 }],
        'the table is what it was',
      )
    }
  }
})

t.test('the new table replaces the old one in one change, or the old one stays', async (t) => {
  const director = new ModelDirector()
  const restore = (text: string) => answerOf(['uipvsadm-restore'], [...text], director, names)
  const done = { status: 0, stdout: '', stderr: '' }
  t.same(await restore(addressLines(3)), done)
  t.same(director.requests, [4], 'with what clears it')
  t.match(await restore(`# new\n${addressLines(2)}-D -t 10.9.9.9:1\n`), {
    status: 255,
    stderr: /^No such service\nuipvsadm: nothing was changed \(line 4: -D -t 10\.9\.9\.9:1\)/,
  })
  t.equal(director.services.length, 3)
  t.same(await restore(addressLines(2)), done)
  t.equal(director.services.length, 2)
  t.same(await restore(''), done)
  t.equal(director.services.length, 0)
})

t.test('a state that cannot be written is no fault of a line', async (t) => {
  const error = {
    code: 'ENOSPC',
    subject: 'state',
    message: 'no room',
    index: 0,
    applied: 0,
  } as const
  const director = Object.assign(new ModelDirector(), {
    rules: async () => {
      throw new RulesRefused(error)
    },
  })
  const answer = await answerOf(['uipvsadm', '-R'], [addressLines(2)], director, names)
  t.same(answer, { status: 255, stdout: '', stderr: 'no room\nuipvsadm: nothing was changed\n' })
})
