/** `uipvs lab break`, `check` and `serve` as a teacher and a student call them. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Demonstration } from '../../src/lab/demonstration.js'
import { FAULTS } from '../../src/lab/faults.js'
import { needsRoot } from './standing.js'

t.setTimeout(300_000)

const PROGRAM = join(import.meta.dirname, '..', '..', 'src', 'cli', 'uipvs.js')
const LIST = mkdtempSync(join(tmpdir(), 'uipvs-exercises-'))
t.teardown(() => rmSync(LIST, { recursive: true, force: true }))

function uipvs(...args: string[]) {
  return spawnSync(process.execPath, [PROGRAM, 'lab', ...args], {
    encoding: 'utf8',
    env: { ...process.env, UIPVS_LAB_STATE: LIST },
  })
}

t.test('what can be broken', async (t) => {
  const { stdout, status } = uipvs('break', '--list')
  t.equal(status, 0)
  const lines = stdout.trim().split('\n')
  t.equal(lines.length, FAULTS.length)
  for (const { name, title } of FAULTS) t.match(stdout, `${name.padEnd(14)} ${title}`)
  t.notMatch(stdout, /rs[123]/, 'not where')
  const { stdout: json } = uipvs('break', '--list', '--json')
  t.same(JSON.parse(json)[0], { name: FAULTS[0]!.name, title: FAULTS[0]!.title })
})

t.test('wrong words, and no lab', async (t) => {
  t.match(uipvs('break', 'coffee'), {
    status: 2,
    stderr: /^uipvs: there is no fault called "coffee"; 'uipvs lab break --list'/,
  })
  t.match(uipvs('break'), { status: 1, stderr: /^uipvs: no lab stands; 'uipvs lab --keep'/ })
  t.match(uipvs('check'), { status: 1, stderr: /no lab stands/ })
  t.match(uipvs('serve', 'rs9'), { status: 2, stderr: /rs9/ })
})

t.test('an exercise from its beginning to its end', { skip: needsRoot }, async (t) => {
  const kept = uipvs('--keep', '--json', '--engine', 'af_packet')
  t.teardown(() => uipvs('down'))
  const { lab } = JSON.parse(kept.stdout) as Demonstration

  t.match(uipvs('break', '--undo'), { status: 1, stderr: /nothing is broken in/ })
  const broken = uipvs('break', 'server-dead')
  t.equal(broken.status, 0, broken.stderr)
  t.match(broken.stdout, `Something is broken in ${lab}.`)
  const places = broken.stdout.replace('(or client, router, rs1, rs2, rs3)', '')
  t.notMatch(places, /rs[123]|server-dead/, 'neither what nor where')
  t.match(uipvs('break'), { status: 1, stderr: /is broken already/ }, 'one thing at a time')

  const failed = uipvs('check')
  t.equal(failed.status, 1)
  t.match(failed.stdout, "✓ the director's rules are as they were")
  t.match(failed.stdout, /✗ every new connection is answered\n {7}2 of 6 HTTP/)
  t.match(failed.stdout, /5 of 8\. Not yet/)

  const dead = /(rs[123]) has none of the HTTP/.exec(failed.stdout)![1]!
  t.match(uipvs('serve', dead), { status: 0, stdout: `${dead} serves HTTP` })
  const good = uipvs('check', '--json')
  t.equal(good.status, 0, good.stdout)
  t.match(JSON.parse(good.stdout), {
    lab,
    works: true,
    was: { fault: 'server-dead', host: dead },
    marks: Array.from({ length: 8 }, () => ({ holds: true, wrong: [] })),
  })
  t.notOk(existsSync(join(LIST, lab, 'fault.json')), 'the next exercise may begin')

  t.equal(uipvs('break', 'weight-0', '--name', lab).status, 0)
  t.match(uipvs('break', '--undo'), { status: 0, stdout: /^it was weight-0 at rs[123]: / })
  const { stdout, status } = uipvs('check')
  t.equal(status, 0, stdout)
  t.match(stdout, '8 of 8. The lab works.')
})
