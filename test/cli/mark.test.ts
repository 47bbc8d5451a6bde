/** `uipvs mark` and `uipvs sysctl` against a director without an engine. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { makeFolder, startDirector, UIPVS } from '../control/director-process.js'

async function start(t: import('tap').Test) {
  const { path, client } = await startDirector(t, join(makeFolder(t), 'control.sock'))
  const uipvs = (...argv: string[]) => {
    const env = { ...process.env, UIPVS_CONTROL: path, UIPVS_DEBUG: '' }
    const { status, stdout, stderr } = spawnSync(process.execPath, [UIPVS, ...argv], {
      encoding: 'utf8',
      env,
    })
    return { status, stdout, stderr }
  }
  return { client, uipvs }
}

const quiet = { status: 0, stdout: '', stderr: '' }
const http = ['1', '--proto', 'tcp', '--dst', '192.168.1.110', '--dport', '80']

t.test('uipvs mark', async (t) => {
  const { client, uipvs } = await start(t)
  t.same(uipvs('mark', 'list'), quiet)
  t.same(uipvs('mark', 'add', ...http), quiet)
  t.same(uipvs('mark', 'add', '0xffffffff', '--src', '10.0.0.0/8'), quiet)
  t.same(uipvs('mark', 'add', '2', '--proto', 'udp', '--dport', '5060:5069'), quiet)
  t.equal(
    uipvs('mark', 'list').stdout,
    `${http.join(' ')}\n4294967295 --src 10.0.0.0/8\n2 --proto udp --dport 5060:5069\n`,
  )
  t.same((await client.marks())[2], { mark: 2, protocol: 'udp', ports: [5060, 5069] })

  const again = uipvs('mark', 'add', ...http)
  t.same([again.status, again.stdout], [1, ''])
  t.match(again.stderr, /^uipvs: the mark rule 1 --proto tcp .* exists already\n$/)
  const missing = uipvs('mark', 'del', '1', '--proto', 'tcp')
  t.equal(missing.status, 1)
  t.match(missing.stderr, /^uipvs: there is no mark rule 1 --proto tcp\n$/)

  t.same(uipvs('mark', 'del', ...http), quiet)
  const left = uipvs('mark', 'del', '2', '--proto', 'udp', '--dport', '5060-5069', '--json')
  t.same(JSON.parse(left.stdout), { marks: [{ mark: 4294967295, source: '10.0.0.0/8' }] })
  t.same(uipvs('mark', 'del', '--all'), quiet)
  t.same(JSON.parse(uipvs('mark', 'list', '--json').stdout), { marks: [] })
})

t.test('an address that a rule names is a VIP when its mark has a service', async (t) => {
  const { client, uipvs } = await start(t)
  const vips = async () => ((await client.status()) as { vips: readonly string[] }).vips
  uipvs('mark', 'add', ...http)
  t.same(await vips(), [])
  const settings = {
    scheduler: 'rr',
    persistent: 0,
    netmask: '255.255.255.255',
    ops: false,
    pe: '',
    schedulerFlags: 0,
  }
  const service = { fwmark: 1, family: 'inet' } as const
  await client.rules([{ op: 'add-service', service, settings }], { atomic: false })
  t.same(await vips(), ['192.168.1.110'])
  uipvs('mark', 'del', '--all')
  t.same(await vips(), [])
})

t.test('uipvs sysctl', async (t) => {
  const { uipvs } = await start(t)
  t.match(uipvs('sysctl').stdout, /^am_droprate = 10\namemthresh = 1024\nbackup_only = 0\n/)
  const set = uipvs('sysctl', 'net.ipv4.vs.sloppy_tcp=1', 'conn_reuse_mode')
  t.same(set, { status: 0, stdout: 'sloppy_tcp = 1\nconn_reuse_mode = 1\n', stderr: '' })
  t.same(JSON.parse(uipvs('sysctl', 'sloppy_tcp', '--json').stdout), { sloppy_tcp: 1 })

  const refused: [word: string, status: number, line: RegExp][] = [
    ['sloppy_tpc', 1, /^uipvs: there is no setting called sloppy_tpc; uipvs sysctl lists them$/],
    ['no_such=1', 1, /^uipvs: there is no setting called no_such$/],
    ['constructor', 1, /^uipvs: there is no setting called constructor/],
    ['drop_entry=4', 1, /^uipvs: drop_entry takes a whole number from 0 to 3, not 4$/],
    ['sync_version=0', 1, /^uipvs: sync_version can only be 1 here: connections are not synch/],
    ['est_nice', 1, /^uipvs: there is no setting called est_nice; uipvs sysctl lists them$/],
    ['sloppy_tcp=yes', 1, /^uipvs: sloppy_tcp takes a whole number from -2147483648 to/],
    ['sloppy_tcp=2147483648', 1, /^uipvs: sloppy_tcp takes a whole number/],
    ['sloppy_tcp=1=2', 2, /^uipvs: "sloppy_tcp=1=2" is no setting; give NAME or NAME=VALUE$/],
  ]
  for (const [word, status, line] of refused) {
    const done = uipvs('sysctl', 'expire_nodest_conn=1', word)
    t.same([done.status, done.stdout], [status, ''], word)
    t.match(done.stderr.trimEnd(), line)
  }
  const fixed = uipvs('sysctl', 'sync_threshold=3\t50', 'pmtu_disc=1', 'secure_tcp=2')
  t.same(fixed, {
    status: 0,
    stdout: 'sync_threshold = 3 50\npmtu_disc = 1\nsecure_tcp = 1\n',
    stderr: '',
  })
  // The first word of each was good, but it is all or nothing.
  t.equal(uipvs('sysctl', 'expire_nodest_conn').stdout, 'expire_nodest_conn = 0\n')
})

t.test('mistakes, and nobody there', async (t) => {
  const env = { ...process.env, UIPVS_CONTROL: '/nonexistent/uipvs.sock', UIPVS_DEBUG: '' }
  const cases: [argv: string[], status: number, line: RegExp][] = [
    [['mark', 'add'], 2, /^uipvs: missing required argument 'mark'/],
    [['mark', 'add', '4294967296'], 2, /^uipvs: "4294967296" is no firewall mark; give a number/],
    [['mark', 'add', '-1'], 2, /^uipvs: "-1" is no firewall mark/],
    [['mark', 'add', '1', '--proto', 'gre'], 2, /^uipvs: "gre" is no protocol \(--proto\); give/],
    [['mark', 'add', '1', '--dport', '90:80'], 2, /^uipvs: "90:80" are no ports \(--dport\); give/],
    [['mark', 'del'], 2, /^uipvs: which rule\?; say it as mark add did, or --all$/],
    [['mark', 'del', '1', '--all'], 2, /^uipvs: --all takes every rule away; say which/],
    [['mark', 'list'], 1, /^uipvs: no director answers at .*; start one with uipvs run/],
    [['sysctl'], 1, /^uipvs: no director answers at .*; start one with uipvs run/],
  ]
  for (const [argv, status, line] of cases) {
    const done = spawnSync(process.execPath, [UIPVS, ...argv], { encoding: 'utf8', env })
    t.same([done.status, done.stdout], [status, ''], argv.join(' '))
    t.match(done.stderr.trimEnd(), line)
  }
})
