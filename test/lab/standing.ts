/** For tests that need a lab: one that stands for the test's length, or a reason to skip. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { Test } from 'tap'
import { Lab, type LabOptions } from '../../src/lab/lab.js'
import { hasRootsRights } from '../../src/lab/rootless.js'

export const needsRoot = hasRootsRights()
  ? false
  : 'named network namespaces need root (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_NET_RAW)'

export function standingLab(t: Test, options: LabOptions = {}): Lab {
  const lab = Lab.up(options)
  t.teardown(() => lab.down())
  return lab
}

/** What is left on this machine of the lab called `name`: nothing, if it was taken away well. */
export function remainsOf(name: string, directory: string): string[] {
  const namespaces = existsSync('/run/netns')
    ? readdirSync('/run/netns').filter((entry) => entry.startsWith(`${name}-`))
    : []
  const links = spawnSync('ip', ['-o', 'link'], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter((line) => line.includes(name))
  const processes = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => commandLine(pid).includes(`/${name}/`) || logsInto(pid, directory))
    .map((pid) => `${pid}: ${commandLine(pid)}`)
  return [...namespaces, ...links, ...processes, ...(existsSync(directory) ? [directory] : [])]
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return '' // gone meanwhile
  }
}

/** Every program of a lab has its standard output in the lab's directory. */
function logsInto(pid: string, directory: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/fd/1`).startsWith(directory)
  } catch {
    return false
  }
}
