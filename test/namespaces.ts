/**
 * Network namespaces for tests, joined by veth pairs, gone at the end of the test whatever happens.
 *
 *     const lab = makeNamespaces(t, {
 *       hosts: ['client', 'director'],
 *       links: [['client:eth0', 'director:eth0']],
 *     })
 *     if (lab === undefined) return            // no root: the test has been skipped, saying why
 *     lab.run('client', 'ip addr add 192.0.2.1/24 dev eth0')
 *     const port = lab.inside('director', () => openAfPacket({ interfaces: ['eth0'] }))
 *     const server = lab.spawn('client', 'node', ['server.js'])
 *
 * Every namespace's name holds our process id and a counter, so that test files can run at the same
 * time. Interfaces are up (`lo` too), IPv6 duplicate address detection is off, and no address is
 * assigned but the link-local ones (`ipv6: false` switches IPv6 off: nobody speaks unasked).
 * MAC addresses are 02:00:00:00:HH:LL, host and link counted from 1: see `macOf`.
 */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { insideNamespace } from '../src/native/namespace.js'

export interface LabPlan {
  readonly hosts: readonly string[]
  /** Pairs of `host:interface`. */
  readonly links: readonly (readonly [string, string])[]
  /** How many queues links have, by one of their ends; 1 where it is not said. */
  readonly queues?: Readonly<Record<string, number>>
  /** False: no IPv6 on any interface, hence no neighbour discovery that a test didn't ask for. */
  readonly ipv6?: boolean
}

/** What we need of a tap test. */
export interface TestLike {
  teardown(callback: () => unknown): void
  plan(count: number, comment?: string): void
}

export interface Lab {
  /** The system's name of a host's namespace, for `ip netns exec`. */
  name(host: string): string
  /** The MAC address of `host:interface`. */
  macOf(end: string): string
  /** Runs commands, one a line, in a host; returns what the last one printed; throws on failure. */
  run(host: string, commands: string): string
  /** As `run`, and returns undefined instead of throwing. */
  attempt(host: string, commands: string): string | undefined
  /** Starts a program in a host. It is killed at the end of the test. */
  spawn(host: string, file: string, args: readonly string[], options?: SpawnOptions): ChildProcess
  /**
   * Runs `body` with this thread in the host's namespace. Sockets made there stay there. It must be
   * synchronous: the thread goes back when it returns.
   */
  inside<T>(host: string, body: () => T): T
  /** Removes everything now; the teardown of the test does it otherwise. */
  close(): void
}

let labs = 0

/** Makes the namespaces, or skips the test and returns undefined where that is not allowed. */
export function makeNamespaces(t: TestLike, plan: LabPlan): Lab | undefined {
  const prefix = `uipvs-${process.pid}-${labs++}`
  const names = new Map(plan.hosts.map((host) => [host, `${prefix}-${host}`]))
  const macs = new Map<string, string>()
  const children: ChildProcess[] = []
  let isOpen = true

  const nameOf = (host: string): string => {
    const name = names.get(host)
    if (name === undefined) throw new Error(`the lab has no host ${host}`)
    return name
  }
  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    process.off('exit', close)
    for (const child of children) if (child.exitCode === null) child.kill('SIGKILL')
    for (const name of names.values()) quietly('ip', ['netns', 'del', name])
  }
  // Also when a test calls process.exit or dies of an exception before its teardown.
  process.on('exit', close)
  t.teardown(close)

  const run = (host: string, commands: string): string => {
    let output = ''
    for (const line of commands.split('\n')) {
      const words = line.trim()
      if (words === '') continue
      output = tool('ip', ['netns', 'exec', nameOf(host), 'sh', '-c', words])
    }
    return output
  }

  try {
    for (const name of names.values()) tool('ip', ['netns', 'add', name])
  } catch (error) {
    close()
    const reason = `network namespaces can't be made here: ${(error as Error).message.split('\n')[0]}`
    // A plan of no tests is tap's way of skipping from within.
    t.plan(0, reason)
    return undefined
  }
  for (const [host] of names) {
    if (plan.ipv6 === false) {
      run(host, 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1')
    } else run(host, 'sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0')
    run(host, 'ip link set lo up')
  }
  plan.links.forEach((ends, link) => {
    const words: string[] = ['link', 'add']
    for (const [i, end] of ends.entries()) {
      const [host, device] = end.split(':')
      const byte = (n: number): string => (n + 1).toString(16).padStart(2, '0')
      const mac = `02:00:00:00:${byte(plan.hosts.indexOf(host))}:${byte(link)}`
      macs.set(end, mac)
      if (i === 1) words.push('type', 'veth', 'peer')
      words.push('name', device, 'address', mac, 'netns', nameOf(host))
      const queues = String(plan.queues?.[ends[0]] ?? plan.queues?.[ends[1]] ?? 1)
      if (queues !== '1') words.push('numtxqueues', queues, 'numrxqueues', queues)
    }
    tool('ip', words)
    for (const end of ends) {
      const [host, device] = end.split(':')
      run(host, `ip link set ${device} up`)
    }
  })

  return {
    name: nameOf,
    macOf(end) {
      const mac = macs.get(end)
      if (mac === undefined) throw new Error(`the lab has no interface ${end}`)
      return mac
    },
    run,
    attempt(host, commands) {
      try {
        return run(host, commands)
      } catch {
        return undefined
      }
    },
    spawn(host, file, args, options = {}) {
      const words = ['netns', 'exec', nameOf(host), file === 'node' ? process.execPath : file]
      const child = spawn('ip', [...words, ...args], { env: toolEnvironment(), ...options })
      children.push(child)
      return child
    },
    inside(host, body) {
      return insideNamespace(`/run/netns/${nameOf(host)}`, body)
    },
    close,
  }
}

function toolEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` }
}

function tool(file: string, args: readonly string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', stdio: 'pipe', env: toolEnvironment() })
}

function quietly(file: string, args: readonly string[]): void {
  try {
    tool(file, args)
  } catch {
    // It is gone already, which is what was wanted.
  }
}

/** A MAC address as the two numbers that `Arm` and the codecs use. */
export function macWords(mac: string): [high: number, low: number] {
  const bytes = mac.split(':').map((part) => Number.parseInt(part, 16))
  return [
    (bytes[0] << 8) | bytes[1],
    (bytes[2] << 24) | (bytes[3] << 16) | (bytes[4] << 8) | bytes[5],
  ]
}
