/** A contestant that is a program in the director's namespace. */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Field } from '../wire/field.js'

/** It ended before it was ready: what it said. */
export class NotStarted extends Error {
  override readonly name = 'NotStarted'
  readonly code = 'NOT_STARTED'
}

/** It was ready, and ended while it was measured. */
export class EndedByItself extends Error {
  override readonly name = 'EndedByItself'
  readonly code = 'ENDED_BY_ITSELF'
}

export interface Program {
  readonly pid: number
  readonly failure: Promise<never>
  readonly stop: () => Promise<void>
}

export interface ProgramOptions {
  readonly name: string
  readonly input?: string
  /** Whether this line, of stdout or stderr, says that it is ready. */
  readonly isReady: (line: string) => boolean
}

/** Lines that are remembered of one that says much before it ends. */
const LINES_KEPT = 20

export async function startProgram(
  field: Field,
  words: readonly string[],
  { name, input, isReady }: ProgramOptions,
): Promise<Program> {
  const child = field.spawn('director', words)
  // It may end before it has read its input: its exit tells more.
  child.stdin.on('error', () => {})
  child.stdin.end(input ?? '')
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const said: string[] = []
  await new Promise<void>((resolve, reject) => {
    const hear = (stream: Readable) => {
      createInterface({ input: stream }).on('line', (line) => {
        said.push(line)
        if (said.length > LINES_KEPT) said.shift()
        if (isReady(line)) resolve()
      })
    }
    hear(child.stdout)
    hear(child.stderr)
    child.on('error', reject)
    child.on('close', () => reject(new NotStarted(`${name} ended: ${said.join(' | ')}`)))
  })
  const failure = ended.then(() => {
    throw new EndedByItself(`${name} ended while it was measured: ${said.join(' | ')}`)
  })
  failure.catch(() => {}) // expected at its end, when nobody waits for it any more
  return {
    pid: child.pid!,
    failure,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}
