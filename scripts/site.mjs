/**
 * `npm run site`: the page beside the documentation, so that docs/ can be published as it is. Takes
 * another folder than docs/page, if one is named.
 */
import { copyFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

const ROOT = dirname(import.meta.dirname ?? new URL('.', import.meta.url).pathname)
const SITE = process.argv[2] ?? join(ROOT, 'docs/page')

mkdirSync(SITE, { recursive: true })
for (const file of ['index.html', 'page.js', 'page.css']) {
  copyFileSync(join(ROOT, 'build/page', file), join(SITE, file))
}
process.stdout.write(`${join(SITE, 'index.html')} is there\n`)
