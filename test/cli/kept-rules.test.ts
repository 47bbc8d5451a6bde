/** Rules that are kept and do nothing are named, by the log and by the doctor. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { makeFolder, startDirector, UIPVS } from '../control/director-process.js'

const ADM = join(UIPVS, '../uipvsadm.js')

t.test('-m, -i and a sync daemon: a line of the log each, and a finding', async (t) => {
  const path = join(makeFolder(t), 'c.sock')
  const director = await startDirector(t, path)
  const env = { ...process.env, UIPVS_CONTROL: path, UIPVS_DEBUG: '' }
  const adm = (line: string) => {
    const done = spawnSync(process.execPath, [ADM, ...line.split(' ')], { env, encoding: 'utf8' })
    t.equal(done.status, 0, `${line}: ${done.stderr}`)
  }
  const findings = (): { id: string; level: string; found: string; fix: string }[] =>
    JSON.parse(
      spawnSync(process.execPath, [UIPVS, 'doctor', '--json'], { env, encoding: 'utf8' }).stdout,
    ).findings
  adm('-A -t 10.9.0.1:80 -s rr')
  adm('-a -t 10.9.0.1:80 -r 10.9.0.2:80 -g')
  t.notMatch(director.log(), /kept/)
  t.notOk(findings().some(({ id }) => id === 'sync-daemon' || id === 'method'))
  adm('-a -t 10.9.0.1:80 -r 10.9.0.3:80 -m')
  adm('-a -t 10.9.0.1:80 -r 10.9.0.4:80 -i')
  adm('--start-daemon master --mcast-interface lo')
  const report = findings()
  const methods = report
    .filter(({ id }) => id === 'method')
    .map(({ found }) => found)
    .sort()
  t.match(methods, [/10\.9\.0\.3 .* masq/, /10\.9\.0\.4 .* tunnel/])
  t.match(
    report.find(({ id }) => id === 'sync-daemon'),
    {
      level: 'note',
      found: 'a master daemon does nothing',
      fix: 'uipvsadm --stop-daemon master',
    },
  )
  director.child.kill('SIGTERM')
  const { stderr } = await director.ended
  t.match(stderr, /^uipvs: .*10\.9\.0\.3.*\(-m\): kept, but frames for it end as method-unsupp/m)
  t.match(stderr, /^uipvs: .*10\.9\.0\.4.*\(-i\): kept, but frames for it end as method-unsupp/m)
  t.match(stderr, /^uipvs: sync daemon \(master\): kept and listed, but nothing is synchronised/m)
})
