/**
 * What is known of labs outside of the process that runs them: one directory each, with a file
 * `lab.json` that names its owner, its processes and its namespaces. It is written before anything
 * is made, and removed after everything is gone, so that whoever finds one (`uipvs lab down`, or
 * the next start) can finish what a crash left.
 *
 *   /run/uipvs/lab/uipvs4711/            as root
 *   $XDG_RUNTIME_DIR/uipvs/lab/…         else, or /tmp/uipvs-lab-UID/… where that is not set
 *       lab.json  director.log  rs1.log  control.sock  netns/ (rootless)
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { NamespacePlace } from './namespaces.js'
import { aliveProcess, isAlive, type ProcessRecord } from './processes.js'

export interface LabProcess extends ProcessRecord {
  /** The host it runs in, and what it does there. */
  readonly host: string
  readonly role: string
}

export interface LabState extends NamespacePlace {
  readonly owner: ProcessRecord
  /** Kept labs outlive their owner: nobody but `lab down` may take them away. */
  readonly kept: boolean
  readonly engine: string
  readonly vipOnDirector: boolean
  /** When it was made, ISO 8601. */
  readonly created: string
  readonly processes: readonly LabProcess[]
}

/** The directory under which labs of this user live. Made if it is not there; 0700. */
export function labsDirectory(uid = process.getuid!()): string {
  const given = process.env.UIPVS_LAB_STATE
  if (given !== undefined) return given
  if (uid === 0) return '/run/uipvs/lab'
  const runtime = process.env.XDG_RUNTIME_DIR
  return runtime !== undefined && runtime !== ''
    ? join(runtime, 'uipvs', 'lab')
    : join(tmpdir(), `uipvs-lab-${uid}`)
}

/** Makes the lab's own directory; refuses a parent in /tmp that somebody else has prepared. */
export function makeDirectory(lab: string): string {
  const parent = labsDirectory()
  // Others may have business in /run/uipvs, but none with our labs.
  mkdirSync(dirname(parent), { recursive: true })
  mkdirSync(parent, { recursive: true, mode: 0o700 })
  const { uid } = lstatSync(parent)
  if (uid !== process.getuid!()) {
    throw Object.assign(new Error(`${parent} belongs to user ${uid}, not to us; remove it`), {
      exitCode: 1,
    })
  }
  const directory = join(parent, lab)
  mkdirSync(directory, { mode: 0o700 })
  return directory
}

/** Written to another name first: a reader never sees half of it. */
export function writeState(state: LabState): void {
  const file = join(state.directory, 'lab.json')
  writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`)
  renameSync(`${file}.new`, file)
}

/** Every lab of this user, oldest first; directories without a readable state are left out. */
export function listLabs(): LabState[] {
  let names: string[]
  try {
    names = readdirSync(labsDirectory())
  } catch {
    return []
  }
  const found: LabState[] = []
  for (const name of names) {
    try {
      found.push(JSON.parse(readFileSync(join(labsDirectory(), name, 'lab.json'), 'utf8')))
    } catch {
      // Being made or taken away at this moment.
    }
  }
  return found.sort((a, b) => a.created.localeCompare(b.created))
}

/** Its owner died without cleaning up, and it was not meant to be kept. */
export function isStale(state: LabState): boolean {
  return !state.kept && !isAlive(state.owner)
}

/** Directories in which a lab was never written down: its owner died between the two. */
export function forgetUnwritten(): void {
  let names: string[]
  try {
    names = readdirSync(labsDirectory())
  } catch {
    return
  }
  for (const name of names) {
    const directory = join(labsDirectory(), name)
    const owner = Number(/^uipvs(\d+)/.exec(name)?.[1])
    if (owner > 0 && aliveProcess(owner) === null && !existsSync(join(directory, 'lab.json'))) {
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

export function forgetState(state: NamespacePlace): void {
  rmSync(state.directory, { recursive: true, force: true })
}
