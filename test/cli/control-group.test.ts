/** `--control-group`: whose the control socket is. */
import { chmodSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeFolder, startDirector } from '../control/director-process.js'
import { cannotBecomeNobody, NOBODY } from '../other-user.js'

t.test('a group may use the socket, and nobody else', async (t) => {
  const why = cannotBecomeNobody()
  if (why !== false) return t.plan(0, why)
  const folder = makeFolder(t)
  chmodSync(folder, 0o755)
  const start = async (name: string, args: readonly string[]) => {
    const path = join(folder, name)
    await startDirector(t, path, { args })
    const { mode, uid, gid } = statSync(path)
    return { mode: mode & 0o777, uid, gid }
  }
  t.same(await start('own', []), { mode: 0o600, uid: 0, gid: process.getgid?.() })
  const group = ['--control-group', String(NOBODY)]
  t.same(await start('number', group), { mode: 0o660, uid: 0, gid: NOBODY })
  // Called nogroup on Debian, nobody elsewhere.
  const lines = readFileSync('/etc/group', 'utf8').split('\n')
  const name = lines.find((line) => line.split(':')[2] === String(NOBODY))?.split(':')[0]
  if (name === undefined) return t.comment(`/etc/group has no name for ${NOBODY}`)
  const named = await start('name', ['--control-group', name])
  t.same(named, { mode: 0o660, uid: 0, gid: NOBODY }, name)
})

t.test('a group that there is not ends the start', async (t) => {
  const path = join(makeFolder(t), 'c.sock')
  const { ended } = await startDirector(t, path, { args: ['--control-group', 'no-such-group'] })
  const { status, stderr } = await ended
  t.equal(status, 2)
  t.match(
    stderr,
    /^uipvs: there is no group no-such-group \(\/etc\/group\); groupadd no-such-group/,
  )
})
