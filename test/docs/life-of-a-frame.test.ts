/**
 * `docs/life-of-a-frame.md` walks through `forward.ts`. When one moves the other must: each file,
 * each verdict and each function that the page names has to exist, and the steps have to stand in
 * the same order in both.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { ENDINGS } from '../../src/engine/verdict.js'

const PAGE = 'docs/life-of-a-frame.md'
const page = readFileSync(PAGE, 'utf8')
const source = readFileSync('src/engine/forward.ts', 'utf8')

t.test('files that it points to exist', async (t) => {
  const links = [...page.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1])
  t.ok(links.length > 10)
  for (const link of links) t.ok(existsSync(join(dirname(PAGE), link)), link)
})

t.test('verdicts that it names exist', async (t) => {
  const names = new Set(ENDINGS.map((ending) => ending.name))
  const quoted = [...page.matchAll(/`([a-z0-9]+(?:-[a-z0-9]+)+)`/g)].map((match) => match[1])
  t.ok(quoted.length > 12)
  for (const name of quoted) t.ok(names.has(name), name)
})

t.test('functions that it names exist where it says', async (t) => {
  const files: Record<string, string> = {
    forward: 'src/engine/forward.ts',
    forward4: 'src/engine/forward.ts',
    packet4: 'src/engine/forward.ts',
    open4: 'src/engine/forward.ts',
    transmit: 'src/engine/transmitter.ts',
    breathe: 'src/engine/loop.ts',
  }
  for (const [name, file] of Object.entries(files)) {
    t.match(page, new RegExp(`\`(\\w+\\.)?${name}(\\(\\))?\``), name)
    t.match(
      readFileSync(file, 'utf8'),
      new RegExp(`\\n  (readonly )?${name}( = )?\\(`),
      `${name} in ${file}`,
    )
  }
})

t.test('the steps stand in the same order in both', async (t) => {
  const steps = [
    '1. Link layer',
    '2. Network layer',
    '3. Whose conversation is it?',
    '4. Account for it',
    '5. Send it on',
  ]
  const inOrder = (text: string) => steps.map((step) => text.indexOf(step))
  for (const [name, text] of [
    ['page', page],
    ['forward4', source.slice(source.indexOf('  forward('))],
  ] as const) {
    const places = inOrder(text)
    t.ok(
      places.every((place) => place >= 0),
      `${name} has every step`,
    )
    t.same(
      places,
      [...places].sort((a, b) => a - b),
      name,
    )
  }
})
