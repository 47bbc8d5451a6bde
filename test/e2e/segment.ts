/**
 * The article's segment for end-to-end tests, in namespaces of the test's own, with the real
 * programs: a client, a director and realservers on one bridge.
 *
 *     const segment = await makeSegment(t, { realservers: 2 })
 *     if (segment === undefined) return            // no namespaces here: the test was skipped
 *     await segment.startDirector()
 *     await segment.adm(...rulesFor(segment, 'tcp', BANNER))
 *     const answers = await segment.client('banners', { address: VIP, port: BANNER, ... })
 *
 *   client .254     director .1     rs1 .2  rs2 .3 ...      192.168.1.0/24, 2001:db8:1::/64
 *      |               |              |       |             VIP  192.168.1.110, 2001:db8:1::110
 *      +-------[ bridge in `switch` ]-+-------+
 *
 * Everything is gone at the end of the test, also when it fails: namespaces and what runs in them,
 * and the directory with the control socket.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { ControlClient } from '../../src/control/client.js'
import type { EngineName, NeighbourReport } from '../../src/daemon/messages.js'
import { loadCap } from '../../src/port/libpcap-arm.js'
import { type Lab, makeNamespaces } from '../namespaces.js'
import { RawPeer } from '../port/raw-peer.js'
import { xdpMissing } from '../port/wire.js'
import type { Answer, Tasks } from './client-program.js'

export const VIP = '192.168.1.110'
export const VIP6 = '2001:db8:1::110'
export const CLIENT = '192.168.1.254'
export const CLIENT6 = '2001:db8:1::254'
export const DIRECTOR = '192.168.1.1'
export const UIPVS = new URL('../../src/cli/uipvs.js', import.meta.url).pathname
const UIPVSADM = new URL('../../src/cli/uipvsadm.js', import.meta.url).pathname
const CLIENT_PROGRAM = new URL('./client-program.js', import.meta.url).pathname
const SERVER_PROGRAM = new URL('./realserver-program.js', import.meta.url).pathname

/** The article's four lines: a realserver keeps silent about the VIP on its `lo`. */
const SILENCE = ['lo', 'all'].flatMap((name) => [
  `echo 1 > /proc/sys/net/ipv4/conf/${name}/arp_ignore`,
  `echo 2 > /proc/sys/net/ipv4/conf/${name}/arp_announce`,
])

export interface SegmentOptions {
  readonly realservers?: number
  /** The VIPs are addresses of the director's kernel as well, as in the article. */
  readonly vipOnDirector?: boolean
  /**
   * The realservers have a segment of their own, 192.168.2.0/24 and 2001:db8:2::/64 (bridge in
   * `backstage`): the director has an arm in each, `eth0` and `eth1`, and a router joins the two,
   * through which the realservers answer.
   */
  readonly isTwoArmed?: boolean
  /** Queues of the director's `eth0`. Its sender, a bridge, chooses one by addresses and ports. */
  readonly queues?: number
}

/** A director that begins, runs, or ran. */
export interface Launched {
  readonly process: ChildProcess
  readonly pid: number
  /** After how many ms it said that it is ready; null if it ended without. */
  readonly ready: Promise<number | null>
  /** All that it said so far. */
  said(): string
  /** Its exit status, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

export interface Director extends Launched {
  readonly readyMs: number
}

export interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Why an engine can't be tested here, or false. */
export function engineMissing(engine: EngineName): string | false {
  if (engine === 'af_packet') return false
  if (engine === 'af_xdp') return xdpMissing()
  try {
    loadCap()
    return false
  } catch (error) {
    return (error as Error).message
  }
}

/** Waits until `condition` holds; a minute without that is a failure that says what was awaited. */
export async function until<T>(what: string, condition: () => T | Promise<T>): Promise<T> {
  const deadline = Date.now() + 60_000
  for (;;) {
    const value = await condition()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`waited a minute for this: ${what}`)
    await sleep(20)
  }
}

/** How many answers each server gave; errors count under their codes. */
export function tally(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { text, error } of answers) {
    const who = text ?? error ?? ''
    counts[who] = (counts[who] ?? 0) + 1
  }
  return counts
}

type Outcome<K extends keyof Tasks> = Awaited<ReturnType<Tasks[K]>>

export class Segment {
  readonly lab: Lab
  readonly directory: string
  /** Names of the realservers, in the order of their addresses. */
  readonly realservers: readonly string[]
  readonly control: ControlClient
  readonly #options: SegmentOptions
  #channel: ChildProcess | undefined
  #lastTask = 0

  constructor(t: Test, lab: Lab, options: SegmentOptions) {
    this.lab = lab
    this.#options = options
    this.realservers = namesOf(options)
    this.directory = mkdtempSync(join(tmpdir(), 'uipvs-e2e-'))
    this.control = new ControlClient(join(this.directory, 'control.sock'))
    t.teardown(() => {
      this.control.close()
      rmSync(this.directory, { recursive: true, force: true })
    })
  }

