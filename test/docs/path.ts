/** A folder for `PATH` whose `uipvs` and its companions are the programs under test. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PROGRAMS = ['uipvs', 'uipvsadm', 'uipvsadm-save', 'uipvsadm-restore']
const BUILT = new URL('../../src/cli/', import.meta.url).pathname

/** A value for `PATH`, good until this process ends. */
export function pathWithPrograms(): string {
  const folder = mkdtempSync(join(tmpdir(), 'uipvs-path-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (const name of PROGRAMS) {
    const call = `#!/bin/sh\nexec '${process.execPath}' '${BUILT}${name}.js' "$@"\n`
    writeFileSync(join(folder, name), call, { mode: 0o755 })
  }
  return `${folder}:${process.env.PATH}`
}
