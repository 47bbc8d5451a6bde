/**
 * Network namespaces of one lab: made, entered, and taken away again with everything that runs in
 * them. All calls are synchronous, so that the same code can clean up in a signal handler and in
 * `process.on('exit')`.
 *
 * With root's rights the namespaces are those of `ip netns` (files in /run/netns), which people can
 * enter with the commands they know. Without, the same files lie in the lab's own directory, bound
 * inside a private mount namespace (see `rootless.ts`): `ip` takes a path wherever it takes a name.
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { aliveProcess, killAll, type ProcessRecord } from './processes.js'

const NETNS_DIRECTORY = '/run/netns'

/** The machine said no to something that the lab needs. The message is all there is to say. */
export class LabError extends Error {
  override readonly name = 'LabError'
  readonly code = 'LAB'
}

/** A command of the system said no. Carries what was run, and what it said. */
export class CommandError extends LabError {
  constructor(what: string, said: string) {
    super(`${what} failed: ${said.trim() || 'no reason given'}`)
  }
}

export interface CommandResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export function run(command: readonly string[], input?: string): CommandResult {
  const [program, ...args] = command
  const done = spawnSync(program!, args, { encoding: 'utf8', input, maxBuffer: 64 << 20 })
  if (done.error !== undefined) {
    const missing = (done.error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new CommandError(
      command.join(' '),
      missing ? `${program} is not installed` : done.error.message,
    )
  }
  return { status: done.status ?? 128, stdout: done.stdout, stderr: done.stderr }
}

function mustRun(command: readonly string[], input?: string): string {
  const result = run(command, input)
  if (result.status !== 0) throw new CommandError(command.join(' '), result.stderr)
  return result.stdout
}

/** Where the namespaces of a lab are: `named` ones of `ip netns`, or files in `directory`. */
export interface NamespacePlace {
  readonly lab: string
  readonly rootless: boolean
  /** The lab's own directory (state, logs, sockets). */
  readonly directory: string
}

/** The name that `ip netns list` shows: lab and host. */
export function namespaceName(place: NamespacePlace, host: string): string {
  return `${place.lab}-${host}`
}

/** The file that stands for the namespace: what nsenter and `ip -n` take. */
export function namespacePath(place: NamespacePlace, host: string): string {
  return place.rootless
    ? join(place.directory, 'netns', host)
    : join(NETNS_DIRECTORY, namespaceName(place, host))
}

export function addNamespace(place: NamespacePlace, host: string): void {
  if (!place.rootless) {
    mustRun(['ip', 'netns', 'add', namespaceName(place, host)])
    return
  }
  const path = namespacePath(place, host)
  mkdirSync(join(place.directory, 'netns'), { recursive: true })
  writeFileSync(path, '')
  mustRun(['unshare', `--net=${path}`, 'true'])
}

/**
 * The words before a command that make it run inside a namespace. /sys is mounted anew, because
 * /sys/class/net shows the interfaces of the namespace in which it was mounted, not of its reader.
 * The process id stays the same all the way: each of these programs replaces itself with the next.
 */
export function enter(place: NamespacePlace, host: string): string[] {
  return [
    'nsenter',
    `--net=${namespacePath(place, host)}`,
    'unshare',
    '--mount',
    'sh',
    '-c',
    'mount -t sysfs none /sys 2>/dev/null; exec "$@"',
    'sh',
  ]
}

/** Runs shell lines in a namespace and stops at the first that fails, saying which. */
export function runLines(place: NamespacePlace, host: string, lines: readonly string[]): void {
  // The number of the line at which the shell ended is the last thing it prints.
  const script = ['set -e', ...lines.flatMap((line, i) => [`at=${i}`, line]), 'at=-1'].join('\n')
  const result = run([
    'nsenter',
    `--net=${namespacePath(place, host)}`,
    'sh',
    '-c',
    `trap 'echo "$at"' EXIT\n${script}`,
  ])
  const at = Number(result.stdout.trim().split('\n').at(-1))
  if (result.status !== 0 || at !== -1) {
    throw new CommandError(`${lines[at] ?? 'sh'} (in ${host})`, result.stderr)
  }
}

/** Processes whose network namespace is this one. */
export function processesIn(path: string): ProcessRecord[] {
  let inode: number
  try {
    inode = statSync(path).ino
  } catch {
    return []
  }
  const found: ProcessRecord[] = []
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      if (readlinkSync(`/proc/${entry}/ns/net`) !== `net:[${inode}]`) continue
    } catch {
      continue // gone meanwhile, or not ours to see
    }
    const record = aliveProcess(Number(entry))
    if (record !== null) found.push(record)
  }
  return found
}

/**
 * Ends every process in the namespaces, then removes them. Says nothing of what is gone already.
 */
export function removeNamespaces(place: NamespacePlace, hosts: readonly string[]): void {
  const present = hosts.filter((host) => existsSync(namespacePath(place, host)))
  // Before it was mounted over, the file of a rootless namespace is an ordinary one, whose inode
  // number belongs to no namespace: nobody is found then.
  killAll(present.flatMap((host) => processesIn(namespacePath(place, host))))
  for (const host of present) {
    const path = namespacePath(place, host)
    if (place.rootless) {
      run(['umount', path])
      rmSync(path, { force: true })
    } else {
      run(['ip', 'netns', 'del', namespaceName(place, host)])
      // Without a mount on it the name is an empty file, which `ip` refuses to delete.
      rmSync(path, { force: true })
    }
  }
}
