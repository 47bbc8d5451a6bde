import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { removeStaleLabs } from '../../src/lab/lab.js'
import { whyNotRootless } from '../../src/lab/rootless.js'
import { listLabs } from '../../src/lab/state.js'
import { cannotBecomeNobody, NOBODY } from '../other-user.js'
import { remainsOf } from './standing.js'

// For the whole file: it starts many programs, on a machine that may be busy.
t.setTimeout(300_000)

const OWNER = join(import.meta.dirname, 'owner.js')
const isRoot = process.getuid!() === 0

/** Words before a command that make it run as a user without any rights. */
const AS_NOBODY = isRoot
  ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
  : []

const LIST = mkdtempSync(join(tmpdir(), 'uipvs-rootless-'))
if (isRoot && cannotBecomeNobody() === false) chownSync(LIST, NOBODY, NOBODY)
process.env.UIPVS_LAB_STATE = LIST
t.teardown(() => rmSync(LIST, { recursive: true, force: true }))

function whyNot(): string | false {
  if (isRoot && cannotBecomeNobody() !== false) return cannotBecomeNobody()
  const readable = spawnSync('setpriv', [...AS_NOBODY.slice(1), 'test', '-r', OWNER])
  if (isRoot && readable.error !== undefined) return 'setpriv is missing: no way to shed root'
  if (isRoot && readable.status !== 0) return `a user without rights cannot read ${OWNER}`
  const words = [...AS_NOBODY, 'unshare', '--user', '--map-root-user', '--net', '--mount', 'true']
  const tried = spawnSync(words[0]!, words.slice(1), { encoding: 'utf8' })
  if (tried.status === 0) return false
  return `user namespaces are refused here: ${tried.stderr.trim() || whyNotRootless()}`
}
const skip = whyNot()

interface Owner {
  readonly child: ChildProcess
  readonly name: string
  readonly directory: string
  readonly next: () => Promise<string>
}

async function owner(how: string): Promise<Owner> {
  const words = [...AS_NOBODY, process.execPath, OWNER, how]
  const child = spawn(words[0]!, words.slice(1), {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, HOME: LIST },
  })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const next = async () => (await lines.next()).value as string
  const [name, directory] = (await next()).split(' ') as [string, string]
  return { child, name, directory, next }
}

/** Waits until a directory is gone: its lab cleans up behind our back. */
async function untilGone(directory: string): Promise<void> {
  for (let i = 0; i < 500 && existsSync(directory); i++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

t.test('without root: the lab works and is gone after', { skip, timeout: 60_000 }, async (t) => {
  const { child, name, directory, next } = await owner('reach')
  t.same(JSON.parse(await next()), { lost: [], http: 'rs1' })
  if (child.exitCode === null) await once(child, 'exit')
  t.equal(child.exitCode, 0)
  t.same(remainsOf(name, directory), [])
  t.same(readdirSync(LIST), [], 'no file is left either')
})

t.test('without root: ended from outside', { skip, timeout: 60_000 }, async (t) => {
  const { child, name, directory } = await owner('wait')
  child.kill('SIGTERM')
  await once(child, 'exit')
  t.equal(child.exitCode, 143)
  t.same(remainsOf(name, directory), [])
})

t.test('without root: the process outside is killed', { skip, timeout: 60_000 }, async (t) => {
  const { child, name, directory } = await owner('wait')
  child.kill('SIGKILL')
  await untilGone(directory)
  t.same(remainsOf(name, directory), [], 'the one inside notices, and cleans up')
})

t.test('without root: the owner itself is killed', { skip, timeout: 60_000 }, async (t) => {
  const { child, name, directory } = await owner('wait')
  const state = listLabs().find(({ lab }) => lab === name)!
  t.ok(state.rootless)
  process.kill(state.owner.pid, 'SIGKILL')
  await once(child, 'exit')
  t.not(remainsOf(name, directory).length, 0, 'its servers are left')
  t.same(removeStaleLabs(), [name])
  t.same(remainsOf(name, directory), [])
})

t.test('without root: the whole demonstration', { skip, timeout: 90_000 }, async (t) => {
  const program = join(import.meta.dirname, '..', '..', 'src', 'cli', 'uipvs.js')
  const words = [...AS_NOBODY, process.execPath, program, 'lab', '--once', '--json']
  const done = spawnSync(words[0]!, words.slice(1), {
    encoding: 'utf8',
    env: { ...process.env, HOME: LIST },
  })
  t.equal(done.status, 0, done.stderr)
  t.match(done.stderr, 'leaves out AF_XDP')
  t.match(JSON.parse(done.stdout), { rootless: true, failures: [] })
  t.same(readdirSync(LIST), [])
})

t.test('without root: its page can be opened from outside', { skip }, async (t) => {
  const program = join(import.meta.dirname, '..', '..', 'src', 'cli', 'uipvs.js')
  const words = [...AS_NOBODY, process.execPath, program, 'lab', '--web', '127.0.0.1:0']
  const child = spawn(words[0]!, words.slice(1), {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, HOME: LIST },
  })
  const exited = once(child, 'exit')
  let url = ''
  for await (const line of createInterface({ input: child.stdout! })) {
    url = /http:\/\/127\.0\.0\.1:\d+\/#\S+/.exec(line)?.[0] ?? ''
    if (url !== '') break
  }
  const [page = '', token = ''] = url.split('#')
  const headers = { authorization: `Bearer ${token}` }
  const act = (body: object) =>
    fetch(`${page}api/lab`, { method: 'POST', headers, body: JSON.stringify(body) })
  t.match(await (await act({ do: 'request', count: 1 })).json(), { output: /rs\d: 1/ })
  child.kill('SIGTERM')
  await exited
  await t.rejects(fetch(page), 'nobody listens any more')
  t.same(readdirSync(LIST), [])
})
