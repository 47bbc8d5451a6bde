/** Folders for the files of a benchmark, named after its process, so that a dead one's is known. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { aliveProcess } from '../lab/processes.js'

const NAME = /^uipvs-bench-(\d+)-/

/** A new one. What a benchmark that was killed has left is removed first. */
export function makeDirectory(): string {
  for (const name of readdirSync(tmpdir())) {
    const owner = NAME.exec(name)?.[1]
    if (owner === undefined || aliveProcess(Number(owner)) !== null) continue
    removeDirectory(join(tmpdir(), name))
  }
  return mkdtempSync(join(tmpdir(), `uipvs-bench-${process.pid}-`))
}

export function removeDirectory(path: string): void {
  rmSync(path, { recursive: true, force: true })
}
