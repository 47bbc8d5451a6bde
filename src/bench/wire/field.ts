/**
 * Where the contestants run: three network namespaces in a row, every frame crossing two veth
 * pairs.
 *
 *   gen                       director                         sink
 *   +-----------+             +----------------------+         +--------------------+
 *   | generator | eth0 --> in | the contestant       | out --> | eth0, all dropped  |
 *   +-----------+             | 10.77.0.1  10.78.0.1 |         | all realservers    |
 *                             +----------------------+         +--------------------+
 *
 * The sink's interface counts what arrives; an nftables chain at its ingress then drops it, before
 * the sink's IP stack would spend time on it. The realservers of the rules are addresses of the
 * sink: it answers ARP for them.
 *
 * Offloads of the director's interfaces are off, for all contestants: libpcap's ring would hold 512
 * frames instead of 20,000 otherwise (`src/port/libpcap-arm.ts`), and frames of this size gain
 * nothing by them.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import {
  addNamespace,
  CommandError,
  enter,
  type NamespacePlace,
  namespacePath,
  removeNamespaces,
  run,
  runLines,
} from '../../lab/namespaces.js'
import { aliveProcess } from '../../lab/processes.js'
import { setOffload } from '../../native/ethtool.js'
import { insideNamespace } from '../../native/namespace.js'
import { makeDirectory, removeDirectory } from '../directory.js'
import type { WireRules } from './rules.js'

export const HOSTS = ['gen', 'director', 'sink'] as const
export type FieldHost = (typeof HOSTS)[number]

/** A process with its three streams. */
export type Child = ChildProcessByStdio<Writable, Readable, Readable>

/** What an interface counted: `/proc/net/dev`. */
export interface InterfaceCounters {
  readonly received: number
  readonly sent: number
  /** Frames that found the receiving kernel's queue full, for veth. */
  readonly sendDropped: number
}

const MACS: Readonly<Record<string, string>> = {
  'gen:eth0': '02:00:00:00:01:00',
  'director:in': '02:00:00:00:02:00',
  'director:out': '02:00:00:00:02:01',
  'sink:eth0': '02:00:00:00:03:01',
}
/** Names of our namespaces: process id and host. */
const NAME = /^uipvs-bench-(\d+)-(\w+)$/

/** What a shell in a namespace runs first: silence, but for what the benchmark sends. */
const QUIET = [
  'sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1',
  'ip link set lo up',
]

export class Field {
  /** For files of everybody who runs here; gone with the field. */
  readonly directory: string
  readonly #place: NamespacePlace
  #isOpen = true

