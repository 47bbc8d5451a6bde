/**
 * The page in a real Chromium, opened as a file: what it shows, that it needs no mouse and no
 * network, and what axe-core says of it. `UIPVS_UPDATE=1` makes the pictures in docs/images anew.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { ENDINGS } from '../../src/engine/verdict.js'
import { Session } from '../../src/web/page/session.js'
import { LANGUAGES } from '../../src/web/page/texts/index.js'
import { picture, whyNoBrowser, withPage, wrongs } from './browser.js'

const PAGE = pathToFileURL('build/page/index.html').href
const skip = whyNoBrowser()
// Of a browser, on a machine that may be busy.
t.setTimeout(300_000)

const VIEWS = ['journey', 'frame', 'source', 'tables'] as const

/** The rows that stand in the list, by number, with what ends each. */
async function ends(page: Page): Promise<string[]> {
  await page.locator('.row').first().waitFor()
  return page.locator('.row .end').allTextContents()
}

t.test('the example: verdicts, steps, bytes, lines', { skip }, async (t) => {
  const session = await Session.open({
    capture: readFileSync('docs/examples/clients.pcap'),
    rules: readFileSync('docs/examples/rules.ipvs', 'utf8'),
    mode: 'textbook',
  })
  const wanted = session.rows.map(({ verdict, realserver }) =>
    realserver === null ? ENDINGS[verdict].name : `→ ${realserver}`,
  )
  // High enough for all frames of the example to stand in the list.
  await withPage(
    PAGE,
    async ({ page, requests, errors }) => {
      t.same(await ends(page), wanted, 'the traced director decides as the plain one does')
      t.match(await page.locator('#verdict-name').textContent(), 'arp-answered')

      await page.keyboard.press('ArrowDown')
      t.match(await page.locator('#verdict-name').textContent(), '→ 192.168.1.3:80')
      t.match(await page.locator('.verdict .subject').textContent(), 'Frame 2 of 29')
      t.match(await page.locator('.journey').textContent(), 'wlc takes the smallest load')
      const changed = await page.locator('.journey .hex').nth(1).locator('mark').allTextContents()
      t.same(changed, ['c0', 'a8', '01', '03', '01'], 'the bytes that were written are marked')
      await picture(page, 'page-journey')

      await page.locator('#tab-journey').focus()
      await page.keyboard.press('ArrowRight')
      t.equal(await page.locator('.layer').count(), 3, 'ethernet, ipv4, tcp')
      await page.locator('.field', { hasText: 'ttl' }).focus()
      t.same(await page.locator('.pointed').allTextContents(), ['3f', '3f'])

      await page.keyboard.press('Home')
      t.match(await page.locator('.verdict .subject').textContent(), 'Frame 2 of 29', 'scrolls')
      await page.locator('.rows').focus()
      await page.keyboard.press('Home')
      await page.locator('#tab-source').click()
      const arp = await page.locator('.code b').allTextContents()
      t.same(arp, ['forward', 'arp', 'answerArp'])
      await page.keyboard.press('ArrowDown')
      const names = await page.locator('.code b').allTextContents()
      t.same(names.slice(0, 4), ['forward', 'forward4', 'packet4', 'open4'])
      t.match(names, new Set(['transmit']))
      const lit = await page.locator('.code').first().locator('.lit').allTextContents()
      const text = readFileSync('src/engine/forward.ts', 'utf8').split('\n')
      for (const line of lit) {
        const [, number = '', code = ''] = /^ *(\d+)(.*)$/.exec(line) ?? []
        t.equal(code.trim(), text[Number(number) - 1].trim(), `line ${number} is that of the file`)
      }
      t.match(lit[lit.length - 1], 'return this.forward4(')
      t.equal(await page.locator('.code').first().locator('.end').count(), 1)

      await page.locator('#tab-tables').click()
      t.equal(await page.locator('.node.lit').textContent(), 'SYN_RECV')
      await page.locator('.rows').focus()
      await page.keyboard.press('ArrowDown')
      t.equal(await page.locator('.node.lit').textContent(), 'ESTABLISHED')

      await page.keyboard.press('End')
      t.match(await page.locator('.verdict .subject').textContent(), 'Frame 29 of 29')
      await page.keyboard.press('/')
      await page.keyboard.type('no-service')
      await page.keyboard.press('Enter')
      const some = wanted.filter((name) => name === 'no-service')
      t.ok(some.length > 0)
      t.same(await ends(page), some, 'the list shows one verdict')

      const own = requests.filter((url) => !url.startsWith('data:'))
      t.same(
        own.map((url) => url.split('/').pop()),
        ['index.html', 'page.css', 'page.js'],
      )
      t.same(errors, [])
    },
    { height: 1700 },
  )
})

