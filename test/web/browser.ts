/** A real Chromium for the tests of the page: Debian's, with a profile of its own each time. */
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'

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
