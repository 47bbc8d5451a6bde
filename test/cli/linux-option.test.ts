/** `--linux`: the decisions of two kernels, live and offline. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { makeFolder, startDirector, UIPVS } from '../control/director-process.js'
import { makeFolder as makeFiles, uipvs } from './offline-program.js'

/** .3 has one established connection, .2 one half-open and one that is closing. */
const BEFORE = [
  'tcp 10.0.0.1:1 192.168.1.110:80 S',
  'tcp 10.0.0.1:1 192.168.1.110:80 A',
  'tcp 10.0.0.2:1 192.168.1.110:80 S',
]
const RULES = `-A -t 192.168.1.110:80 -s lc
-a -t 192.168.1.110:80 -r 192.168.1.2:80 -g -w 1
-a -t 192.168.1.110:80 -r 192.168.1.3:80 -g -w 1
`

t.test('explain: the load of an active connection is 256, in the newer kernel 257', async (t) => {
  const files = makeFiles(t)
  files.write('r.rules', RULES)
  const explain = (...options: string[]) => {
    const after = BEFORE.flatMap((packet) => ['--after', packet])
    const words = ['tcp', '10.0.0.3:1', '192.168.1.110:80']
    return uipvs(['explain', '--rules', files.path('r.rules'), ...options, ...after, ...words])
  }
  const older = explain()
  const newer = explain('--linux', '6.1.192')
  t.same([older.status, newer.status], [0, 0], older.stderr + newer.stderr)
  t.match(older.stdout, /256 for each active connection/)
  t.match(newer.stdout, /257 for each active connection/)
  t.match(older.stdout, /\b256\b/)
  t.match(newer.stdout, /\b257\b/)
})

t.test('run: the status says it, and explain follows the running director', async (t) => {
  const folder = makeFolder(t)
  const path = join(folder, 'c.sock')
  const { client } = await startDirector(t, path, { args: ['--linux', '6.1.192'] })
  t.match(await client.status(), { linux: '6.1.192' })
  const env = { ...process.env, UIPVS_CONTROL: path, UIPVS_DEBUG: '' }
  const adm = join(UIPVS, '../uipvsadm.js')
  spawnSync(process.execPath, [adm, '-R'], { input: RULES, env })
  const words = ['explain', 'tcp', '10.0.0.3:1', '192.168.1.110:80']
  const live = spawnSync(process.execPath, [UIPVS, ...words], { encoding: 'utf8', env })
  t.match(live.stdout, /257 for each active connection/, live.stderr)
})

t.test('a kernel that is not followed', async (t) => {
  const done = uipvs(['replay', '--linux', '2.4', 'x.pcap'])
  t.equal(done.status, 2)
  t.match(done.stderr, /^uipvs: .*--linux.*6\.1\.176, 6\.1\.192/)
})
