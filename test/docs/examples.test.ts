/**
 * The examples in docs/examples, run as they are written: each ends well, and prints what stands in
 * `expected/`. UIPVS_UPDATE=1 writes the captures and the expected output again.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { exampleCaptures } from './example-captures.js'
import { pathWithPrograms } from './path.js'

const FOLDER = 'docs/examples'
const LINES_MAX = 40
const isUpdate = process.env.UIPVS_UPDATE === '1'

const names = readdirSync(FOLDER)
const programs = names.filter((name) => /\.(sh|mjs)$/.test(name))

const PATH = pathWithPrograms()

function run(name: string) {
  const env = { ...process.env, PATH, UIPVS_CONTROL: '/nowhere' }
  // By another way than its own folder, since its paths must not depend on where one stands.
  const path = join(process.cwd(), FOLDER, name)
  return name.endsWith('.mjs')
    ? spawnSync(process.execPath, [path], { cwd: '/', env, encoding: 'utf8' })
    : spawnSync(path, { cwd: '/', env, encoding: 'utf8' })
}

t.test('the captures are what their maker makes', async (t) => {
  const made = exampleCaptures()
  for (const [name, bytes] of Object.entries(made)) {
    const path = join(FOLDER, name)
    if (isUpdate) writeFileSync(path, bytes)
    t.ok(readFileSync(path).equals(bytes), name)
  }
  const captures = names.filter((name) => /\.pcap(ng)?$/.test(name))
  t.same(captures, Object.keys(made), 'and there are no others')
})

t.ok(programs.length >= 6, `${programs.length} examples`)

for (const name of programs) {
  t.test(name, async (t) => {
    const expected = join(FOLDER, 'expected', name.replace(/\.\w+$/, '.txt'))
    const done = run(name)
    t.equal(done.stderr, '')
    t.equal(done.status, 0)
    t.not(done.stdout.trim(), '', 'there is something to see')
    if (isUpdate) writeFileSync(expected, done.stdout)
    t.equal(done.stdout, readFileSync(expected, 'utf8'))
  })
}

t.test('every example is short, and the README knows it', async (t) => {
  const readme = readFileSync(join(FOLDER, 'README.md'), 'utf8')
  for (const name of names.filter((each) => !each.endsWith('.pcap') && each !== 'expected')) {
    const lines = readFileSync(join(FOLDER, name), 'utf8').trimEnd().split('\n').length
    t.ok(lines < LINES_MAX, `${name}: ${lines} lines`)
    if (name !== 'README.md') t.match(readme, name)
  }
  const outputs = readdirSync(join(FOLDER, 'expected'))
  const known = programs.map((name) => name.replace(/\.\w+$/, '.txt'))
  t.same(outputs.sort(), known.sort(), 'no output without an example')
  t.ok(existsSync(join(FOLDER, 'rules.ipvs')))
})
