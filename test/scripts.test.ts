/** The test runner is believed by everybody, so it is tried on tests whose outcome is known. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import t from 'tap'

const folder = mkdtempSync(join(tmpdir(), 'uipvs-runner-'))
t.teardown(() => rmSync(folder, { recursive: true }))
mkdirSync(join(folder, 'scripts'))
copyFileSync('scripts/test.mjs', join(folder, 'scripts/test.mjs'))
symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')

/** Runs the runner on test files given by their text, and returns what it said. */
function runTests(files: Record<string, string>, ...argv: string[]) {
  rmSync(join(folder, 'build'), { recursive: true, force: true })
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, 'build/test', `${name}.test.js`)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, `import t from 'tap'\n${text}\n`)
  }
  // The runner is itself run by tap here, and must not take itself for a child of the outer one.
  const isOurs = ([name]: [string, unknown]) => !/^(TAP|NODE_OPTIONS$)/.test(name)
  const env = Object.fromEntries(Object.entries(process.env).filter(isOurs))
  const done = spawnSync(process.execPath, ['scripts/test.mjs', ...argv], {
    cwd: folder,
    env: { ...env, UIPVS_TEST_NAMESPACE: '1' },
    encoding: 'utf8',
  })
  return {
    status: done.status,
    output: done.stdout,
    last: done.stdout.trimEnd().split('\n').at(-1),
  }
}

const GOOD = `t.test('one', async (t) => { t.pass('a'); t.pass('b') })`

t.test('counts assertions of all files', async (t) => {
  const { status, last } = runTests({ a: GOOD, 'deep/b': GOOD })
  t.equal(last, '4 passed, 0 failed, 0 skipped')
  t.equal(status, 0)
})

t.test('what a test starts is started as anybody would start it', async (t) => {
  const text = `t.equal(process.env.NODE_OPTIONS, undefined); t.same(process.execArgv, ['--enable-source-maps'])`
  t.equal(runTests({ a: text }).last, '2 passed, 0 failed, 0 skipped')
})

t.test('runs what was asked for', async (t) => {
  t.equal(runTests({ a: GOOD, 'deep/b': GOOD }, 'test/deep').last, '2 passed, 0 failed, 0 skipped')
  t.equal(runTests({ a: GOOD }, 'test/a.test.ts').last, '2 passed, 0 failed, 0 skipped')
  const { status, last } = runTests({ a: GOOD }, 'test/nothing')
  t.equal(last, '0 passed, 0 failed, 0 skipped')
  t.equal(status, 1, 'a misspelt name is no success')
})

t.test('shows a failure and what the file printed', async (t) => {
  const bad = `console.error('a hint'); t.test('sum', async (t) => { t.equal(1 + 1, 3, 'is three') })`
  const { status, output, last } = runTests({ bad })
  t.equal(last, '0 passed, 1 failed, 0 skipped')
  t.equal(status, 1)
  t.match(output, 'sum > is three')
  t.match(output, 'a hint')
})

t.test('lists what was skipped, and why', async (t) => {
  const part = `t.test('x', { skip: 'no moon' }, async () => {}); t.pass('y')`
  const { status, output, last } = runTests({ part, whole: `t.plan(0, 'no sun')` })
  t.equal(last, '1 passed, 0 failed, 2 skipped')
  t.equal(status, 0)
  t.match(output, /^skipped .*part.*: no moon$/m)
  t.match(output, /^skipped .*whole.*: no sun$/m)
})

t.test('what ends without a verdict is a failure', async (t) => {
  const outcomes: Record<string, [string, string]> = {
    empty: ['', '0 passed, 1 failed, 0 skipped'],
    crash: [`t.pass('a'); process.kill(process.pid, 'SIGKILL')`, '1 failed'],
    status: [`${GOOD}; process.on('exit', () => { process.exitCode = 3 })`, '1 failed'],
    hang: [`t.setTimeout(500); await new Promise(() => setInterval(() => {}, 1e3))`, '1 failed'],
    broken: [`import 'no-such-package'`, '1 failed'],
    todo: [`t.test('later')`, '1 failed'],
  }
  for (const [name, [text, expected]] of Object.entries(outcomes)) {
    const { status, last } = runTests({ [name]: text })
    t.match(last, expected, name)
    t.equal(status, 1, name)
  }
})
