/**
 * The live page in a real Chromium: of a director that stands alone, and of a lab, whose buttons do
 * what they say to real namespaces. `UIPVS_UPDATE=1` makes the picture in docs/images anew.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { SCHEDULERS } from '../../src/balance/schedulers/index.js'
import type { ExplainedChoice } from '../../src/control/choice.js'
import { ControlClient } from '../../src/control/client.js'
import { liveThere } from '../../src/web/live.js'
import type { LabDone } from '../../src/web/moment.js'
import { LANGUAGES } from '../../src/web/page/texts/index.js'
import { WebServer } from '../../src/web/server.js'
import { makeFolder, startDirector, UIPVS } from '../control/director-process.js'
import { needsRoot } from '../lab/standing.js'
import { picture, whyNoBrowser, withPage, wrongs } from './browser.js'

const skip = whyNoBrowser()
// Of a browser, on a machine that may be busy.
t.setTimeout(300_000)

const ADDRESS = /http:\/\/127\.0\.0\.1:\d+\/#\S+/

t.test('a director: weights and schedulers', { skip }, async (t) => {
  const path = join(makeFolder(t), 'control.sock')
  const args = ['--rules', 'docs/examples/rules.ipvs', '--web', '127.0.0.1:0']
  const { client, child, log } = await startDirector(t, path, { args })
  const [url = ''] = ADDRESS.exec(log()) ?? []
  await withPage(url, async ({ page, errors, requests }) => {
    await page.locator('table').first().waitFor()
    t.notMatch(page.url(), '#', 'the token is not left in the address')
    const ran = page.locator('.ran li').first()

    const weight = page.getByLabel('Weight 192.168.1.2').first()
    await weight.fill('7')
    // The director is heard of twice meanwhile, which must not undo what is being typed.
    for (let i = 0; i < 2; i++) {
      const uptime = await page.locator('.status b').last().textContent()
      const other = page
        .locator('.status b')
        .last()
        .filter({ hasNotText: uptime ?? '' })
      await other.waitFor()
    }
    t.equal(await weight.inputValue(), '7')
    await weight.press('Enter')
    await ran.waitFor()
    t.equal(await ran.textContent(), 'uipvsadm -e -t 192.168.1.110:22 -r 192.168.1.2:22 -g -w 7')
    const { services } = await client.table()
    t.equal(services[0].destinations.find(({ address }) => address === '192.168.1.2')?.weight, 7)

    await page.getByLabel('scheduler').last().selectOption('sh')
    await page.locator('.ran', { hasText: '-s sh' }).waitFor()
    t.equal(await ran.textContent(), 'uipvsadm -E -t 192.168.1.110:80 -s sh')
    t.equal((await client.table()).services[1].settings.scheduler, 'sh')

    await page.getByRole('button', { name: 'What would it choose next?' }).last().click()
    const next = page.locator('.next')
    await next.locator('.clues', { hasText: 'Bucket of the table: ' }).waitFor()
    await next.getByLabel('if a connection came from').fill('10.0.0.77:1024')
    const told = await client.next({
      service: { protocol: 'tcp', address: '192.168.1.110', port: 80 },
      client: '10.0.0.77',
      clientPort: 1024,
    })
    const bucket = `${told.clues[0]?.number} / 256`
    await next.locator('.clues', { hasText: bucket }).waitFor()
    t.match(await next.locator('.chosen').textContent(), told.chosen as string)
    await page.getByLabel('Theme').selectOption('dark')
    await page.setViewportSize({ width: 1280, height: 800 })
    await next.evaluate((element) => element.scrollIntoView({ block: 'end' }))
    await picture(page, 'live-next')
    t.same(await wrongs(page), [])
    await page.getByLabel('Theme').selectOption('auto')

    await page.getByRole('button', { name: 'Quiesce 192.168.1.3' }).first().click()
    await page.getByRole('button', { name: 'Take back 192.168.1.3' }).waitFor()
    t.equal(await page.locator('.chart canvas').count(), 5)
    t.same(await wrongs(page), [])
    await page.getByLabel('Language').selectOption('zh')
    await page.getByRole('heading', { level: 1, name: LANGUAGES.zh.live.title }).waitFor()
    t.same(await wrongs(page), [])
    t.same(errors, [])
    const base = new URL(url).origin
    const foreign = requests.filter((asked) => !asked.startsWith(base) && !/^data:/.test(asked))
    t.same(foreign, [], 'it talks to its director and to nobody else')

    child.kill('SIGTERM')
    await page.getByText(LANGUAGES.zh.live.lost).waitFor()
  })
})

/** `uipvs lab --web`: the address that opens it; gone with the test. */
async function webOfLab(t: Test): Promise<{ url: string; folder: string }> {
  const own = mkdtempSync(join(tmpdir(), 'uipvs-labs-'))
  const child = spawn(process.execPath, [UIPVS, 'lab', '--web', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, UIPVS_LAB_STATE: own },
  })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(own, { recursive: true, force: true })
  })
  let text = ''
  const address = new Promise<string>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      const found = ADDRESS.exec(text)
      if (found !== null) resolve(found[0])
    })
  })
  return { url: await Promise.race([address, ended.then(() => text)]), folder: own }
}

