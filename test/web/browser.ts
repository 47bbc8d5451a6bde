/** A real Chromium for the tests of the page: Debian's, with a profile of its own each time. */
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const CHROMIUM = '/usr/bin/chromium'
/** Nothing that makes the browser itself talk to the network; no sandbox, as tests are root. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Why the tests of the page can't run here; false if they can. */
export function whyNoBrowser(): string | false {
  try {
    accessSync(CHROMIUM, constants.X_OK)
    return false
  } catch {
    return 'chromium is not installed (npm run setup -- --tests --retry)'
  }
}

export interface OpenPage {
  readonly page: Page
  /** Every address that was asked for, in order. */
  readonly requests: string[]
  /** What went wrong in the page: exceptions, errors of the console. */
  readonly errors: string[]
}

export interface PageOptions {
  readonly language?: string
  readonly scheme?: 'light' | 'dark'
  readonly width?: number
  readonly height?: number
}

/** Opens a page, hands it over, and takes everything away again. */
export async function withPage(
  url: string,
  use: (open: OpenPage) => Promise<void>,
  { language = 'en-GB', scheme = 'light', width = 1440, height = 900 }: PageOptions = {},
): Promise<void> {
  const profile = mkdtempSync(join(tmpdir(), `uipvs-browser-${process.pid}-`))
  let context: BrowserContext | null = null
  try {
    context = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM,
      args: FLAGS,
      locale: language,
      colorScheme: scheme,
      viewport: { width, height },
    })
    const requests: string[] = []
    const errors: string[] = []
    context.on('request', (request) => requests.push(request.url()))
    context.on('weberror', (error) => errors.push(String(error.error())))
    context.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text())
    })
    const page = context.pages()[0] ?? (await context.newPage())
    await page.goto(url)
    await use({ page, requests, errors })
  } finally {
    await context?.close()
    rmSync(profile, { recursive: true, force: true })
  }
}

/** What axe-core finds wrong, as `rule: where`. */
export async function wrongs(page: Page): Promise<string[]> {
  await page.evaluate(readFileSync(AXE, 'utf8'))
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>
      }
    }
    const { violations } = await axe.run({ preload: false })
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
  })
}

/** Keeps a picture for the documentation, if pictures are wanted. */
export async function picture(page: Page, name: string): Promise<void> {
  if (process.env.UIPVS_UPDATE !== '1') return
  mkdirSync('docs/images', { recursive: true })
  const size = page.viewportSize()
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.screenshot({ path: `docs/images/${name}.png` })
  if (size !== null) await page.setViewportSize(size)
}
