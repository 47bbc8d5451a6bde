/** `uipvs conform` as an operator calls it. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Recording } from '../../src/conform/recording.js'
import { makeFolder, uipvs } from './offline-program.js'

const FOLDER = 'test/fixtures/decisions'
const recording = JSON.parse(readFileSync(`${FOLDER}/rr-changes.json`, 'utf8')) as Recording

/** The recording with another server at its first packet. */
function altered(): { text: string; step: number } {
  const at = recording.steps.findIndex((step) => 'send' in step)
  const steps = recording.steps.map((step, i) =>
    i === at && 'send' in step ? { ...step, out: { ...step.out, to: '192.168.1.99' } } : step,
  )
  return { text: JSON.stringify({ ...recording, steps }), step: at + 1 }
}

t.test('all recordings agree', async (t) => {
  const done = uipvs(['conform', FOLDER])
  t.equal(done.stderr, '')
  t.equal(done.status, 0)
  const lines = done.stdout.trimEnd().split('\n')
  t.equal(lines.length, 128)
  t.same(
    lines.filter((line) => !/^[a-z0-9-]+: ok$/.test(line)),
    [],
  )
})

t.test(
  'the first difference, with the tables at that point; the others are played too',
  async (t) => {
    const files = makeFolder(t)
    const { text, step } = altered()
    files.write('a.json', text)
    files.write('b.json', JSON.stringify(recording))
    files.write('readme.txt', 'no recording')
    const done = uipvs(['conform', files.path('')])
    t.equal(done.status, 1)
    t.ok(done.stdout.startsWith(`rr-changes: differs at step ${step}: send {"proto":`), done.stdout)
    t.match(
      done.stdout,
      /\n {2}Linux: \{"to":"192\.168\.1\.99",.*\n {2}uipvs: \{"to":"192\.168\.1\./,
    )
    t.match(done.stdout, /\n {2}the tables then:\n {4}IP Virtual Server version 1\.2\.1/)
    t.match(done.stdout, /\n {4}TCP {2}\d\d:\d\d|\n {4}TCP \d\d:\d\d {2}SYN_RECV /)
    t.ok(done.stdout.endsWith('\nrr-changes: ok\n'))

    const json = uipvs(['conform', '--json', files.path('a.json'), files.path('b.json')])
    t.equal(json.status, 1)
    const [first, second] = JSON.parse(json.stdout)
    t.match(first, { name: 'rr-changes', file: files.path('a.json'), ok: false })
    t.match(first.difference, { step, recorded: /99/, ours: /192/, tables: /SYN_RECV/ })
    t.same(second, { name: 'rr-changes', file: files.path('b.json'), ok: true })
  },
)

t.test('a set-up that differs', async (t) => {
  const files = makeFolder(t)
  const [first, ...rest] = recording.setup_out
  const setup_out = [{ ...first, rc: 255 }, ...rest]
  const path = files.write('a.json', JSON.stringify({ ...recording, setup_out }))
  const done = uipvs(['conform', path])
  t.equal(done.status, 1)
  t.match(done.stdout, /^rr-changes: differs in the set-up: ipvsadm -A /)
})

t.test('the kernel that is followed makes a difference', async (t) => {
  // 6.1.192 does not look at a threshold again when a destination is edited.
  const path = `${FOLDER}/edit-defaults.json`
  t.equal(uipvs(['conform', '--linux', '6.1.176', path]).status, 0)
  const newer = uipvs(['conform', '--linux', '6.1.192', path])
  t.equal(newer.status, 1)
  t.match(newer.stdout, /^edit-defaults: differs at step 25: /)
})

t.test('what is no recording', async (t) => {
  const files = makeFolder(t)
  const cases: [argv: string[], status: number, line: RegExp][] = [
    [[], 2, /^uipvs: missing required argument 'path'/],
    [['--linux', '7.0', FOLDER], 2, /^uipvs: option '--linux <version>' argument '7.0' is invalid/],
    [[files.path('none.json')], 1, /^uipvs: there is no file or folder .*none\.json/],
    [[files.path('')], 1, /^uipvs: there is no recording \(\.json\) in /],
    [[files.write('a', '{')], 1, /^uipvs: \S+a is not JSON: /],
    [[files.write('b', 'null')], 1, /^uipvs: \S+b is no recording: it has no fields$/],
    [[files.write('c', '{"name":"x","vip":"::1"}')], 1, /is no recording: it has no setup$/],
  ]
  for (const [argv, status, line] of cases) {
    const done = uipvs(['conform', ...argv])
    t.same([done.status, done.stdout], [status, ''], argv.join(' '))
    t.match(done.stderr.trimEnd(), line)
  }
})
