/** The C programs that we are measured beside: compiled when a benchmark begins. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The sources are no part of the build; in the package they stand beside it, too. */
const SOURCES = new URL('../../../bench', import.meta.url).pathname

/** null where C can be compiled. */
export function whyNoCompiler(): string | null {
  const missing = spawnSync('cc', ['--version']).error !== undefined
  return missing ? 'there is no C compiler (apt install gcc)' : null
}

/** Compiles `source`, a path below bench/, to `binary`, unless that is there. */
export function compile(source: string, binary: string): void {
  if (existsSync(binary)) return
  execFileSync('cc', ['-O2', '-Wall', '-o', binary, join(SOURCES, source)], { stdio: 'pipe' })
}