/** Presses a button and returns what the newest command says once there is one more. */
async function press(page: Page, press: () => Promise<void>): Promise<string> {
  const before = await page.locator('.ran li').count()
  await press()
  await page.locator('.ran li').nth(before).waitFor()
  return (await page.locator('.ran li').first().textContent()) ?? ''
}

/** One request; the frame that opens it, as it left the director, and what the page says of it. */
async function follow(t: Test, page: Page, send: () => Promise<void>): Promise<void> {
  const answered = await press(page, send)
  const [, name = '', number = 0] = /(rs(\d)): 1/.exec(answered) ?? []
  const opening = page.locator('.seen button', { hasText: `director → ${name}: tcp` }).last()
  await opening.click()
  await page.locator('.compared', { hasText: 'Both did the same.' }).waitFor()
  // What the running director says of a frame may come after the frame, on a busy machine.
  const told = page.locator('.compared', { hasText: 'Verdict of the running director' })
  for (let tried = 0; tried < 10 && (await told.count()) === 0; tried++) {
    await page.waitForTimeout(500)
    await opening.click()
    await page.locator('.compared', { hasText: 'Both did the same.' }).waitFor()
  }
  const rip = `192.168.1.${Number(number) + 1}`
  t.equal(await page.locator('#verdict-name').textContent(), `forwarded → ${rip}:80`)
  t.equal(await page.locator('.sentence').textContent(), 'Sent to its realserver.')
  t.match(
    await page.locator('.compared').textContent(),
    `${name} (02:00:c0:a8:01:0${Number(number) + 1})`,
  )
  t.match(
    await page.locator('.compared').textContent(),
    `Verdict of the running director: forwarded → ${rip}:80.`,
  )
  t.match(await page.locator('.journey').textContent(), 'rr takes turns')
  const after = page.locator('.hex', { hasText: 'As it left' }).last()
  t.same(
    await after.locator('mark').allTextContents(),
    [`0${Number(number) + 1}`, '01'],
    "the last bytes of both MAC addresses: the realserver's and the director's",
  )
  await page.getByRole('tab', { name: 'Source lines' }).click()
  await page
    .locator('.code summary', { hasText: 'forward src/engine/forward.ts' })
    .first()
    .waitFor()
  t.ok((await page.locator('.code .lit').count()) > 10, 'lines are lit')
  await picture(page, 'live-source')
  await page.getByRole('tab', { name: 'Journey' }).click()
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.locator('.replayed').evaluate((element) => element.scrollIntoView())
  await picture(page, 'live-frame')
  await page.getByLabel('Language').selectOption('zh')
  await picture(page, 'live-zh')
  await page.getByLabel('语言').selectOption('en')
}

async function post(url: string, path: string, body: object): Promise<unknown> {
  const [base = '', token = ''] = url.split('#')
  const headers = { authorization: `Bearer ${token}` }
  const init = { method: 'POST', headers, body: JSON.stringify(body) }
  return (await fetch(`${base}api/${path}`, init)).json()
}

/** Whom the scheduler says that it would choose, and who then answers. */
async function chosen(url: string, service: object) {
  const question = { service, client: '192.168.1.254' }
  const next = (await post(url, 'next', question)) as ExplainedChoice
  const { output } = (await post(url, 'lab', { do: 'request', count: 1 })) as LabDone
  const answered = `192.168.1.${Number(/rs(\d): 1/.exec(output)?.[1]) + 1}:80`
  return { told: next.chosen, answered }
}

