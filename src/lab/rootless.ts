/**
 * A lab without root: the same program once more, inside a user namespace in which this user is
 * root (user_namespaces(7)), with network and mount namespaces of its own. There everything works
 * but AF_XDP, which asks for capabilities in the machine's first user namespace.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { CommandError, run } from './namespaces.js'
import { labsDirectory } from './state.js'

export const LEFT_OUT_WITHOUT_ROOT =
  'AF_XDP (the kernel offers it to root only, not in a user namespace)'

/** Bits of capabilities(7), linux/capability.h. */
const CAP_NET_ADMIN = 12
const CAP_NET_RAW = 13
const CAP_SYS_ADMIN = 21
const PARENT_POLL_MS = 200

const UNSHARE = ['unshare', '--user', '--map-root-user', '--net', '--mount']

/** Whether this process may make named namespaces, links and packet sockets by itself. */
export function hasRootsRights(): boolean {
  const status = readFileSync('/proc/self/status', 'utf8')
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  const has = (bit: number) => ((effective >> BigInt(bit)) & 1n) === 1n
  return process.getuid!() === 0 && [CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN].every(has)
}

/** null where a user namespace can be had, else exactly why not, and what to do. */
export function whyNotRootless(): string | null {
  const [program, ...args] = [...UNSHARE, 'true']
  let said: string
  try {
    const result = run([program!, ...args])
    if (result.status === 0) return null
    said = result.stderr.trim()
  } catch (error) {
    said = (error as Error).message
  }
  return `${said}${whatForbids()}`
}

/**
 * The switches by which kernels and distributions forbid user namespaces, if one of them is set.
 */
function whatForbids(): string {
  const switches = [
    ['/proc/sys/user/max_user_namespaces', '0', 'sysctl user.max_user_namespaces=10000'],
    [
      '/proc/sys/kernel/unprivileged_userns_clone',
      '0',
      'sysctl kernel.unprivileged_userns_clone=1',
    ],
    [
      '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
      '1',
      'sysctl kernel.apparmor_restrict_unprivileged_userns=0',
    ],
  ] as const
  for (const [file, forbidding, remedy] of switches) {
    try {
      if (readFileSync(file, 'utf8').trim() === forbidding)
        return ` (${file} is ${forbidding}; ${remedy})`
    } catch {
      // This kernel has no such switch.
    }
  }
  return ''
}

/**
 * Runs `node SCRIPT ARGS` in a user namespace with this terminal, `env` beside our environment, and
 * gives its exit status. Ctrl-C reaches both of us; the one inside cleans up, and we only wait.
 */
export function runInUserNamespace(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<number> {
  const [program, ...args] = [...UNSHARE, process.execPath, ...process.execArgv, ...argv]
  const ignore = () => {}
  for (const name of ['SIGINT', 'SIGHUP'] as const) process.on(name, ignore)
  return new Promise((resolve, reject) => {
    const child = spawn(program!, args, {
      stdio: 'inherit',
      env: {
        ...process.env,
        ...env,
        UIPVS_LAB_ROOTLESS: '1',
        // Inside we are user 0, and would look for our labs where root's are.
        UIPVS_LAB_STATE: labsDirectory(),
      },
    })
    process.on('SIGTERM', () => child.kill('SIGTERM'))
    child.on('error', (error) => reject(new CommandError(UNSHARE.join(' '), error.message)))
    child.on('exit', (status, signal) => resolve(status ?? (signal === 'SIGINT' ? 130 : 143)))
  })
}

/** Inside: calls `gone` when the process that has started us has died without telling. */
export function watchParent(gone: () => void): void {
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) gone()
  }, PARENT_POLL_MS).unref()
}
