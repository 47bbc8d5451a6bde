/** The version of this package, from the one place that has it: package.json. */
import { readFileSync } from 'node:fs'

/** From build/src/cli, in the repository and in an installed package alike. */
const MANIFEST = new URL('../../../package.json', import.meta.url)

export function version(): string {
  const manifest = JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string }
  return manifest.version
}
