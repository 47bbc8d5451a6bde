import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { recall } from '../../src/realserver/machine.js'
import { NOTHING_REMEMBERED } from '../../src/realserver/plan.js'

// For the whole file: it starts many programs, on a machine that may be busy.
t.setTimeout(300_000)

const PROGRAM = join(import.meta.dirname, '..', '..', 'src', 'cli', 'uipvs.js')
const isRoot = process.getuid!() === 0
const skip = isRoot ? false : 'a network namespace with its own sysctls needs root'

/** Runs shell text in a new network namespace and a /run and /etc/sysctl.d of its own. */
function inNamespace(script: string): { status: number | null; lines: string[] } {
  const set = [
    'set -e',
    'mount -t tmpfs tmpfs /run',
    'mount -t tmpfs tmpfs /etc/sysctl.d',
    'ip link set lo up',
    `uipvs() { ${process.execPath} ${PROGRAM} "$@"; }`,
    'values() { cd /proc/sys/net/ipv4/conf; cat lo/arp_ignore all/arp_announce; cd /; }',
  ]
  const done = spawnSync('unshare', ['-n', '-m', 'sh', '-c', [...set, script].join('\n')], {
    encoding: 'utf8',
  })
  return { status: done.status, lines: (done.stdout + done.stderr).trim().split('\n') }
}

t.test('up, check, down on a real kernel', { skip }, (t) => {
  const { status, lines } = inNamespace(`
    uipvs realserver up --vip 192.168.1.110 --persist >/dev/null 2>&1
    values
    ip -o addr show dev lo | grep -c 192.168.1.110/32
    cat /etc/sysctl.d/60-uipvs-realserver.conf | grep -c 'arp_'
    uipvs realserver up --vip 192.168.1.110
    uipvs realserver check --vip 192.168.1.110 >/dev/null
    uipvs realserver down --vip 192.168.1.110 >/dev/null
    values
    ip -o addr show dev lo | grep -c 192.168.1.110/32 || true
    ls /etc/sysctl.d /run/uipvs
    uipvs realserver check --vip 192.168.1.110 --json | grep -c '"level": "problem"' || true
  `)
  t.equal(status, 0)
  t.same(lines, [
    ...['1', '2', '1', '4', 'nothing to do'],
    ...['0', '0', '0', '/etc/sysctl.d:', '', '/run/uipvs:', '3'],
  ])
  t.end()
})

t.test('a dry run changes nothing; usage errors end with 2', { skip }, (t) => {
  const { lines } = inNamespace(`
    uipvs realserver up --vip 192.168.1.110 --dry-run
    values
    uipvs realserver up --vip 192.168.1.300 || echo "status $?"
    uipvs realserver up || echo "status $?"
  `)
  t.equal(lines.filter((line) => line.startsWith('sysctl -w')).length, 4)
  t.ok(lines.includes('ip addr add 192.168.1.110/32 dev lo'))
  t.equal(lines.filter((line) => line === 'status 2').length, 2)
  t.equal(lines.filter((line) => line === '0').length, 2)
  t.end()
})

t.test('what to undo: nothing if there is no file, an error if it is spoilt', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'uipvs-recall-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  t.same(recall(join(directory, 'none.json')), NOTHING_REMEMBERED)
  t.notOk(existsSync(join(directory, 'none.json')))
  t.throws(() => recall(directory), /what to undo can't be read/)
  t.end()
})
