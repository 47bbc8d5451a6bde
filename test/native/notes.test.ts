/**
 * Every layout and constant of the kernel that `src/native` relies on, three ways: the tables in
 * `native-notes/`, the modules, and a C program compiled from the note (skipped without a
 * compiler).
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'

const NOTES = join(process.cwd(), 'native-notes')

interface Note {
  module: string
  program: string
  /** As the program prints them: `ifreq size 40`, `ifreq ifr_mtu 16 4`, `IFF_UP 1`. */
  facts: string[]
}

function readNote(file: string): Note {
  const text = readFileSync(join(NOTES, file), 'utf8')
  const facts: string[] = []
  let structure = ''
  for (const line of text.split('\n')) {
    const heading = /^## struct (\w+): (\d+) bytes$/.exec(line)
    const field = /^\| (\d+) \| (\d+) \| `(\w+)` \|$/.exec(line)
    const constant = /^\| `(\w+)` \| (-?\d+) \|$/.exec(line)
    if (heading !== null) {
      structure = heading[1]
      facts.push(`${structure} size ${heading[2]}`)
    } else if (field !== null) facts.push(`${structure} ${field[3]} ${field[1]} ${field[2]}`)
    else if (constant !== null) facts.push(`${constant[1]} ${constant[2]}`)
  }
  return {
    module: /^Used by `src\/native\/([a-z-]+)\.ts`/m.exec(text)?.[1] ?? '',
    program: /```c\n(.*?)```/s.exec(text)?.[1] ?? '',
    facts,
  }
}

const files = readdirSync(NOTES).filter((file) => file.endsWith('.md') && file !== 'README.md')
const hasCompiler = spawnSync('cc', ['--version']).status === 0

for (const file of files) {
  const note = readNote(file)

  t.test(`${file}: the module says what the note says`, async (t) => {
    const module: Record<string, unknown> = await import(`../../src/native/${note.module}.js`)
    t.ok(note.facts.length > 0, `${note.facts.length} facts`)
    const noted = new Set<string>()
    for (const fact of note.facts) {
      const [name, second, third] = fact.split(' ')
      noted.add(name)
      if (third === undefined) t.equal(module[name], Number(second), name)
      else {
        const layout = module[name] as Record<string, number> | undefined
        t.equal(layout?.[second], Number(third), `${name}.${second}`)
        noted.add(`${name}.${second}`)
      }
    }
    // And the other way: nothing of the kernel's in the module that the note leaves out.
    for (const [name, value] of Object.entries(module)) {
      if (typeof value === 'number') t.ok(noted.has(name), `${name} is in the note`)
      if (typeof value !== 'object' || value === null) continue
      for (const field of Object.keys(value)) {
        t.ok(noted.has(`${name}.${field}`), `${name}.${field} is in the note`)
      }
    }
  })

  const skip = hasCompiler ? false : 'no C compiler: `apt-get install gcc linux-libc-dev`'
  t.test(`${file}: the headers say what the note says`, { skip }, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'uipvs-notes-'))
    t.teardown(() => rmSync(directory, { recursive: true }))
    const program = join(directory, 'print')
    writeFileSync(`${program}.c`, note.program)
    execFileSync('cc', ['-Wall', '-Werror', '-o', program, `${program}.c`])
    const printed = execFileSync(program, { encoding: 'utf8' }).trim().split('\n')
    t.same(printed, note.facts)
  })
}

t.test('every module that states facts of the kernel has a note', async (t) => {
  const noted = files.map((file) => readNote(file).module)
  const sources = readdirSync(join(process.cwd(), 'src/native'))
  for (const name of sources.map((file) => file.replace(/\.ts$/, ''))) {
    const module: Record<string, unknown> = await import(`../../src/native/${name}.js`)
    const facts = Object.values(module).filter((v) => typeof v === 'number')
    if (facts.length > 0) t.ok(noted.includes(name), `${name}: ${facts.length} constants`)
  }
})