  /** Address of realserver `n`, the first being 1. */
  rip(n: number): string {
    return `192.168.${this.#options.isTwoArmed ? 2 : 1}.${1 + n}`
  }

  rip6(n: number): string {
    return `2001:db8:${this.#options.isTwoArmed ? 2 : 1}::${1 + n}`
  }

  /** Bridges and addresses. */
  wire(): void {
    const { vipOnDirector, isTwoArmed } = this.#options
    for (const bridge of isTwoArmed ? ['switch', 'backstage'] : ['switch']) {
      const ports = linksOf(this.#options).flatMap(([end]) =>
        end.startsWith(`${bridge}:`) ? [end.slice(bridge.length + 1)] : [],
      )
      this.inShell(bridge, [
        'sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1',
        // Where br_netfilter is loaded (by docker, say), a bridge drops IP packets that it finds
        // wrong.
        'for call in /proc/sys/net/bridge/bridge-nf-call-*; do test ! -e $call || echo 0 > $call; done',
        'ip link add segment type bridge forward_delay 0 mcast_snooping 0',
        'ip link set segment up',
        ...ports.map((name) => `ip link set ${name} master segment`),
      ])
    }
    const own = (last: number, net = 1, device = 'eth0') => [
      `ip addr add 192.168.${net}.${last}/24 dev ${device}`,
      `ip addr add 2001:db8:${net}::${last}/64 dev ${device} nodad`,
    ]
    const vips = (device: string) => [
      `ip addr add ${VIP}/32 dev ${device}`,
      `ip addr add ${VIP6}/128 dev ${device} nodad`,
    ]
    this.inShell('client', own(254))
    this.inShell('director', [
      ...own(1),
      ...(isTwoArmed ? own(1, 2, 'eth1') : []),
      // A director that routes is where the kernel would send each packet a second time.
      'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1',
      ...(vipOnDirector ? vips('eth0') : []),
    ])
    for (const [i, name] of this.realservers.entries()) {
      this.inShell(name, [
        ...SILENCE,
        ...own(2 + i, isTwoArmed ? 2 : 1),
        ...vips('lo'),
        ...(isTwoArmed
          ? ['ip route add default via 192.168.2.253', 'ip route add default via 2001:db8:2::253']
          : []),
      ])
    }
    if (isTwoArmed) {
      this.inShell('router', [
        'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1',
        // The VIP as a source comes from where the realservers are, and not from where it is.
        'sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0',
        ...own(253),
        ...own(253, 2, 'eth1'),
      ])
    }
  }

  inShell(host: string, lines: readonly string[]): string {
    return this.lab.run(host, ['set -e', ...lines].join('; '))
  }

  /** Starts the servers of a host (by default the realservers, each under its own name). */
  async serve(hosts: readonly string[] = this.realservers, addresses = [VIP, VIP6]): Promise<void> {
    await Promise.all(
      hosts.map(async (name) => {
        const server = this.lab.spawn(name, 'node', [SERVER_PROGRAM, name, ...addresses], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        await once(server.stdout!, 'data')
      }),
    )
  }

  /** Has the client do something. One process does it all, and tasks may overlap. */
  async client<K extends keyof Tasks>(name: K, task: Parameters<Tasks[K]>[0]): Promise<Outcome<K>> {
    if (this.#channel === undefined) {
      this.#channel = this.lab.spawn('client', 'node', [CLIENT_PROGRAM], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      })
      this.#channel.setMaxListeners(0)
      await once(this.#channel, 'message')
    }
    const channel = this.#channel
    const id = ++this.#lastTask
    return await new Promise<Outcome<K>>((resolve, reject) => {
      const listen = (answer: { id: number; result: Outcome<K>; error?: string }) => {
        if (answer.id !== id) return
        channel.off('message', listen)
        if (answer.error === undefined) resolve(answer.result)
        else reject(new Error(`${name}: ${answer.error}`))
      }
      channel.on('message', listen as never)
      channel.send({ id, name, task })
    })
  }

  /** One connection to the banner service, or to another that sends a line first. */
  async ask(address = VIP, port = 80): Promise<Answer> {
    const [answer] = await this.client('banners', { address, port, count: 1, parallel: 1 })
    return answer
  }

  /** Runs `uipvs run` and waits until it is ready; throws what it said if it ends instead. */
  async startDirector(options: readonly string[] = ['-i', 'eth0']): Promise<Director> {
    const director = this.launchDirector(options)
    const readyMs = await director.ready
    if (readyMs === null) {
      throw new Error(`the director ended with ${await director.ended}: ${director.said()}`)
    }
    return { ...director, readyMs }
  }

  /** Runs `uipvs run`, by another program if one is given. */
  launchDirector(
    options: readonly string[] = ['-i', 'eth0'],
    wrapper: readonly string[] = [],
  ): Launched {
    const began = performance.now()
    const run = [UIPVS, 'run', '--control', this.control.path, ...options]
    const [file, ...args] = [...wrapper, process.execPath, ...run]
    const child = this.lab.spawn('director', file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text) => {
        said += text
      })
    }
    const ended = once(child, 'close').then(([code, signal]) => code ?? signal)
    const ready = new Promise<number | null>((resolve) => {
      child.stderr!.on('data', () => {
        if (said.includes('uipvs: ready: ')) resolve(Math.round(performance.now() - began))
      })
      void ended.then(() => resolve(null))
    })
    return { process: child, pid: child.pid!, ready, said: () => said, ended }
  }

