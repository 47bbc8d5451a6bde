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
import { LabError, type NamespacePlace } from './namespaces.js'
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

/**
 * The directory under which labs of this user live. In /tmp, where everybody may make it, it is
 * made here, 0700, and refused if somebody else was quicker: what is read there is removed.
 */
export function labsDirectory(uid = process.getuid!()): string {
  const given = process.env.UIPVS_LAB_STATE
  if (given !== undefined) return given
  if (uid === 0) return '/run/uipvs/lab'
  const runtime = process.env.XDG_RUNTIME_DIR
  if (runtime !== undefined && runtime !== '') return join(runtime, 'uipvs', 'lab')
  return makeOurs(join(tmpdir(), `uipvs-lab-${uid}`), uid)
}

function makeOurs(directory: string, uid: number): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const found = lstatSync(directory)
  if (found.isDirectory() && found.uid === uid) return directory
  throw new LabError(
    `labs can't be kept where user ${found.uid} has put something (${directory}); ` +
      'have it removed, or set UIPVS_LAB_STATE to a directory of your own',
  )
}

/** Makes the lab's own directory. */
export function makeDirectory(lab: string): string {
  const parent = labsDirectory()
  // Others may have business in /run/uipvs, but none with our labs.
  mkdirSync(dirname(parent), { recursive: true })
  makeOurs(parent, process.getuid!())
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
  const parent = labsDirectory()
  const found: LabState[] = []
  for (const name of namesIn(parent)) {
    const directory = join(parent, name)
    try {
      // Where it is and not where it says it is: that directory will be removed.
      found.push({ ...JSON.parse(readFileSync(join(directory, 'lab.json'), 'utf8')), directory })
    } catch {
      // Being made or taken away at this moment.
    }
  }
  return found.sort((a, b) => a.created.localeCompare(b.created))
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

/** Its owner died without cleaning up, and it was not meant to be kept. */
export function isStale(state: LabState): boolean {
  return !state.kept && !isAlive(state.owner)
}

/** Directories in which a lab was never written down: its owner died between the two. */
export function forgetUnwritten(): void {
  const parent = labsDirectory()
  for (const name of namesIn(parent)) {
    const directory = join(parent, name)
    const owner = Number(/^uipvs(\d+)/.exec(name)?.[1])
    if (owner > 0 && aliveProcess(owner) === null && !existsSync(join(directory, 'lab.json'))) {
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

export function forgetState(state: NamespacePlace): void {
  rmSync(state.directory, { recursive: true, force: true })
}
