/** docs/install.md: its unit is one that systemd takes. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

t.test('the unit', { skip: hasSystemd ? false : 'no systemd-analyze' }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'uipvs-unit-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const unit = /```ini\n([\s\S]*?)```/.exec(readFileSync('docs/install.md', 'utf8'))?.[1] ?? ''
  t.match(unit, /^ExecStart=\S+\/uipvs run /m)
  // The program need not be installed here, only be one.
  const file = join(folder, 'uipvs.service')
  writeFileSync(file, unit.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`))
  const done = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' })
  t.equal(done.stderr, '')
  t.equal(done.status, 0)
})