t.test('files of one’s own: captures, rules, and what is wrong with them', { skip }, async (t) => {
  await withPage(PAGE, async ({ page, errors }) => {
    await ends(page)
    const [capture, rules] = [page.locator('input').nth(0), page.locator('input').nth(1)]
    const text = '-A -t 192.168.1.110:80 -s rr\n-a -t 192.168.1.110:80 -r 192.168.1.7:80 -g -w 1\n'
    await rules.setInputFiles({ name: 'mine.ipvs', mimeType: '', buffer: Buffer.from(text) })
    await page.locator('.end', { hasText: '→ 192.168.1.7:80' }).first().waitFor()
    t.match(await page.locator('.name').allTextContents(), ['clients.pcap (built in)', 'mine.ipvs'])

    const bad = Buffer.from('-A -t 192.168.1.110:80 -s rr\nnonsense')
    await rules.setInputFiles({ name: 'bad.ipvs', mimeType: '', buffer: bad })
    t.match(await page.getByRole('alert').textContent(), /nonsense.*line 2/)
    t.match(await ends(page), new Set(['→ 192.168.1.7:80']), 'what was open stays open')

    const cut = readFileSync('docs/examples/clients.pcap').subarray(0, 500)
    await capture.setInputFiles({ name: 'cut.pcap', mimeType: '', buffer: cut })
    await page.getByRole('status').waitFor()
    t.match(await page.getByRole('status').textContent(), /truncated/)
    t.equal(await page.getByRole('alert').count(), 0)

    // A file that is dropped anywhere is taken by what is in it.
    const whole = [...readFileSync('docs/examples/clients.pcap')]
    await page.evaluate(`{
      const transfer = new DataTransfer()
      transfer.items.add(new File([new Uint8Array(${JSON.stringify(whole)})], 'dropped'))
      dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true }))
    }`)
    await page.locator('.name', { hasText: 'dropped' }).waitFor()
    t.match(await page.locator('.filter').textContent(), '(29)')

    await page.getByLabel('Mode').selectOption('kernel')
    await page.locator('.end', { hasText: '→ 192.168.1.7:80' }).first().click()
    await page.locator('.changes', { hasText: 'ttl' }).waitFor()
    t.same(errors, [])
  })
})

t.test('both languages, light and dark: axe-core finds nothing', { skip }, async (t) => {
  for (const [language, scheme] of [
    ['en', 'dark'],
    ['zh-CN', 'light'],
  ] as const) {
    const look = async ({ page, errors }: { page: Page; errors: string[] }) => {
      await ends(page)
      const texts = LANGUAGES[language === 'en' ? 'en' : 'zh']
      t.equal(await page.title(), texts.title)
      t.equal(await page.locator('html').getAttribute('lang'), texts.htmlLang)
      await page.keyboard.press('ArrowDown')
      await page.keyboard.press('ArrowDown')
      for (const view of VIEWS) {
        await page.locator(`#tab-${view}`).click()
        t.same(await wrongs(page), [], `${language} ${scheme} ${view}`)
        if (language === 'en' && view === 'source') await picture(page, 'page-source')
        if (language === 'en' || view !== 'tables') continue
        await page.locator('.machine').scrollIntoViewIfNeeded()
        await picture(page, 'page-zh')
      }
      await page.getByLabel('Language').selectOption(language === 'en' ? 'zh' : 'en')
      const other = LANGUAGES[language === 'en' ? 'zh' : 'en']
      t.equal(await page.locator('h1').textContent(), other.title)
      t.same(errors, [])
    }
    await withPage(PAGE, look, { language, scheme })
  }
})

/** What `npm run site` makes, behind a server that has files and nothing else. */
async function site(t: Test): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'uipvs-site-'))
  const done = spawnSync(process.execPath, ['scripts/site.mjs', folder], { encoding: 'utf8' })
  t.equal(done.status, 0, done.stderr)
  const types: Readonly<Record<string, string>> = { js: 'text/javascript', css: 'text/css' }
  const server = createServer((request, response) => {
    const name = basename(request.url ?? '')
    const type = types[name.split('.')[1] ?? ''] ?? 'text/html'
    response.setHeader('content-type', type)
    response.end(readFileSync(join(folder, name)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    rmSync(folder, { recursive: true })
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/any/path/index.html`
}

t.test('as a site, on a small screen: all of it, below each other', { skip }, async (t) => {
  const url = await site(t)
  await withPage(
    url,
    async ({ page, requests, errors }) => {
      t.equal((await ends(page)).length > 2, true)
      t.same(
        requests.filter((asked) => !asked.startsWith(url.replace('index.html', ''))),
        [],
        'only its own files',
      )
      t.same(errors, [])
      const width = await page.evaluate('document.documentElement.scrollWidth')
      t.ok(Number(width) <= 480, `${width} CSS pixels wide`)
      t.same(await wrongs(page), [])
    },
    { width: 480, height: 900 },
  )
})
