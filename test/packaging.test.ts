/**
 * The package as others get it: packed, installed into an empty folder, and run from there. Install
 * scripts are left out, as npm 11 does unless told otherwise: without cap and raw-socket the rest
 * must work.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import t from 'tap'

const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'uipvs-package-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
t.setTimeout(170_000)

/** npm as from a shell of its own: what `npm test` tells its children is not for this one. */
function npm(cwd: string, ...argv: string[]) {
  const isOurs = ([name]: [string, unknown]) => !/^npm_(package|lifecycle|config_local)/.test(name)
  const env = Object.fromEntries(Object.entries(process.env).filter(isOurs))
  return spawnSync('npm', [...argv, '--loglevel=error'], { cwd, env, encoding: 'utf8' })
}

/** The folder of the C sources brings its README along: npm packs each that is near. */
const FOLDERS = /^(build\/(src|page)|bench\/limit(-wire)?|native-notes|docs|man)\//
const FILES = /^((bench\/)?README(\.zh-CN)?\.md|LICENSE|package\.json)$/

t.test('packs what is needed and nothing else', async (t) => {
  // The build is there already; building it again would pull it from under the other tests.
  const done = npm('.', 'pack', '--ignore-scripts', '--json', '--pack-destination', folder)
  t.equal(done.status, 0, done.stderr)
  const listing = JSON.parse(done.stdout)
  const { files } = (Array.isArray(listing) ? listing[0] : listing[manifest.name]) as {
    files: { path: string }[]
  }
  const paths = files.map((file) => file.path)
  for (const bin of Object.values<string>(manifest.bin)) t.ok(paths.includes(bin), bin)
  for (const path of [
    'README.md',
    'LICENSE',
    'package.json',
    'build/src/index.d.ts',
    'build/page/index.html',
  ]) {
    t.ok(paths.includes(path), path)
  }
  const foreign = paths.filter((path) => !FOLDERS.test(path) && !FILES.test(path))
  t.same(foreign, [])
})

/**
 * Asked first: without a network (as in the user namespace of a run without root) `npm install`
 * tries for minutes, and then does not always say what it lacked.
 */
function whyNoRegistry(): string | false {
  const once = ['--fetch-retries=0', '--fetch-timeout=15000']
  const asked = npm(folder, 'view', 'commander', 'version', ...once)
  if (asked.status === 0) return false
  const cause = /reason: (.+)/.exec(asked.stderr)?.[1] ?? asked.stderr.trim().split('\n')[0]
  return `the npm registry does not answer: ${cause}`
}

t.test('installs and runs elsewhere', { skip: whyNoRegistry() }, async (t) => {
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  const archive = `./${manifest.name}-${manifest.version}.tgz`
  const options = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
  const done = npm(folder, 'install', '--prefix', folder, ...options, archive)
  t.equal(done.status, 0, done.stderr)

  const run = (name: string, ...argv: string[]) =>
    spawnSync(join(folder, 'node_modules/.bin', name), argv, { cwd: folder, encoding: 'utf8' })
  t.equal(run('uipvs', '--version').stdout, `${manifest.version}\n`)
  t.match(run('uipvs', 'help', 'run').stdout, /^Usage: uipvs run /)
  t.match(run('uipvsadm', '-h').stdout, /uipvsadm -A/)

  const library = `const api = await import('uipvs')
    if (Object.keys(api).length === 0) throw new Error('it exports nothing')`
  const imported = spawnSync(process.execPath, ['--input-type=module', '-e', library], {
    cwd: folder,
    encoding: 'utf8',
  })
  t.equal(imported.stderr, '')
  t.equal(imported.status, 0)
})

t.test('installs globally, with man pages', { skip: whyNoRegistry() }, async (t) => {
  const prefix = join(folder, 'prefix')
  const archive = `./${manifest.name}-${manifest.version}.tgz`
  const options = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
  const done = npm(folder, 'install', '-g', '--prefix', prefix, ...options, archive)
  t.equal(done.status, 0, done.stderr)
  const asked = spawnSync(join(prefix, 'bin/uipvs'), ['--version'], { encoding: 'utf8' })
  t.equal(asked.stdout, `${manifest.version}\n`)
  for (const page of manifest.man as string[]) {
    const name = basename(page)
    const file = join(prefix, 'share/man', `man${name.at(-1)}`, name)
    t.match(readFileSync(file, 'utf8'), /^\.Sh NAME$/m, file)
    if (spawnSync('man', ['--version']).status !== 0) continue
    const found = spawnSync('man', [
      '-M',
      join(prefix, 'share/man'),
      '-w',
      name.replace(/\.\d$/, ''),
    ])
    t.equal(found.stdout.toString().trim(), realpathSync(file), `man finds ${name}`)
  }
})
