import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { makeFolder } from '../../src/control/folder.js'

t.test('a folder and those above it, again and again', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'uipvs-folder-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const deep = join(folder, 'a/b/c')
  makeFolder(deep, 0o700)
  makeFolder(deep, 0o755)
  t.ok(statSync(deep).isDirectory())
  t.equal(statSync(deep).mode & 0o777, 0o700)
})

t.test('where no folder can be made it says so, and ends', async (t) => {
  t.throws(() => makeFolder('/proc/uipvs/state', 0o700), { code: /ENOENT|EACCES|EPERM/ })
  t.throws(() => makeFolder('/dev/null/x', 0o700), { code: 'ENOTDIR' })
})
