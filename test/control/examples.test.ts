/** The examples of docs/control-api.md are run as they are written, and answered as it says. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeFolder, startDirector } from './director-process.js'

interface Example {
  readonly command: string
  readonly kind: string
  readonly answer: string
}

/** Each `sh` block with the block behind it. */
function examples(page: string): Example[] {
  const blocks = /```sh\n([\s\S]*?)```\n+```(json|text)\n([\s\S]*?)```/g
  return [...page.matchAll(blocks)].map(([, command = '', kind = '', answer = '']) => ({
    command,
    kind,
    answer,
  }))
}

/** `actual` with whatever stands for "…" in `expected` left out. */
function without(actual: unknown, expected: unknown): unknown {
  if (expected === '…' && actual !== undefined) return '…'
  if (typeof actual !== 'object' || actual === null) return actual
  if (Array.isArray(actual)) return actual.map((each, i) => without(each, (expected as [])[i]))
  const pairs = Object.entries(actual)
  return Object.fromEntries(
    pairs.map(([key, value]) => [
      key,
      without(value, (expected as Record<string, unknown>)?.[key]),
    ]),
  )
}

t.test('every example of docs/control-api.md', async (t) => {
  if (spawnSync('curl', ['--version']).status !== 0) return t.plan(0, 'curl is not installed')
  const page = readFileSync('docs/control-api.md', 'utf8')
  const all = examples(page)
  t.equal(all.length, page.match(/```sh/g)?.length, 'each has its answer')
  t.ok(all.length >= 10)
  const { path } = await startDirector(t, join(makeFolder(t), 'control.sock'))
  for (const { command, kind, answer } of all) {
    const env = { ...process.env, UIPVS_CONTROL: path }
    const { stdout } = spawnSync('sh', ['-c', command], { encoding: 'utf8', env })
    const name = command.split('http://uipvs')[1]?.split('\n')[0]
    if (kind === 'text') t.equal(stdout, answer, name)
    else {
      const expected = JSON.parse(answer)
      t.same(without(JSON.parse(stdout), expected), expected, name)
    }
  }
})

t.test('the page names every operation, path and code that there is', async (t) => {
  const page = readFileSync('docs/control-api.md', 'utf8')
  const sources = ['server', 'schema'].map((name) => readFileSync(`src/control/${name}.ts`, 'utf8'))
  const [server = '', schema = ''] = sources
  for (const [, path = ''] of server.matchAll(/case '((?:GET|POST) \/v1\/[a-z]+)'/g)) {
    t.ok(page.includes(`\`${path}\``), path)
  }
  const ops = [...schema.matchAll(/op: z\.(?:literal|enum)\(\[?([^\])]+)\]?\)/g)]
  const names = ops.flatMap(([, text = '']) =>
    text.split(',').map((each) => each.trim().slice(1, -1)),
  )
  t.ok(names.length >= 11)
  for (const name of names) t.ok(page.includes(`\`${name}\``), name)
  const rules = readFileSync('src/balance/rule.ts', 'utf8')
  for (const [, code = ''] of rules.matchAll(/\| '(E[A-Z]+)'/g))
    t.ok(page.includes(`| \`${code}\``), code)
})
