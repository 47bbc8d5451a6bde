/** The recordings of ipvsadm 1.31 in test/fixtures/ipvsadm, and one way to replay a step. */
import { readdirSync, readFileSync } from 'node:fs'
import type { DirectorClient } from '../../../src/cli/ipvsadm/director-client.js'
import type { Names } from '../../../src/cli/ipvsadm/names.js'
import { run } from '../../../src/cli/ipvsadm/run.js'
import { runRestore, runSave } from '../../../src/cli/ipvsadm/wrappers.js'

const FOLDER = 'test/fixtures/ipvsadm'

export interface Answer {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandStep extends Answer {
  readonly argv: readonly string[]
  readonly stdin: string | null
  readonly user?: string
}

export type Step = CommandStep | { readonly traffic: unknown } | { readonly wait: number }

export interface Recording {
  readonly scenario: string
  readonly needs?: readonly string[]
  readonly steps: readonly Step[]
}

export function recordings(): Recording[] {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'))
  return files.map((name) => JSON.parse(readFileSync(`${FOLDER}/${name}`, 'utf8')) as Recording)
}

const PROGRAMS = { ipvsadm: run, 'ipvsadm-save': runSave, 'ipvsadm-restore': runRestore } as const

/**
 * @param argv begins with the program's name, ipvsadm's or ours.
 * @param pieces how the input arrives.
 */
export async function answerOf(
  argv: readonly string[],
  pieces: Iterable<string>,
  director: DirectorClient,
  names: Names,
): Promise<Answer> {
  const program = PROGRAMS[argv[0]!.replace(/.*\/|^u/g, '') as keyof typeof PROGRAMS]
  const said = { stdout: '', stderr: '' }
  const io = {
    out: (text: string) => {
      said.stdout += text
    },
    err: (text: string) => {
      said.stderr += text
    },
  }
  async function* input() {
    yield* pieces
  }
  const status = await program(argv, { input: input(), director, names, io })
  return { status, ...said }
}