/** The same for each scheduler. */
async function chooses(t: Test, url: string): Promise<void> {
  const service = { protocol: 'tcp', address: '192.168.1.110', port: 80 }
  for (const scheduler of SCHEDULERS.keys()) {
    const settings = { scheduler, netmask: '255.255.255.255' }
    await post(url, 'rules', { rules: [{ op: 'edit-service', service, settings }] })
    for (const _ of [1, 2]) {
      let seen = await chosen(url, service)
      // The end of the connection before may come between the question and the next connection, and
      // then the counts that it was answered by are others.
      for (let tried = 0; tried < 3 && seen.told !== seen.answered; tried++) {
        seen = await chosen(url, service)
      }
      t.equal(seen.told, seen.answered, scheduler)
    }
  }
  const settings = { scheduler: 'rr', netmask: '255.255.255.255' }
  await post(url, 'rules', { rules: [{ op: 'edit-service', service, settings }] })
}

/** The same director with a page that knows of no lab: frames come from its trace. */
async function standsAlone(t: Test, folder: string, url: string): Promise<void> {
  const [lab = ''] = readdirSync(folder).filter((name) => /^uipvs\d+$/.test(name))
  const client = new ControlClient(join(folder, lab, 'control.sock'))
  const server = new WebServer({ live: liveThere(client) })
  const alone = await server.listen('127.0.0.1', 0)
  try {
    await withPage(alone, async ({ page, errors }) => {
      await page.getByRole('heading', { name: LANGUAGES.en.live.traced }).waitFor()
      const opening = page.locator('.seen button', { hasText: / S → 192\.168\.1\.\d:80$/ }).first()
      // The trace begins a moment after the page has.
      while ((await opening.count()) === 0) await post(url, 'lab', { do: 'request', count: 1 })
      const [, rip = ''] = /→ (\S+)$/.exec((await opening.textContent()) ?? '') ?? []
      await opening.click()
      const compared = page.locator('.compared', { hasText: 'Both did the same.' })
      t.match(await compared.textContent(), `forwarded → ${rip}`)
      t.equal(await page.locator('#verdict-name').textContent(), `forwarded → ${rip}`)
      t.same(await wrongs(page), [])
      t.same(errors, [])
    })
  } finally {
    await server.close()
    client.close()
  }
}

t.test('a lab: requests, a dead realserver, broken ARP', { skip: skip || needsRoot }, async (t) => {
  const { url, folder } = await webOfLab(t)
  t.match(url, ADDRESS)
  await withPage(url, async ({ page, errors }) => {
    await page.locator('.host').first().waitFor()
    t.equal(await page.locator('.host').count(), 6)
    const send = (count: number) =>
      page.getByRole('button', { name: `Send ${count}`, exact: true }).click()
    const inHost = (host: string, name: string) =>
      page.getByRole('group', { name: host }).getByRole('button', { name }).click()

    await follow(t, page, () => send(1))
    await chooses(t, url)

    const ten = await press(page, () => send(10))
    t.match(ten, 'for i in $(seq 10); do curl http://192.168.1.110/; done')
    t.match(ten, /rs1: [34] +rs2: [34] +rs3: [34]/)
    await page.locator('.seen', { hasText: 'director → rs' }).waitFor()
    t.match(await page.locator('.seen').textContent(), /(client|rs\d) → router: tcp 192/)
    await page.locator('.dot').first().waitFor()
    await page.setViewportSize({ width: 1280, height: 860 })
    await page.locator('.dot').nth(3).waitFor()
    await picture(page, 'lab')

    await page.getByRole('button', { name: 'Pause' }).click()
    await page.locator('.seen button').first().click()
    await page.locator('.replayed, .layer').first().waitFor()
    t.same(await wrongs(page), [])

    t.match(await press(page, () => inHost('rs2', 'Kill')), /\[rs2\] kill \d+/)
    await page.locator('.host.wrong', { hasText: 'rs2' }).waitFor()
    t.match(await press(page, () => send(10)), 'ECONNREFUSED', 'nobody looks after it')
    await press(page, () => inHost('rs2', 'Revive'))
    t.match(await press(page, () => send(10)), /rs2: [34]/)

    t.match(await press(page, () => inHost('rs1', 'Break ARP')), 'echo 0 > /proc/sys/net/ipv4')
    await page.locator('.host.wrong', { hasText: 'rs1' }).waitFor()
    await press(page, () => inHost('rs1', 'Fix ARP'))
    t.match(await press(page, () => send(10)), /rs1: [34] +rs2: [34] +rs3: [34]/, 'mended')
    t.same(errors, [])
  })
  await standsAlone(t, folder, url)
})
