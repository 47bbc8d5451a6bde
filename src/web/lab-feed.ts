/**
 * A lab for the live page: its hosts as they stand, frames on its wires, and what its buttons do.
 * Everything that is done is done to the real lab, by commands that are told.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { ClientAnswer, ClientRequest } from '../lab/client-program.js'
import { type Lab, PROGRAMS } from '../lab/lab.js'
import { enter } from '../lab/namespaces.js'
import { isAlive } from '../lab/processes.js'
import { HTTP_PORT } from '../lab/realserver-program.js'
import {
  HOSTS,
  type Host,
  type Namespace,
  REALSERVERS,
  SILENCE_LINES,
  VIP,
  VIP6,
} from '../lab/topology.js'
import type { ToldFrame } from '../lab/wire-program.js'
import { type Figure, lookAtLab, ownAddress, WIRES } from './lab-figure.js'
import type { LabFeed } from './live.js'
import type { LabDone, LabHost, LabStateNow, WireEvent, WireFrame } from './moment.js'

const REQUESTS_MAX = 1000
const OUTPUT_BYTES_MAX = 8 << 20
/** Hosts may change by themselves: what they know of each other is asked for again. */
const LOOK_MS = 3000
/** Frames are gathered for so long, as each wire is watched by a program of its own. */
const TELL_MS = 250
/** More than a page lets depart in that time: two conversations, from one end to the other. */
const FRAMES_TOLD = 40
/** Beyond those, of the director's: what its tables can be known by. */
const MORE_TOLD = 160
const VIPS = [VIP, VIP6]

const realserver = z.enum(REALSERVERS.map(({ name }) => name))
const action = z.union([
  z.strictObject({ do: z.literal('request'), count: z.int().min(1).max(REQUESTS_MAX) }),
  z.strictObject({
    do: z.enum(['kill', 'revive', 'break-arp', 'fix-arp']),
    host: realserver,
  }),
])
type RealserverName = z.infer<typeof realserver>

const run = promisify(execFile)

