/** `npm run site`: the page beside the documentation, so that docs/ can be published as it is. */
import { copyFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

const ROOT = dirname(import.meta.dirname ?? new URL('.', import.meta.url).pathname)
const SITE = join(ROOT, 'docs/page')

mkdirSync(SITE, { recursive: true })
for (const file of ['index.html', 'page.js', 'page.css']) {
  copyFileSync(join(ROOT, 'build/page', file), join(SITE, file))
}
process.stdout.write('docs/page/index.html is there: docs/ can be published\n')
