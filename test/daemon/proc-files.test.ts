import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { sourceOf } from '../../src/control/accounts.js'
import { Live } from '../../src/control/live.js'
import type { Source } from '../../src/control/readers.js'
import { ProcFiles } from '../../src/daemon/proc-files.js'
import { addDestination, addService, key, makeBook } from '../balance/rule-book.js'
import { makeFolder } from '../control/director-process.js'

const NAMES = ['ip_vs', 'ip_vs_conn', 'ip_vs_stats', 'ip_vs_stats_percpu']

function makeSource(connections4 = 256): Source {
  const book = makeBook({ limits: { connections4 } })
  book.apply(addService())
  book.apply(addDestination('10.0.0.1'))
  return sourceOf(book, new Live([book.balancer]))
}

function make(t: Test, folder = makeFolder(t), source = makeSource()) {
  const said: string[] = []
  const readable = { read: async <T>(look: (s: Source) => T) => look(source) }
  const files = new ProcFiles(join(folder, 'proc'), readable, (line) => said.push(line))
  t.teardown(() => files.stop())
  return { folder, net: join(folder, 'proc/net'), source, files, said }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !holds(); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`waited a minute for this: ${what}`)
  }
}

t.test('made at once, kept up to date, gone at the end with the folders', async (t) => {
  const { folder, net, source, files } = make(t)
  await files.start()
  t.same(readdirSync(net).sort(), NAMES)
  t.match(readFileSync(join(net, 'ip_vs'), 'utf8'), '  -> 0A000001:0050      Route ')
  source.book.apply(addService(key(443)))
  source.book.balancer.connections4.insert4(6, 1, 2, 0x1000_0050, 0, 0, 100)
  await until('the new service', () => /:01BB rr/.test(readFileSync(join(net, 'ip_vs'), 'utf8')))
  await until('the connection', () =>
    /00000001 1000/.test(readFileSync(join(net, 'ip_vs_conn'), 'utf8')),
  )
  await files.stop()
  t.same(readdirSync(folder), [])
})

t.test('whoever may read /proc/net may read these, whatever the umask', async (t) => {
  const before = process.umask(0o077)
  t.teardown(() => process.umask(before))
  const { net, files } = make(t)
  await files.start()
  t.equal(statSync(join(net, 'ip_vs')).mode & 0o777, 0o644)
  t.equal(statSync(net).mode & 0o777, 0o755)
})

t.test('files of others in the folder stay, and so does a folder that was there', async (t) => {
  const { net, files } = make(t)
  mkdirSync(net, { recursive: true })
  writeFileSync(join(net, 'tcp'), 'of somebody else')
  writeFileSync(join(net, 'ip_vs'), 'of a director that was killed')
  writeFileSync(join(net, '.ip_vs_conn.4194305.0'), 'half a file of one that was killed')
  await files.start()
  t.match(readFileSync(join(net, 'ip_vs'), 'utf8'), /^IP Virtual Server/)
  t.same(readdirSync(net).sort(), [...NAMES, 'tcp'])
  await files.stop()
  t.same(readdirSync(net), ['tcp'])
})

t.test('a reader sees an old file or a new one, never a part of one', async (t) => {
  const source = makeSource(40_000)
  for (let i = 0; i < 40_000; i++) {
    source.book.balancer.connections4.insert4(6, i, 2, 0x1000_0050, 0, 0, 100)
  }
  const { net, files } = make(t, makeFolder(t), source)
  await files.start()
  const path = join(net, 'ip_vs_conn')
  const first = statSync(path)
  let reads = 0
  const seen = new Set<number>()
  // Read as often as others get their turn: between all pieces of the next two files.
  while (seen.size < 3) {
    const lines = readFileSync(path, 'latin1').split('\n').length
    if (lines !== 40_002) t.fail(`${lines} lines`)
    seen.add(statSync(path).ino)
    reads++
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.ok(reads >= 3 && first.size > 40_000 * 60, `${reads} reads of ${first.size} bytes`)
})

t.test('of two directors with one folder the later one has it', async (t) => {
  const folder = makeFolder(t)
  const [one, two] = [make(t, folder), make(t, folder)]
  await one.files.start()
  await two.files.start()
  await until('the first has noticed', () => one.said.length > 0)
  t.match(one.said, [/somebody else writes .*ip_vs: no longer kept here; give each director/])
  await one.files.stop()
  t.same(
    readdirSync(two.net)
      .filter((name) => !name.startsWith('.'))
      .sort(),
    NAMES,
  )
  t.same(two.said, [])
})

t.test('what goes wrong meanwhile is told once, and mends itself', async (t) => {
  const { net, files, said } = make(t)
  await files.start()
  renameSync(net, `${net}.away`)
  await until('the trouble', () => said.length === 1)
  t.match(said[0], /can't be kept up to date: ENOENT.*trying again each second/)
  renameSync(`${net}.away`, net)
  await until('the end of the trouble', () => said.length === 2)
  t.match(said[1], /is kept again$/)
  rmSync(join(net, 'ip_vs'))
  await until('a file that was deleted', () => existsSync(join(net, 'ip_vs')))
})

t.test('a folder that can not be had: refused, and nothing is left', async (t) => {
  const folder = makeFolder(t)
  writeFileSync(join(folder, 'proc'), 'a file')
  const { files } = make(t, folder)
  await t.rejects(files.start(), { code: 'ENOTDIR' })
  t.same(readdirSync(folder), ['proc'])
})
