/** The man pages: they name every command and option that there is, and none that is not. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { SCHEDULERS } from '../src/balance/schedulers/index.js'
import { type CommandModel, commandModel } from '../src/cli/completion/model.js'
import { UIPVSADM } from '../src/cli/completion/uipvsadm.js'
import { createProgram } from '../src/cli/program.js'

const PAGES = readdirSync('man').map((name) => join('man', name))

/** `-i`, `--interface` of `.It Fl i , Fl -interface Ar name`. */
function optionsOf(line: string): string[] {
  return [...line.matchAll(/\bFl (-?[A-Za-z0-9][A-Za-z0-9-]*)/g)].map((found) => `-${found[1]}`)
}

/** What the list items below each heading name, by the heading's words; '' before the first. */
function documented(page: string): Map<string, string[]> {
  const found = new Map<string, string[]>([['', []]])
  let heading = ''
  for (const line of readFileSync(page, 'utf8').split('\n')) {
    const title = /^\.S[hs] (.+)$/.exec(line)?.[1]
    if (title !== undefined) {
      heading = title.startsWith('uipvs ') ? title.slice('uipvs '.length) : ''
      if (!found.has(heading)) found.set(heading, [])
    }
    if (line.startsWith('.It Fl ')) found.get(heading)?.push(...optionsOf(line))
  }
  return found
}

/** Options by the path of the command; every command has --help, which the page says once. */
function existing(command: CommandModel, path = ''): [string, string[]][] {
  const names = command.options.flatMap((option) => option.names)
  const own = path === '' ? names : names.filter((name) => !['-h', '--help'].includes(name))
  const children = command.commands.filter((child) => child.name !== 'help')
  return [
    [path, own],
    ...children.flatMap((child) => existing(child, `${path} ${child.name}`.trim())),
  ]
}

t.test('uipvs(8) has the commands and options of the program', async (t) => {
  const page = documented('man/uipvs.8')
  const program = new Map(existing(commandModel(await createProgram(() => true))))
  t.ok(program.size > 12, `${program.size} commands`)
  t.same([...page.keys()].sort(), [...program.keys()].sort(), 'commands: a .Ss for each')
  for (const [path, options] of program) {
    t.same(page.get(path)?.sort(), options.sort(), `uipvs ${path}`)
  }
})

t.test('uipvsadm(8) has its commands, options and schedulers', async (t) => {
  const names = [...documented('man/uipvsadm.8').values()].flat()
  t.same(names.sort(), UIPVSADM.options.flatMap((option) => option.names).sort())
  const text = readFileSync('man/uipvsadm.8', 'utf8')
  const listed = [...text.matchAll(/^\.It Cm ([a-z]+)$/gm)].map((found) => found[1])
  t.same(listed.sort(), [...SCHEDULERS.keys()].sort())
})

t.test('each page has its sections', async (t) => {
  t.ok(PAGES.length >= 5)
  for (const page of PAGES) {
    const text = readFileSync(page, 'utf8')
    for (const section of ['NAME', 'DESCRIPTION', 'EXAMPLES', 'SEE ALSO']) {
      t.match(text, new RegExp(`^\\.Sh ${section}$`, 'm'), `${page}: ${section}`)
    }
  }
})

t.test('the manifest names each page, so that npm installs it', async (t) => {
  const { man } = JSON.parse(readFileSync('package.json', 'utf8'))
  t.same([...man].sort(), PAGES.map((page) => `./${page}`).sort())
})

const hasMandoc = spawnSync('mandoc', ['-Tlint', '/dev/null']).error === undefined

t.test('mandoc has nothing to say', { skip: hasMandoc ? false : 'no mandoc' }, async (t) => {
  for (const page of PAGES) {
    const done = spawnSync('mandoc', ['-Tlint', '-Wstyle', page], { encoding: 'utf8' })
    // Which other pages this machine has is not the page's business.
    const said = done.stdout
      .split('\n')
      .filter((line) => line !== '' && !/mandoc\.db|referenced manual/.test(line))
    t.same(said, [], page)
  }
})

const hasMan = spawnSync('man', ['--version']).status === 0

t.test('man formats them', { skip: hasMan ? false : 'no man' }, async (t) => {
  for (const page of PAGES) {
    const env = { ...process.env, MANWIDTH: '80', LC_ALL: 'C.UTF-8' }
    const done = spawnSync('man', ['--warnings', '-l', page], { encoding: 'utf8', env })
    t.equal(done.stderr, '', page)
    t.match(done.stdout, /^NAME$/m)
  }
})