  /** Runs `uipvs run`, or another program, to its end. */
  async runToEnd(options: readonly string[], wrapper: readonly string[] = []): Promise<Ended> {
    const [file, ...args] = [...wrapper, process.execPath, UIPVS, 'run', ...options]
    return await collect(this.lab.spawn('director', file, args, { stdio: 'pipe' }))
  }

  /** Rules, one a line, in one call of uipvsadm. Throws when they are refused. */
  async rules(lines: readonly string[]): Promise<void> {
    await this.adm(['-R'], `${lines.join('\n')}\n`)
  }

  /** uipvsadm with these arguments; what it printed. Throws when it fails. */
  async adm(args: readonly string[], input = '', program = UIPVSADM): Promise<string> {
    const env = { ...process.env, UIPVS_CONTROL: this.control.path }
    const child = spawn(process.execPath, [program, ...args], { env, stdio: 'pipe' })
    child.stdin.end(input)
    const { status, stdout, stderr } = await collect(child)
    if (status !== 0) throw new Error(`uipvsadm ${args.join(' ')}: status ${status}: ${stderr}`)
    return stdout
  }

  /** Adds a service with all realservers (or those given by number) to both families. */
  async addService(
    protocol: 'tcp' | 'udp',
    port: number,
    { scheduler = 'rr', numbers = this.realservers.map((_, i) => i + 1) } = {},
  ): Promise<void> {
    const flag = protocol === 'tcp' ? '-t' : '-u'
    await this.rules([
      `-A ${flag} ${VIP}:${port} -s ${scheduler}`,
      ...numbers.map((n) => `-a ${flag} ${VIP}:${port} -r ${this.rip(n)} -g -w 1`),
      `-A ${flag} [${VIP6}]:${port} -s ${scheduler}`,
      ...numbers.map((n) => `-a ${flag} [${VIP6}]:${port} -r [${this.rip6(n)}]:${port} -g -w 1`),
    ])
  }

  /** A packet socket in `host` that keeps what arrives at an interface of it. */
  tap(t: Test, host: string, interfaceName = 'eth0'): RawPeer {
    const peer = this.lab.inside(host, () => new RawPeer(interfaceName))
    t.teardown(() => peer.close())
    return peer
  }

  /** What a host sends, seen at the other end of its wire. */
  tapSender(t: Test, host: string): RawPeer {
    return this.tap(t, 'switch', host)
  }

  /** What the director knows of its neighbours. */
  async neighbours(): Promise<NeighbourReport[]> {
    const options = { socketPath: this.control.path, path: '/v1/neighbours' }
    const [response] = await once(get(options), 'response')
    let text = ''
    for await (const piece of response) text += piece
    return JSON.parse(text).neighbours
  }

  async counters(): Promise<Counters> {
    return (await this.control.counters()) as Counters
  }

  nftRuleset(): string {
    return this.lab.run('director', 'nft list ruleset').trim()
  }
}

export interface Counters {
  readonly verdicts: Record<string, number>
  readonly engine: Record<string, number>
}

async function collect(child: ChildProcess): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  child.stdout!.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr!.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  const [code, signal] = await once(child, 'close')
  return { status: code ?? signal, stdout, stderr }
}

function namesOf({ realservers = 2 }: SegmentOptions): string[] {
  return Array.from({ length: realservers }, (_, i) => `rs${i + 1}`)
}

/** Each wire from the port of a bridge, named for its host, to that host. */
function linksOf(options: SegmentOptions): [string, string][] {
  const names = namesOf(options)
  const both = (host: string): [string, string][] => [
    [`switch:${host}`, `${host}:eth0`],
    [`backstage:${host}`, `${host}:eth1`],
  ]
  if (options.isTwoArmed) {
    const behind = names.map((name): [string, string] => [`backstage:${name}`, `${name}:eth0`])
    return [['switch:client', 'client:eth0'], ...both('director'), ...both('router'), ...behind]
  }
  return ['client', 'director', ...names].map((name) => [`switch:${name}`, `${name}:eth0`])
}

/** The segment with its servers running, or undefined where namespaces can't be made. */
export async function makeSegment(
  t: Test,
  options: SegmentOptions = {},
): Promise<Segment | undefined> {
  const more = options.isTwoArmed ? ['backstage', 'router'] : []
  const lab = makeNamespaces(t, {
    hosts: ['switch', 'client', 'director', ...more, ...namesOf(options)],
    links: linksOf(options),
    queues: { 'director:eth0': options.queues ?? 1 },
  })
  if (lab === undefined) return undefined
  const segment = new Segment(t, lab, options)
  segment.wire()
  await segment.serve()
  return segment
}
