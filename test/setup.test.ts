/**
 * scripts/setup.mjs on a machine that lacks something, with an npm of ours in place of the real
 * one. Debian packages are those of this machine: `npm test` has just seen to them, and what it
 * tried in vain is not tried again.
 */
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'

/** An npm that cannot fetch: as npm 10 does, its `ci` hides the cause, which others tell. */
const NPM_WITHOUT_NETWORK = `
case $1 in
  ci) echo 'npm error Exit handler never called!' >&2 ;;
  *) echo 'npm error request to http://r/typescript failed, reason: connect ECONNREFUSED' >&2 ;;
esac
exit 1`

/** An npm that installs everything but what is compiled: cap and raw-socket. */
const NPM_WITHOUT_COMPILER = `
echo "$1" >> npm.log
mkdir -p node_modules/typescript/bin
echo '' > node_modules/typescript/bin/tsc`

/** A folder with what setup reads, and `npm` on the PATH of what runs in it. */
function machine(t: Test, npm: string) {
  const folder = mkdtempSync(join(tmpdir(), 'uipvs-setup-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const name of ['scripts', 'bin', 'build']) mkdirSync(join(folder, name))
  for (const name of ['package.json', 'package-lock.json', 'tsconfig.json', 'scripts/setup.mjs']) {
    copyFileSync(name, join(folder, name))
  }
  for (const name of ['page.mjs', 'bundle.mjs']) writeFileSync(join(folder, 'scripts', name), '')
  const triedInVain = 'node_modules/.uipvs-setup.json'
  if (existsSync(triedInVain)) {
    mkdirSync(join(folder, 'node_modules'))
    const { missingPackages } = JSON.parse(readFileSync(triedInVain, 'utf8'))
    writeFileSync(join(folder, triedInVain), JSON.stringify({ missingPackages }))
  }
  writeFileSync(join(folder, 'bin/npm'), `#!/bin/sh${npm}\n`, { mode: 0o755 })
  const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` }
  const run = (...argv: string[]) =>
    spawnSync(process.execPath, ['scripts/setup.mjs', ...argv], {
      cwd: folder,
      env,
      encoding: 'utf8',
    })
  return { folder, run }
}

t.test('why npm cannot fetch is told in one line', async (t) => {
  const { status, stderr } = machine(t, NPM_WITHOUT_NETWORK).run()
  t.equal(status, 1)
  t.match(stderr, /^setup: npm cannot fetch packages: .*reason: connect ECONNREFUSED; check the /m)
  t.notMatch(stderr, 'Exit handler')
})

t.test('without cap and raw-socket it says what is left out, and goes on', async (t) => {
  const { folder, run } = machine(t, NPM_WITHOUT_COMPILER)
  const first = run()
  t.equal(first.status, 0, first.stderr)
  t.match(first.stderr, /^setup: cap could not be built.*; left out: the libpcap engine/m)
  t.match(first.stderr, /^setup: raw-socket could not be built.*; left out: hand-made frames/m)
  t.match(first.stderr, /^setup: building$/m)

  const second = run()
  t.equal(second.status, 0, second.stderr)
  t.match(second.stderr, /^setup: cap could not be built/m, 'said again')
  t.notMatch(second.stderr, /installing|building$/m, 'but nothing is done again')
  const calls = () => readFileSync(join(folder, 'npm.log'), 'utf8')
  t.equal(calls(), 'ci\n')

  t.equal(run('--retry').status, 0)
  t.equal(calls(), 'ci\nci\n', 'unless it is asked to')
})

t.test('Ctrl-C reaches the program, not a shell that waits for it', async (t) => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'))
  // Debian's sh dies of SIGINT at once: the prompt would be back before the lab is gone.
  for (const name of ['start', 'test']) t.match(scripts[name], /&& exec node [^&|;]+$/, name)
})
