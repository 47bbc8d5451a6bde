/** docs/lab.md knows every scene, with its question and what to keep of it, and every fault. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { FAULTS } from '../../src/lab/faults.js'
import { SCENES } from '../../src/lab/scenes/index.js'

/** Without the line ends of the page. */
const page = readFileSync('docs/lab.md', 'utf8').replace(/\s+/g, ' ')

t.test('scenes', async (t) => {
  for (const { name, title, question, remember } of SCENES) {
    t.ok(page.includes(`### \`${name}\`: ${title} ${question} *To keep:* ${remember} `), name)
  }
  const headings = page.match(/### `/g)
  t.equal(headings?.length, SCENES.length, 'and no others')
})

t.test('faults', async (t) => {
  for (const { name, title } of FAULTS) t.ok(page.includes(`| \`${name}\` | ${title} |`), name)
  t.equal(page.match(/\| `[a-z0-9-]+` \|/g)?.length, FAULTS.length, 'and no others')
})
