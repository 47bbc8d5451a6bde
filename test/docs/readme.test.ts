/**
 * README.zh-CN.md is README.md in Chinese: the same headings, commands, links and list points in
 * the same order. What is changed in one has to be changed in the other.
 */
import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'

const english = readFileSync('README.md', 'utf8')
const chinese = readFileSync('README.zh-CN.md', 'utf8')

/** What both must have, each as a list in its order. */
const SHARED: Readonly<Record<string, (text: string) => string[]>> = {
  'levels of headings': (text) => prose(text).match(/^#+(?= )/gm) ?? [],
  'blocks of code, comments aside': (text) =>
    (text.match(/^```[\s\S]*?^```$/gm) ?? []).map((block) => block.replace(/ +# .*$/gm, '')),
  'rows of tables': (text) =>
    [...prose(text).matchAll(/^\| (`.+?`) \|/gm)].map((match) => match[1] ?? ''),
  'points of lists': (text) => (prose(text).match(/^(- |\*\*\d\. )/gm) ?? []).map(String),
}

function prose(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, '')
}

/** Without order, as a sentence in Chinese may put them otherwise. */
function links(text: string): string[] {
  const all = [...text.matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1] ?? '')
  return all.filter((link) => !/^README/.test(link)).sort()
}

for (const [what, listOf] of Object.entries(SHARED)) {
  t.test(what, async (t) => {
    t.ok(listOf(english).length >= 7, 'there are some')
    t.same(listOf(chinese), listOf(english))
  })
}

t.test('links', async (t) => {
  t.same(links(chinese), links(english))
  for (const link of links(chinese)) t.ok(existsSync(link), link)
})

t.test('each leads to the other', async (t) => {
  t.match(english.split('\n').slice(0, 4).join('\n'), '(README.zh-CN.md)')
  t.match(chinese.split('\n').slice(0, 4).join('\n'), '(README.md)')
})