  /**
   * With `isLive` frames come without a buffer of the kernel's (ndo_xdp_xmit), which the end of a
   * veth pair takes if it has a NAPI context: XDP, or GRO, which is switched on there for all.
   *
   * Makes the namespaces; they go with `close`, and at the latest when this process exits.
   */
  constructor(rules: WireRules, isLive: boolean) {
    removeStaleFields()
    this.directory = makeDirectory()
    const lab = `uipvs-bench-${process.pid}`
    this.#place = { lab, rootless: false, directory: this.directory }
    process.on('exit', this.#atExit)
    try {
      this.#make(rules, isLive)
    } catch (error) {
      this.close()
      throw error
    }
  }

  readonly #atExit = (): void => this.close()

  #make({ realservers }: WireRules, isLive: boolean): void {
    for (const host of HOSTS) addNamespace(this.#place, host)
    for (const host of HOSTS) this.run(host, QUIET)
    this.#connect('gen:eth0', 'director:in')
    this.#connect('director:out', 'sink:eth0')
    this.run('director', [
      'sysctl -qw net.ipv4.ip_forward=0',
      'sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.in.rp_filter=0',
      'sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.in.send_redirects=0',
      'ip addr add 10.77.0.1/24 dev in',
      'ip addr add 10.78.0.1/24 dev out',
    ])
    this.inside('director', () => {
      for (const name of ['in', 'out']) {
        for (const offload of ['gro', 'gso', 'tso'] as const) setOffload(name, offload, false)
      }
      if (isLive) setOffload('in', 'gro', true)
    })
    this.run('sink', ['ip addr add 10.78.0.254/24 dev eth0'])
    // All realservers are the sink, and one hop away.
    const batch = (what: string) => realservers.map((address) => what.replace('@', address))
    this.ip('sink', batch('addr add @/32 dev eth0'))
    this.ip('director', batch('route add @/32 dev out'))
    this.dropAtIngress('sink', 'eth0')
  }

  #connect(one: string, other: string): void {
    const [[host, device], [otherHost, otherDevice]] = [one.split(':'), other.split(':')]
    const there = namespacePath(this.#place, otherHost)
    const end = `${otherDevice} address ${this.macOf(other)} netns ${there}`
    this.run(host as FieldHost, [
      `ip link add ${device} address ${this.macOf(one)} type veth peer name ${end}`,
      `ip link set ${device} up`,
    ])
    this.run(otherHost as FieldHost, [`ip link set ${otherDevice} up`])
  }

  /** The MAC address of `host:interface`. */
  macOf(end: string): string {
    return MACS[end]
  }

  /** Runs shell lines in a host, which must not fail. */
  run(host: FieldHost, lines: readonly string[]): void {
    runLines(this.#place, host, lines)
  }

  /** Words before a command that run it in a host. */
  enter(host: FieldHost): string[] {
    return enter(this.#place, host)
  }

  /** Runs a command in a host, which must not fail; what it printed. */
  output(host: FieldHost, command: readonly string[], input = ''): string {
    const { status, stdout, stderr } = run([...enter(this.#place, host), ...command], input)
    if (status !== 0) throw new CommandError(`${command.join(' ')} (in ${host})`, stderr)
    return stdout
  }

  /** Commands of ip(8), of which there may be thousands. */
  ip(host: FieldHost, commands: readonly string[]): void {
    this.output(host, ['ip', '-batch', '-'], commands.map((each) => `${each}\n`).join(''))
  }

  /** Starts a program in a host, out of reach of the terminal's Ctrl-C. */
  spawn(host: FieldHost, words: readonly string[]): Child {
    const [program, ...args] = [...enter(this.#place, host), ...words]
    return spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
  }

  /** Runs `body`, which must be synchronous, with this thread in the host's namespace. */
  inside<T>(host: FieldHost, body: () => T): T {
    return insideNamespace(namespacePath(this.#place, host), body)
  }

  /**
   * IPv4 ends here, as early as nftables can: after packet sockets, before the IP stack. By the
   * protocol alone, the cheapest match there is, for this is paid for every frame of everybody.
   */
  dropAtIngress(host: FieldHost, device: string): void {
    const chain = `type filter hook ingress device "${device}" priority 0;`
    this.run(host, [`nft 'table netdev wire { chain c { ${chain} meta protocol ip drop; }; }'`])
  }

  /**
   * IPv4 goes on to packet sockets for IPv4, and ends before the IP stack looks for a route: a host
   * without the address would make and destroy one for each frame, on the contestant's processor.
   */
  dropBeforeRouting(host: FieldHost): void {
    const chain = 'type filter hook prerouting priority raw;'
    this.run(host, [`nft 'table ip wire { chain c { ${chain} drop; }; }'`])
  }

  /** Ends what those two began there. */
  stopDropping(host: FieldHost): void {
    this.run(host, ['nft flush ruleset'])
  }

  /** Read within microseconds and without a process of its own. */
  counters(host: FieldHost, device: string): InterfaceCounters {
    const text = this.inside(host, () => readFileSync('/proc/thread-self/net/dev', 'utf8'))
    const line = text.split('\n').find((each) => each.trim().startsWith(`${device}:`))
    if (line === undefined) throw new Error(`${host} has no interface ${device}`)
    // Behind the name: 8 columns of what was received, 8 of what was sent.
    const columns = line
      .slice(line.indexOf(':') + 1)
      .trim()
      .split(/\s+/)
      .map(Number)
    return { received: columns[1], sent: columns[9], sendDropped: columns[11] }
  }

  /** Everything gone: processes, namespaces with all that is attached to them, files. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    process.off('exit', this.#atExit)
    removeNamespaces(this.#place, HOSTS)
    removeDirectory(this.directory)
  }
}

/** Fields whose benchmark was killed before it could take them away. */
function removeStaleFields(): void {
  let names: string[] = []
  try {
    names = readdirSync('/run/netns')
  } catch {
    return // nobody has made a namespace yet
  }
  for (const name of names) {
    const [, owner, host] = NAME.exec(name) ?? []
    if (owner === undefined || aliveProcess(Number(owner)) !== null) continue
    removeNamespaces({ lab: `uipvs-bench-${owner}`, rootless: false, directory: '' }, [host])
  }
}
