/**
 * The lessons in docs/lessons, done as a student does them: each command as it is written, in its
 * order, in the host that it names; each prints what stands below it. UIPVS_UPDATE=1 writes what
 * was printed into the lessons, for whoever changes them to look through.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { needsRoot } from '../lab/standing.js'
import { type Command, commandsOf, isAsExpected, withOutput } from './lesson.js'
import { pathWithPrograms } from './path.js'
import { Terminal } from './terminal.js'

t.setTimeout(300_000)

const FOLDER = 'docs/lessons'
/** Lessons at a time: most of one is waiting. */
const AT_ONCE = 4
const isUpdate = process.env.UIPVS_UPDATE === '1'

const UIPVS = new URL('../../src/cli/uipvs.js', import.meta.url).pathname

/** What has to be ended when this process does, also when it is told to. */
const open = new Set<() => void>()
process.on('exit', () => {
  for (const close of open) close()
})
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1))

const lessons = readdirSync(FOLDER)
  .filter((name) => /^\d\d-.*\.md$/.test(name))
  .sort()
const PATH = pathWithPrograms()

t.test('what is printed is compared', async (t) => {
  const cases: [expected: string[], printed: string, same: boolean][] = [
    [['a', 'b'], 'a\nb\n', true],
    [['a', 'b'], 'a  \nb', true],
    [['a', 'b'], 'a\nc\n', false],
    [['a'], 'a\nb\n', false],
    [['a'], '', false],
    [[], '', true],
    [[], 'a\n', false],
    [['a', '...'], 'a\nb\nc\n', true],
    [['a', '...', 'c'], 'a\nc\n', true],
    [['a', '...', 'c'], 'a\nb\n', false],
    [['x ... ms (*)'], 'x 0.3 ms (*)\n', true],
    [['x ... ms (*)'], 'x 0.3 s (*)\n', false],
  ]
  for (const [expected, printed, same] of cases) {
    t.equal(isAsExpected(expected, printed), same, JSON.stringify([expected, printed]))
  }
  t.throws(() => commandsOf('```console\noutput\n```'), /output without a command/)
  t.throws(() => commandsOf('```console\n$ true\n'), /without an end/)
  const [first, second] = commandsOf('```console\n$ a \\\n  b\nout\nrs1# c\n```')
  t.match(first, { at: '$', text: 'a \\\n  b', expected: ['out'], line: 2 })
  t.match(second, { at: 'rs1', text: 'c', expected: [], line: 5 })
})

t.test('a course of ten', async (t) => {
  const index = readFileSync(join(FOLDER, 'README.md'), 'utf8')
  t.same(
    lessons.map((name) => Number(name.slice(0, 2))),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  )
  for (const name of lessons) {
    const text = readFileSync(join(FOLDER, name), 'utf8')
    t.match(index, `](${name})`, 'the index has it')
    const title = /^# (\d+)\. (.+)$/m.exec(text)
    t.equal(Number(title?.[1]), Number(name.slice(0, 2)), `${name}: numbered`)
    t.match(text, /\*\*Goal\*\*/, `${name}: says what it is for`)
    t.match(text, /\p{Script=Han}/u, `${name}: has Chinese terms`)
    const questions = text.split('<details>').length - 1
    t.ok(questions >= 3, `${name}: ${questions} questions`)
    t.equal(text.split('</details>').length - 1, questions)
    t.ok(commandsOf(text).length >= 4, `${name}: something to do`)
    const wild = commandsOf(text).filter((each) => each.expected.join('') === '...')
    t.same(wild, [], `${name}: something is expected of every command`)
    for (const [, link = ''] of text.matchAll(/\]\(([^)#:]+)\)/g)) {
      t.ok(existsSync(join(dirname(join(FOLDER, name)), link)), `${name}: ${link}`)
    }
  }
})

/** Whether a lesson needs network namespaces. */
function isOfLab(commands: readonly Command[]): boolean {
  return commands.some(({ at, text }) => at !== '$' || /uipvs lab|bench wire/.test(text))
}

t.test('each command prints what the lesson says', { jobs: AT_ONCE }, async (t) => {
  for (const name of lessons) {
    const file = join(FOLDER, name)
    const markdown = readFileSync(file, 'utf8')
    const commands = commandsOf(markdown)
    t.test(name, { skip: isOfLab(commands) && needsRoot }, async (t) => {
      // Labs of its own, so that the newest one is the lesson's.
      const state = mkdtempSync(join(tmpdir(), 'uipvs-lesson-'))
      const env = { ...process.env, PATH, SHELL: '/bin/bash', UIPVS_LAB_STATE: join(state, 'labs') }
      const terminals = new Map<string, Terminal>()
      const close = (): void => {
        open.delete(close)
        for (const terminal of terminals.values()) terminal.close()
        const down = spawnSync(process.execPath, [UIPVS, 'lab', 'down'], { env })
        // Where a lab could not be taken away, its state says what is left.
        if (down.status === 0) rmSync(state, { recursive: true })
      }
      open.add(close)
      t.teardown(close)
      const shellFor = (at: string): Terminal => {
        const found = terminals.get(at)
        if (found !== undefined) return found
        const argv = at === '$' ? ['/bin/bash'] : ['uipvs', 'lab', '--shell', at]
        const made = new Terminal(argv, env)
        terminals.set(at, made)
        return made
      }
      const outputs = new Map<Command, string>()
      for (const command of commands) {
        const { at, text, expected, line } = command
        const shell = shellFor(at)
        const isThere = (printed: string) => isAsExpected(expected, printed)
        const done = text.endsWith('&') ? await shell.start(text, isThere) : await shell.run(text)
        const isRight = isThere(done.printed)
        if (!isRight) outputs.set(command, done.printed)
        const place = `${file}:${line}: ${text.split('\n')[0]}`
        if (isUpdate) continue
        t.equal(done.status, 0, `${place} ends well`)
        if (isRight) t.pass(place)
        else t.equal(done.printed, expected.join('\n'), place)
        if (!isRight || done.status !== 0) return // what follows builds on it
      }
      if (isUpdate) writeFileSync(file, withOutput(markdown, outputs))
      const down = await shellFor('$').run('uipvs lab down')
      t.match(down.printed, /^(no lab was left|gone: )/)
    })
  }
})
