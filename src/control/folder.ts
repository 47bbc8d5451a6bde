/**
 * Makes a folder and those above it. Node's own `recursive` never ends where the file system says
 * ENOENT to a new folder, as that of /proc does.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/** @throws what the system says; nothing happens if `path` is there. */
export function makeFolder(path: string, mode: number): void {
  if (existsSync(path)) return
  makeFolder(dirname(path), mode)
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
