/** A director without an engine in a process of its own: rules only, no frames, no privileges. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { ControlClient } from '../../src/control/client.js'

export const UIPVS = join(import.meta.dirname, '../../src/cli/uipvs.js')

export interface Ended {
  readonly status: number | null
  readonly stderr: string
}

export interface DirectorProcess {
  readonly path: string
  readonly client: ControlClient
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** What it has said so far. */
  log(): string
}

/** A folder that is gone when the test is. */
export function makeFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'uipvs-control-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Starts a director at `path`; resolves when it says that it is ready, or when it has ended. */
export async function startDirector(
  t: Test,
  path: string,
  options: { readonly args?: readonly string[]; readonly before?: readonly string[] } = {},
): Promise<DirectorProcess> {
  const run = [process.execPath, UIPVS, 'run', '--engine', 'none', '--control', path]
  const [file = '', ...args] = [...(options.before ?? []), ...run, ...(options.args ?? [])]
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const client = new ControlClient(path)
  t.teardown(async () => {
    client.close()
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  })
  let stderr = ''
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (status) => resolve({ status, stderr }))
  })
  const ready = new Promise<void>((resolve) => {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      if (stderr.includes('uipvs: ready:')) resolve()
    })
  })
  await Promise.race([ready, ended])
  return { path, client, child, ended, log: () => stderr }
}