export class RunningLab implements LabFeed {
  readonly #lab: Lab
  readonly #watchers: ChildProcess[] = []
  readonly #listeners: ((event: WireEvent) => void)[] = []
  #figure: Figure = { interfaces: [], addresses: [] }
  /** Who has a MAC address, and on which wire. */
  readonly #places = new Map<string, { readonly host: string; readonly wire: string }>()
  readonly #neighbours = new Map<Host, readonly string[]>()
  readonly #silent = new Map<Host, boolean>()
  readonly #seen: ToldFrame[] = []
  readonly #timers: NodeJS.Timeout[] = []
  /** One thing after the other: buttons are pressed faster than servers start. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(lab: Lab) {
    this.#lab = lab
  }

  /** Begins to watch. What is started here ends with `stop()`. */
  async start(): Promise<void> {
    this.#figure = await lookAtLab(HOSTS, (place, command) => this.#in(place as Namespace, command))
    const watched = new Map<string, string[]>()
    for (const { host, wire, name, port, mac } of this.#figure.interfaces) {
      this.#places.set(mac, { host, wire })
      // A frame is told by the interface that sent it, and on a bridge by the port to that.
      const place = port === null ? host : WIRES
      watched.set(place, [...(watched.get(place) ?? []), `${port ?? name}=${mac}`])
    }
    for (const [place, words] of watched) this.#watch(place as Namespace, words)
    await this.#look()
    this.#timers.push(
      setInterval(() => void this.#look().catch(() => {}), LOOK_MS),
      setInterval(() => this.#tellFrames(), TELL_MS),
    )
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
    for (const child of this.#watchers) child.kill()
  }

  onWire(listener: (event: WireEvent) => void): void {
    this.#listeners.push(listener)
  }

  #watch(place: Namespace, words: readonly string[]): void {
    const command = [...enter(this.#lab.state, place), process.execPath, PROGRAMS.wire, ...words]
    const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'ignore'] })
    child.on('error', () => {}) // then there are no frames to be seen, and all else works
    this.#watchers.push(child)
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#seen.push(...(JSON.parse(line) as ToldFrame[]))
    })
  }

  /** Tells what was seen on all wires, in the order in which it came. */
  #tellFrames(): void {
    if (this.#seen.length === 0) return
    const seen = this.#seen.splice(0).sort((a, b) => a.at - b.at)
    const placed = seen.flatMap((frame) => this.#placed(frame))
    const frames = placed.slice(0, FRAMES_TOLD)
    const more = placed
      .slice(FRAMES_TOLD)
      .filter(({ from, to }) => from === 'director' || to === 'director')
      .slice(0, MORE_TOLD)
    for (const listener of this.#listeners) listener({ frames, more })
  }

  #placed({ at, hex, bytes }: ToldFrame): WireFrame[] {
    const mac = (from: number) => hex.slice(from, from + 12).replace(/..(?=.)/g, '$&:')
    const sender = this.#places.get(mac(12))
    if (sender === undefined) return []
    const isGroup = (Number.parseInt(hex.slice(0, 2), 16) & 1) === 1
    const to = isGroup ? null : this.#places.get(mac(0))?.host
    if (to === undefined) return []
    return [{ from: sender.host, to, wire: sender.wire, at: at / 1000, hex, bytes }]
  }

  state(): LabStateNow {
    return { name: this.#lab.state.lab, vip: VIP, hosts: HOSTS.map((host) => this.#host(host)) }
  }

  #host(name: Host): LabHost {
    const { interfaces, addresses } = this.#figure
    const own = this.#lab.state.processes.filter(({ role }) => isOf(role, name))
    const joined = interfaces.filter(({ host }) => host === name)
    const vip = addresses.find(({ host, address }) => host === name && VIPS.includes(address))
    return {
      name,
      address: ownAddress(this.#figure, name, VIPS),
      // Of several the one that faces the realservers.
      mac: joined.at(-1)?.mac ?? '',
      wires: joined.map(({ wire }) => wire),
      vip: vip?.label.replace(/^lo:.*/, 'lo') ?? null,
      isAlive: isRealserver(name) ? own.some(isAlive) : true,
      isSilent: this.#silent.get(name) ?? null,
      neighbours: this.#neighbours.get(name) ?? [],
    }
  }

  async #look(): Promise<void> {
    await Promise.all(
      HOSTS.map(async (host) => {
        const lines = (await this.#in(host, ['ip', 'neigh', 'show'])).split('\n')
        this.#neighbours.set(
          host,
          lines.map((line) => line.trim()).filter((line) => line !== ''),
        )
        if (!isRealserver(host)) return
        const ignore = await this.#in(host, ['cat', '/proc/sys/net/ipv4/conf/all/arp_ignore'])
        this.#silent.set(host, ignore.trim() !== '0')
      }),
    )
  }

  /** What a command in a host prints. */
  async #in(host: Namespace, command: readonly string[]): Promise<string> {
    const [program = '', ...words] = [...enter(this.#lab.state, host), ...command]
    return (await run(program, words, { maxBuffer: OUTPUT_BYTES_MAX })).stdout
  }

  act(wanted: unknown): Promise<LabDone | string> {
    const parsed = action.safeParse(wanted)
    if (!parsed.success) return Promise.resolve(z.prettifyError(parsed.error))
    const { data } = parsed
    const doing = this.#last.then(async () => {
      const done = data.do === 'request' ? await this.#ask(data.count) : await this.#turn(data)
      await this.#look()
      return done
    })
    this.#last = doing.catch(() => undefined)
    return doing
  }

  async #ask(count: number): Promise<LabDone> {
    const one: ClientRequest = { service: 'http', address: VIP, port: HTTP_PORT }
    const requests = JSON.stringify(Array.from({ length: count }, () => one))
    const began = performance.now()
    const printed = await this.#in('client', [process.execPath, PROGRAMS.client, requests])
    const seconds = (performance.now() - began) / 1000
    const answers = new Map<string, number>()
    for (const line of printed.trim().split('\n')) {
      const answer = JSON.parse(line) as ClientAnswer
      const who = 'error' in answer ? answer.error : answer.text
      answers.set(who, (answers.get(who) ?? 0) + 1)
    }
    const list = [...answers].sort().map(([who, times]) => `${who}: ${times}`)
    const loop = count === 1 ? '' : `for i in $(seq ${count}); do `
    const command = `curl http://${VIP}/${count === 1 ? '' : '; done'}`
    return {
      commands: [`[client] ${loop}${command}`],
      output: `${list.join('  ')}  (${seconds.toFixed(2)} s, asked by client-program.js)`,
    }
  }

  async #turn({ do: what, host }: { do: string; host: RealserverName }): Promise<LabDone> {
    const running = this.#lab.state.processes.filter(({ role }) => isOf(role, host)).filter(isAlive)
    switch (what) {
      case 'kill': {
        for (const program of running) this.#lab.stop(program)
        return { commands: running.map(({ pid }) => `[${host}] kill ${pid}`), output: '' }
      }
      case 'revive': {
        if (running.length === 0) await this.#lab.startRealserver(host)
        return { commands: [`[${host}] node realserver-program.js ${host} ${VIP}`], output: '' }
      }
      default:
        return await this.#arp(host, what === 'fix-arp')
    }
  }

  /** Makes a realserver answer ARP for the VIP, or be silent again; then the router asks anew. */
  async #arp(host: RealserverName, isToBeSilent: boolean): Promise<LabDone> {
    const lines = SILENCE_LINES.map((line) =>
      isToBeSilent ? line : line.replace(/^echo \d/, 'echo 0'),
    )
    for (const line of lines) await this.#in(host, ['sh', '-c', line])
    // `neigh flush` leaves what is permanent, and the router has learned all it has.
    const flush = ['ip', 'neigh', 'flush', 'dev', 'eth1']
    await this.#in('router', flush)
    return {
      commands: [...lines.map((line) => `[${host}] ${line}`), `[router] ${flush.join(' ')}`],
      output: '',
    }
  }
}

/** A host's own programs, and those that a scene has started there. */
function isOf(role: string, host: string): boolean {
  return role === host || role.startsWith(`server-${host}-`)
}

function isRealserver(host: string): boolean {
  return REALSERVERS.some(({ name }) => name === host)
}
