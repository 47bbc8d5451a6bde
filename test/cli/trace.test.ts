/** `uipvs trace` from outside, as far as no frame is needed; test/e2e/trace.test.ts has frames. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { makeFolder, startDirector } from '../control/director-process.js'
import { BIN, uipvs } from './offline-program.js'

t.test('what is wrong with a filter is shown where it is, before anybody is asked', async (t) => {
  const words = ['tcp', 'and', 'prot', '80']
  for (const argv of [words, [words.join(' ')]]) {
    const { status, stdout, stderr } = uipvs(['trace', ...argv])
    t.equal(status, 2)
    t.equal(stdout, '')
    t.equal(
      stderr,
      '  tcp and prot 80\n' +
        '          ^\n' +
        "uipvs: 'prot' is no word of a filter (column 9 of the filter); see uipvs trace --help\n",
    )
  }
})

t.test('what makes no sense together, or at all', async (t) => {
  for (const [argv, message] of [
    [['--json', '-w', '-'], /--json and -w were both given/],
    [['-c', '0'], /'-c, --count <number>'.*give 1 or more/],
    [['-c', 'many'], /give 1 or more/],
    [['--rate', '0'], /give frames a second/],
    [['--rate', '20001'], /up to 20000/],
  ] as const) {
    const { status, stderr } = uipvs(['trace', ...argv])
    t.equal(status, 2, argv.join(' '))
    t.match(stderr, message)
  }
})

t.test('no director, none with frames, and a file that cannot be', async (t) => {
  const nobody = uipvs(['trace'])
  t.equal(nobody.status, 1)
  t.match(nobody.stderr, /^uipvs: no director answers at .*; start one with uipvs run/)
  const { path } = await startDirector(t, join(makeFolder(t), 'c.sock'))
  const run = async (...argv: string[]) => {
    const child = spawn(process.execPath, [BIN, 'trace', '--control', path, ...argv])
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
    })
    const [status] = await once(child, 'close')
    return { status, stderr }
  }
  const none = await run()
  t.equal(none.status, 1)
  t.match(none.stderr, /^uipvs: .*this director takes no frames \(--engine none\)/)
  const file = await run('-w', '/nonexistent/trace.pcapng')
  t.equal(file.status, 1)
  t.match(file.stderr, /^uipvs: the capture can't be written: ENOENT \(\/nonexistent.*; name a/)
})
