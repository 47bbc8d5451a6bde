import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Lab, removeStaleLabs } from '../../src/lab/lab.js'
import { isAlive } from '../../src/lab/processes.js'
import { isStale, listLabs } from '../../src/lab/state.js'
import { needsRoot, remainsOf, standingLab } from './standing.js'

// For the whole file: it starts many programs, on a machine that may be busy.
t.setTimeout(300_000)

// A list of labs of our own: another test's next lab would clean up what we have left on purpose.
const OWN_LIST = mkdtempSync(join(tmpdir(), 'uipvs-labs-'))
process.env.UIPVS_LAB_STATE = OWN_LIST
t.teardown(() => rmSync(OWN_LIST, { recursive: true, force: true }))

const OWNER = join(import.meta.dirname, 'owner.js')

/** Starts a process that owns a lab; returns when the lab stands. */
async function owner(
  how: string,
): Promise<{ child: ChildProcess; name: string; directory: string }> {
  const child = spawn(process.execPath, [OWNER, how], { stdio: ['ignore', 'pipe', 'ignore'] })
  child.stdout!.setEncoding('utf8')
  const [line] = (await once(child.stdout!, 'data')) as [string]
  const [name, directory] = line.trim().split(' ') as [string, string]
  return { child, name, directory }
}

async function endOf(child: ChildProcess): Promise<number | string> {
  if (child.exitCode !== null) return child.exitCode
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  return code ?? signal!
}

t.test('nothing is left', { skip: needsRoot, timeout: 120_000 }, async (t) => {
  const ways = [
    { how: 'finish', signal: undefined, status: 0 },
    { how: 'throw', signal: undefined, status: 1 },
    { how: 'wait', signal: 'SIGINT', status: 130 },
    { how: 'wait', signal: 'SIGTERM', status: 143 },
    { how: 'wait', signal: 'SIGHUP', status: 129 },
  ] as const
  for (const { how, signal, status } of ways) {
    const { child, name, directory } = await owner(how)
    if (signal !== undefined) {
      t.not(remainsOf(name, directory).length, 0, 'the lab stands')
      child.kill(signal)
    }
    t.equal(await endOf(child), status, `${signal ?? how} ends it with ${status}`)
    t.same(remainsOf(name, directory), [], `after ${signal ?? how}`)
  }
})

t.test('kill -9, and the next lab cleans up', { skip: needsRoot, timeout: 60_000 }, async (t) => {
  const { child, name, directory } = await owner('wait')
  child.kill('SIGKILL')
  await endOf(child)
  const left = listLabs().find(({ lab }) => lab === name)!
  t.ok(isStale(left), 'it is known to be stale')
  t.ok(left.processes.some(isAlive), 'its realservers still run')
  const other = standingLab(t)
  t.same(remainsOf(name, directory), [], 'the stale one is gone')
  t.not(remainsOf(other.state.lab, other.state.directory).length, 0, 'the new one stands')
})

t.test(
  'a kept lab outlives its owner, until it is told',
  { skip: needsRoot, timeout: 60_000 },
  async (t) => {
    const { child, name, directory } = await owner('keep')
    t.equal(await endOf(child), 0)
    t.notOk(removeStaleLabs().includes(name), 'it is not stale')
    const lab = Lab.attach(listLabs().find((state) => state.lab === name)!)
    t.teardown(() => lab.down())
    const { stdout } = lab.run('rs3', ['sh', '-c', 'ls /proc/net/tcp && ip -br addr show lo'])
    t.match(stdout, '192.168.1.110/32', 'it still stands')
    lab.down()
    t.same(remainsOf(name, directory), [])
  },
)

t.test(
  'two labs at once do not see each other',
  { skip: needsRoot, timeout: 60_000 },
  async (t) => {
    const one = standingLab(t)
    const two = standingLab(t)
    t.not(one.state.lab, two.state.lab)
    one.run('rs1', ['ip', 'link', 'set', 'eth0', 'down'])
    t.equal(two.run('client', ['ping', '-c1', '-W2', '192.168.1.2']).status, 0)
    t.equal(one.run('client', ['ping', '-c1', '-W1', '192.168.1.2']).status, 1)
    one.down()
    t.equal(
      two.run('client', ['ping', '-c1', '-W2', '192.168.1.2']).status,
      0,
      'one gone, one stands',
    )
  },
)

t.test('a step that fails takes the rest away, and says what it was', { skip: needsRoot }, (t) => {
  const before = listLabs().length
  t.throws(() => Lab.up({ mtu: 7 }), { message: /mtu 7/ })
  t.equal(listLabs().length, before)
  t.end()
})
