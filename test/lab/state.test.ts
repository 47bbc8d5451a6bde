/** Where labs are remembered, and whom that is believed of. */
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { labsDirectory, listLabs } from '../../src/lab/state.js'
import { cannotBecomeNobody, NOBODY } from '../other-user.js'

const UID = 4711

function makeFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'uipvs-state-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function setEnvironment(t: Test, values: Record<string, string | undefined>): void {
  const before = { ...process.env }
  t.teardown(() => {
    for (const name of Object.keys(values)) set(name, before[name])
  })
  for (const [name, value] of Object.entries(values)) set(name, value)
}

/** Without a value Node would make it the text `undefined`. */
function set(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name]
  else process.env[name] = value
}

t.test('in /tmp only a directory of our own is believed', (t) => {
  const folder = makeFolder(t)
  setEnvironment(t, { TMPDIR: folder, XDG_RUNTIME_DIR: undefined, UIPVS_LAB_STATE: undefined })
  const own = process.getuid!()
  const uid = own === 0 ? UID : own
  const directory = join(folder, `uipvs-lab-${uid}`)
  if (cannotBecomeNobody() === false) {
    mkdirSync(directory)
    chownSync(directory, NOBODY, NOBODY)
    t.throws(() => labsDirectory(uid), { name: 'LabError', message: `user ${NOBODY}` })
    rmSync(directory, { recursive: true })
    mkdirSync(directory)
    chownSync(directory, uid, uid)
    t.equal(labsDirectory(uid), directory, 'ours')
    rmSync(directory, { recursive: true })
  }
  mkdirSync(join(folder, 'elsewhere'))
  symlinkSync(join(folder, 'elsewhere'), directory)
  t.throws(() => labsDirectory(uid), { name: 'LabError' }, 'a link leads anywhere')
  rmSync(directory)
  if (own !== 0) t.equal(statSync(labsDirectory(uid)).mode & 0o777, 0o700, 'made for us alone')
  t.end()
})

t.test('a lab is where its file lies, whatever the file says', (t) => {
  const folder = makeFolder(t)
  setEnvironment(t, { UIPVS_LAB_STATE: folder })
  mkdirSync(join(folder, 'uipvs1'))
  const said = { lab: 'uipvs1', directory: '/home', created: '2024-01-01' }
  writeFileSync(join(folder, 'uipvs1', 'lab.json'), JSON.stringify(said))
  t.match(listLabs(), [{ lab: 'uipvs1', directory: join(folder, 'uipvs1') }])
  t.end()
})
