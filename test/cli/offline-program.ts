/** Runs `uipvs explain` and `uipvs replay` as an operator does, on files of the example. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const BIN = new URL('../../src/cli/uipvs.js', import.meta.url).pathname
export const RULES = 'docs/examples/rules.ipvs'
export const CAPTURE = 'docs/examples/clients.pcap'

/** No director: a socket that does not exist. */
export const environment = {
  ...process.env,
  UIPVS_CONTROL: '/nonexistent/uipvs.sock',
  UIPVS_DEBUG: '',
}

export function uipvs(argv: readonly string[], input: string | Uint8Array = '') {
  const done = spawnSync(process.execPath, [BIN, ...argv], { env: environment, input })
  const [stdout, stderr] = [done.stdout.toString(), done.stderr.toString()]
  return { status: done.status, stdout, stderr, bytes: done.stdout }
}

/** A folder for the files of a test, gone after it. */
export function makeFolder(t: { teardown(fn: () => void): void }) {
  const folder = mkdtempSync(join(tmpdir(), 'uipvs-offline-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return {
    path: (name: string) => join(folder, name),
    write: (name: string, content: string | Uint8Array) => {
      writeFileSync(join(folder, name), content)
      return join(folder, name)
    },
  }
}
