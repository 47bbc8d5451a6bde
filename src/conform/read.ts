/** Recordings from files and folders. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Recording } from './recording.js'

/** A file that is no recording; the message says why. */
export class NoRecording extends Error {
  override readonly name = 'NoRecording'
}

/** The files that paths mean: a file is itself, a folder all its .json files, however deep. */
export function recordingFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined) throw new NoRecording(`there is no file or folder ${path}`)
    if (!found.isDirectory()) return [path]
    const names = readdirSync(path, { recursive: true, encoding: 'utf8' })
    const files = names.filter((name) => name.endsWith('.json')).sort()
    if (files.length === 0) throw new NoRecording(`there is no recording (.json) in ${path}`)
    return files.map((name) => join(path, name))
  })
}

/** The recording in a file. Throws NoRecording, or what the system says about the file. */
export function readRecording(path: string): Recording {
  let value: unknown
  const text = readFileSync(path, 'utf8')
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new NoRecording(`${path} is not JSON: ${(error as Error).message}`)
  }
  const missing = missingField(value)
  if (missing !== null) throw new NoRecording(`${path} is no recording: it has no ${missing}`)
  return value as Recording
}

function missingField(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return 'fields'
  const fields = value as Record<string, unknown>
  for (const name of ['name', 'vip']) if (typeof fields[name] !== 'string') return name
  for (const name of ['setup', 'setup_out', 'steps']) if (!Array.isArray(fields[name])) return name
  return null
}
