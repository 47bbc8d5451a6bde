/**
 * Rules that survive: a director is killed at any moment of a stream of changes and comes back with
 * everything that was acknowledged; damage is told and not touched; a full disk refuses the change.
 */
import { spawnSync } from 'node:child_process'
import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Rule } from '../../src/balance/rule.js'
import type { ControlClient } from '../../src/control/client.js'
import { RuleJournal, StateError } from '../../src/daemon/rule-journal.js'
import { addDestination, addService, deleteDestination, key } from '../balance/rule-book.js'
import { makeFolder, startDirector } from '../control/director-process.js'

const quiet = () => {}
const nothing = (): Rule[] => []

const rulesIn = (directory: string) => {
  const journal = new RuleJournal(directory, quiet)
  journal.close()
  return (journal.stored ?? []).flatMap(({ rules }) => rules)
}

t.test('what is written is there when it is opened again', async (t) => {
  const directory = makeFolder(t)
  const journal = new RuleJournal(directory, quiet)
  t.equal(journal.stored, null, 'there is no state yet')
  journal.write([addService()], nothing)
  journal.write([addDestination('192.168.1.2'), { op: 'zero' }], nothing)
  journal.write([{ op: 'zero' }], nothing)
  t.throws(() => new RuleJournal(directory, quiet), /another director keeps its rules there/)
  journal.close()
  t.same(rulesIn(directory), [addService(), addDestination('192.168.1.2')], 'but no counters')
  t.equal(statSync(journal.path).mode & 0o777, 0o600)
})

t.test('half a change at the end is cut off, damage is told with its line', async (t) => {
  const directory = makeFolder(t)
  const journal = new RuleJournal(directory, quiet)
  journal.write([addService()], nothing)
  journal.write([addDestination('192.168.1.2')], nothing)
  journal.close()
  const whole = readFileSync(journal.path)
  const second = whole.lastIndexOf('\n', whole.length - 2) + 1
  for (let length = second; length < whole.length; length++) {
    writeFileSync(journal.path, whole.subarray(0, length))
    const found = rulesIn(directory)
    if (found.length !== 1) t.fail(`${found.length} rules of a file cut at ${length}`)
    t.equal(statSync(journal.path).size, second)
  }
  for (const at of [0, 20, second + 3, whole.length - 5]) {
    const bad = Buffer.from(whole)
    bad[at] ^= 1
    writeFileSync(journal.path, bad)
    const line = at < 14 ? 1 : at < second ? 2 : 3
    t.throws(() => rulesIn(directory), { name: 'StateError', message: `line ${line}` }, `at ${at}`)
    t.same(readFileSync(journal.path), bad, 'and nothing is written over it')
  }
  writeFileSync(journal.path, '')
  t.throws(() => rulesIn(directory), StateError)
})

t.test('a journal that grew is rewritten, and holds the same', async (t) => {
  const directory = makeFolder(t)
  const journal = new RuleJournal(directory, quiet)
  const many = Array.from({ length: 9000 }, () => addDestination('192.168.1.2'))
  journal.write(many, nothing)
  const before = statSync(journal.path).size
  journal.tidy(() => [addService()])
  t.ok(statSync(journal.path).size < before / 100, `${before} bytes before`)
  journal.write([addDestination('192.168.1.3')], nothing)
  journal.close()
  t.same(rulesIn(directory), [addService(), addDestination('192.168.1.3')])
})

/** The director's rules as text, in the order of its listing. */
async function imageOf(client: ControlClient): Promise<string> {
  const { services, timeouts } = await client.table()
  const marks = await client.marks()
  const lines = services.map(({ service, settings, destinations }) => [
    service,
    settings,
    destinations.map(({ address, weight, method }) => [address, weight, method]),
  ])
  return JSON.stringify([lines, timeouts, marks, (await client.sysctls()).sloppy_tcp])
}

/** A change after which the state differs from all before: lists too, which must not be halved. */
function changeOf(n: number): Rule[] {
  const address = `10.0.${n >> 8}.${n & 255 || 1}`
  const all: Rule[] = [
    { op: 'set-timeouts', tcp: 1000 + n, tcpfin: 0, udp: 0 },
    addDestination(address, { weight: n }),
  ]
  if (n % 5 === 0) all.push({ op: 'add-mark', rule: { mark: n } })
  if (n % 7 === 0) all.push({ op: 'set-sysctl', name: 'sloppy_tcp', value: String(n) })
  if (n % 3 === 0) all.push(deleteDestination(address))
  return all.map((rule) =>
    'service' in rule && 'destination' in rule
      ? ({ ...rule, destination: { address, port: 80 } } as Rule)
      : rule,
  )
}

