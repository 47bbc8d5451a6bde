/** The languages of the page say the same things, and all of them. */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { SCHEDULERS } from '../../src/balance/schedulers/index.js'
import { ENDINGS } from '../../src/engine/verdict.js'
import { LANGUAGES, preferredLanguage } from '../../src/web/page/texts/index.js'

/** `actions.drop` for each text, however deep. */
function keysOf(texts: object, above = ''): string[] {
  return Object.entries(texts).flatMap(([key, value]) =>
    typeof value === 'object' ? keysOf(value, `${above}${key}.`) : [`${above}${key}`],
  )
}

t.test('both languages have the same keys', async (t) => {
  const { en, zh } = LANGUAGES
  t.ok(keysOf(en).length > 100)
  t.same(keysOf(zh).sort(), keysOf(en).sort())
  for (const texts of [en, zh]) {
    for (const ending of ENDINGS)
      t.ok(texts.verdicts[ending.name], `${texts.language} ${ending.name}`)
    for (const name of SCHEDULERS.keys()) t.ok(texts.bySchedulers[name], name)
  }
})

t.test('no text is empty, and what is Chinese is not English', async (t) => {
  const flat = (texts: object): string[] =>
    Object.values(texts).flatMap((value) => (typeof value === 'object' ? flat(value) : [value]))
  for (const texts of Object.values(LANGUAGES)) t.notOk(flat(texts).includes(''))
  const english = new Set(flat(LANGUAGES.en))
  const same = flat(LANGUAGES.zh).filter((text) => english.has(text))
  t.same(same, [], 'nothing was forgotten')
})

t.test('every text is used', async (t) => {
  const folder = 'src/web/page'
  const code = readdirSync(folder)
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => readFileSync(`${folder}/${name}`, 'utf8'))
    .join('\n')
  const unused = Object.keys(LANGUAGES.en).filter(
    (key) => !new RegExp(`\\b(texts|\\])\\.${key}\\b`).test(code),
  )
  t.same(
    unused,
    ['language', 'htmlLang'].filter((key) => unused.includes(key)),
  )
  const live = Object.keys(LANGUAGES.en.live).filter(
    (key) => !new RegExp(`\\blive\\.${key}\\b`).test(code),
  )
  t.same(live, [])
})

t.test('a browser gets the language that it asks for first', async (t) => {
  t.equal(preferredLanguage(['zh-CN', 'en']), 'zh')
  t.equal(preferredLanguage(['zh']), 'zh')
  t.equal(preferredLanguage(['en-GB', 'zh']), 'en')
  t.equal(preferredLanguage([]), 'en')
})