/** Changes one after the other until the director is gone; images before and after the last. */
async function changeUntilKilled(client: ControlClient, from: number, kill: () => void) {
  let n = from
  for (;;) {
    try {
      await client.rules(changeOf(n), { atomic: true })
      // From the first answer on, since a director that has just begun is slow to answer.
      if (n === from) setTimeout(kill, Math.random() * 60)
      n++
    } catch {
      return n
    }
  }
}

t.test('killed at any moment: what was acknowledged is there, and nothing is halved', async (t) => {
  const directory = makeFolder(t)
  const reference = makeFolder(t)
  const model = await startDirector(t, join(reference, 'control.sock'))
  await model.client.rules([addService(key())], { atomic: true })
  let next = 1
  let modelled = 1
  const rounds = Number(process.env.UIPVS_TEST_ROUNDS ?? 12)
  for (let round = 0; round < rounds; round++) {
    const args = ['--state', join(directory, 'state')]
    const { client, child, ended } = await startDirector(t, join(directory, 'control.sock'), {
      args,
    })
    if (round === 0) await client.rules([addService(key())], { atomic: true })
    else {
      while (modelled < next) await model.client.rules(changeOf(modelled++), { atomic: true })
      const found = await imageOf(client)
      const acknowledged = await imageOf(model.client)
      if (found !== acknowledged) {
        // The change in flight may have been carried out, as a whole.
        await model.client.rules(changeOf(modelled++), { atomic: true })
        t.equal(found, await imageOf(model.client), `round ${round}, ${next - 1} acknowledged`)
        next++
      } else t.pass(`round ${round}: the ${next - 1} acknowledged changes`)
    }
    next = await changeUntilKilled(client, next, () => child.kill('SIGKILL'))
    client.close()
    await ended
  }
  t.ok(next > rounds, `${next} changes`)
})

t.test('--rules is for the first start; damage ends the start and is named', async (t) => {
  const directory = makeFolder(t)
  const state = join(directory, 'state')
  const rules = join(directory, 'rules')
  const path = join(directory, 'control.sock')
  writeFileSync(rules, '-A -t 192.168.1.110:80 -s rr\n')
  const args = ['--state', state, '--rules', rules]
  const first = await startDirector(t, path, { args })
  t.equal((await first.client.table()).services.length, 1)
  await first.client.rules([addService(key(81))], { atomic: true })
  first.child.kill('SIGTERM')
  await first.ended
  const second = await startDirector(t, path, { args })
  t.equal((await second.client.table()).services.length, 2, 'the state is what counts')
  second.child.kill('SIGTERM')
  t.match((await second.ended).stderr, /rules is not read, since .*rules\.journal has rules/)
  appendFileSync(join(state, 'rules.journal'), 'nonsense\n')
  const third = await startDirector(t, path, { args })
  const { status, stderr } = await third.ended
  t.equal(status, 1)
  t.match(stderr, /^uipvs: the state is damaged.*rules\.journal, line 5\); put back a copy/)
})

t.test('a full disk refuses the change and keeps the state', async (t) => {
  if (process.getuid?.() !== 0) return t.plan(0, 'mounting a small file system wants root')
  const directory = makeFolder(t)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', directory])
  if (mounted.status !== 0) return t.plan(0, `no tmpfs here: ${mounted.stderr}`)
  t.teardown(() => spawnSync('umount', ['-l', directory]))
  await fill(t, directory)
  spawnSync('mount', ['-o', 'remount,ro', directory])
  t.throws(() => new RuleJournal(directory, quiet), /EROFS/)
})

async function fill(t: Test, directory: string): Promise<void> {
  const journal = new RuleJournal(directory, quiet)
  const accepted: Rule[] = []
  let refusal: unknown
  for (let n = 0; refusal === undefined && n < 1000; n++) {
    const change = Array.from({ length: 10 }, (_, i) => addDestination(`10.0.${n}.${i}`))
    try {
      journal.write(change, nothing)
      accepted.push(...change)
    } catch (error) {
      refusal = error
    }
  }
  t.match(refusal, { code: 'ENOSPC', subject: 'state', message: /nothing was changed: ENOSPC/ })
  journal.write([{ op: 'flush' }], nothing)
  journal.close()
  t.same(rulesIn(directory), [...accepted, { op: 'flush' }], 'a smaller change still finds room')
}
