/**
 * A lab: the topology standing in namespaces, its realservers serving, its director directing, and
 * all of it gone again after `down()`, whatever happened in between.
 *
 * Order matters for that promise. The state file is written before the first namespace is made, and
 * updated before a process is waited for; `down()` is synchronous and may be called at any moment,
 * twice, by a signal handler, or by another process that only has the state file.
 */
import { spawn, spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  addNamespace,
  CommandError,
  type CommandResult,
  enter,
  LabError,
  type NamespacePlace,
  namespacePath,
  removeNamespaces,
  run,
  runLines,
} from './namespaces.js'
import { aliveProcess, isAlive, killAll } from './processes.js'
import {
  forgetState,
  forgetUnwritten,
  isStale,
  type LabProcess,
  type LabState,
  listLabs,
  makeDirectory,
  writeState,
} from './state.js'
import {
  ARTICLE,
  HOSTS,
  type Host,
  NAMESPACES,
  type Namespace,
  REALSERVERS,
  type RealserverName,
  steps,
  type TopologyOptions,
  VIP,
  VIP6,
} from './topology.js'

/** Our own programs, beside this file once compiled. */
export const PROGRAMS = {
  realserver: join(import.meta.dirname, 'realserver-program.js'),
  client: join(import.meta.dirname, 'client-program.js'),
  crafted: join(import.meta.dirname, 'crafted-program.js'),
  offload: join(import.meta.dirname, 'offload-program.js'),
  capture: join(import.meta.dirname, 'capture-program.js'),
  naive: join(import.meta.dirname, 'naive-program.js'),
  wire: join(import.meta.dirname, 'wire-program.js'),
  uipvs: join(import.meta.dirname, '..', 'cli', 'uipvs.js'),
  uipvsadm: join(import.meta.dirname, '..', 'cli', 'uipvsadm.js'),
} as const

const READY_PATIENCE_MS = 15_000
const READY_POLL_MS = 10

export interface LabOptions extends Partial<TopologyOptions> {
  readonly engine?: string
  /** Set by a process that `rootless.ts` has put into a user namespace. */
  readonly rootless?: boolean
}

export class Lab {
  #state: LabState
  #isDown = false
  #lastNumber = 0

  private constructor(state: LabState) {
    this.#state = state
  }

  get state(): LabState {
    return this.#state
  }

  get controlPath(): string {
    return join(this.#state.directory, 'control.sock')
  }

  /** Builds the figure. Labs whose owner has died are taken away first. */
  static up(options: LabOptions = {}): Lab {
    removeStaleLabs()
    const owner = aliveProcess(process.pid)!
    const rootless = options.rootless ?? process.env.UIPVS_LAB_ROOTLESS === '1'
    const name = freeName()
    const state: LabState = {
      lab: name,
      rootless,
      directory: makeDirectory(name),
      owner,
      kept: false,
      engine: options.engine ?? 'auto',
      vipOnDirector: options.vipOnDirector ?? ARTICLE.vipOnDirector,
      created: new Date().toISOString(),
      processes: [],
    }
    const lab = new Lab(state)
    try {
      writeState(state)
      for (const namespace of NAMESPACES) addNamespace(state, namespace)
      const topology: TopologyOptions = {
        vipOnDirector: state.vipOnDirector,
        ipv6: (options.ipv6 ?? true) && hasIpv6(),
        mtu: options.mtu ?? ARTICLE.mtu,
      }
      const pathOf = (namespace: Namespace) => namespacePath(state, namespace)
      for (const { namespace, lines } of steps(topology, pathOf)) {
        runLines(state, namespace, lines)
      }
    } catch (error) {
      lab.down()
      throw error
    }
    return lab
  }

  /** A lab that stands already (kept, or somebody else's), by what its state file says. */
  static attach(state: LabState): Lab {
    return new Lab(state)
  }

  /** Runs a command in a host, and waits for it. */
  run(host: Namespace, command: readonly string[], input?: string): CommandResult {
    return run([...enter(this.#state, host), ...command], input)
  }

  /**
   * Runs shell lines in a host, in which `uipvs` and `uipvsadm` are ours, and talk to the director
   * if they are in its host.
   */
  shell(host: Namespace, command: string): CommandResult {
    const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
    const ours = (['uipvs', 'uipvsadm'] as const).map(
      (name) => `${name}() { ${quote(process.execPath)} ${quote(PROGRAMS[name])} "$@"; }`,
    )
    const variables = Object.entries(environmentOf(this.#state, host)).map(
      ([name, value]) => `export ${name}=${quote(value)}`,
    )
    return this.run(host, ['sh', '-c', [...variables, ...ours, command].join('\n')])
  }

  /**
   * Starts a program in a host and leaves it running; its output goes to ROLE.log in the lab's
   * directory. It gets a session of its own, so that Ctrl-C reaches the owner of the lab only.
   */
  start(
    host: Namespace,
    role: string,
    command: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): LabProcess {
    const log = openSync(join(this.#state.directory, `${role}.log`), 'a', 0o600)
    const [program, ...args] = [...enter(this.#state, host), ...command]
    const child = spawn(program!, args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...env },
    })
    closeSync(log)
    child.on('error', () => {}) // no pid then, which is reported here
    child.unref()
    const record = child.pid === undefined ? null : aliveProcess(child.pid)
    if (record === null) throw new CommandError(command.join(' '), this.log(role))
    const started: LabProcess = { ...record, host, role }
    this.#update({ processes: [...this.#state.processes, started] })
    return started
  }

  /** A number that this lab has not given before, to tell programs of one kind apart. */
  nextNumber(): number {
    return ++this.#lastNumber
  }

  log(role: string): string {
    const file = join(this.#state.directory, `${role}.log`)
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }

  /** Waits until `isReady` or the program has died; then says what its log said. */
  async untilReady(program: LabProcess, isReady: () => boolean): Promise<void> {
    const deadline = Date.now() + READY_PATIENCE_MS
    while (!isReady()) {
      const dead = !isAlive(program)
      if (dead || Date.now() > deadline) {
        const what = dead ? 'ended' : `is not ready after ${READY_PATIENCE_MS / 1000} s`
        const said = this.log(program.role).trim()
        throw new LabError(
          `${program.role} (in namespace ${program.host}) ${what}${said === '' ? '' : `: ${said}`}`,
        )
      }
      await sleep(READY_POLL_MS)
    }
  }

  /** HTTP, the SSH banner and the UDP echo, in every realserver, bound to the VIP. */
  async startRealservers(): Promise<void> {
    await Promise.all(REALSERVERS.map(({ name }) => this.startRealserver(name)))
  }

  /** The same in one of them; again, if it was stopped. `bound` is for those who do it wrong. */
  async startRealserver(name: RealserverName, bound?: readonly string[]): Promise<void> {
    const before = this.log(name).length
    const program = this.start(name, name, [
      process.execPath,
      PROGRAMS.realserver,
      name,
      ...(bound ?? (hasIpv6() ? [VIP, VIP6] : [VIP])),
    ])
    await this.untilReady(program, () => this.log(name).includes('ready\n', before))
  }

  /** The director, `uipvs run`, with what else is to stand on its command line. */
  async startDirector(extra: readonly string[] = []): Promise<LabProcess> {
    // A director of before, which was stopped, has said so too.
    const before = this.log('director').length
    const director = this.start('director', 'director', [
      process.execPath,
      PROGRAMS.uipvs,
      'run',
      '-i',
      'eth0',
      '--engine',
      this.#state.engine,
      '--control',
      this.controlPath,
      ...extra,
    ])
    const ready = () => /^uipvs: ready: (\w+)/m.exec(this.log('director').slice(before))
    await this.untilReady(director, () => ready() !== null)
    // What `auto` has become.
    this.#update({ engine: ready()![1]! })
    return director
  }

  /** Ends one program of the lab, and waits until it is gone. */
  stop(program: LabProcess): void {
    killAll([program])
    this.#update({ processes: this.#state.processes.filter((other) => other.pid !== program.pid) })
  }

  /**
   * libpcap and XDP hand us frames as the sender's kernel left them: with checksums that "hardware"
   * would have finished, and (libpcap) longer than the MTU. The director finishes those checksums,
   * but here it is to be seen that it changes nothing: so the hosts do all of it themselves.
   * Returns what was done, as a person would type it; empty for other engines.
   */
  switchOffloadsOff(): string {
    const { engine } = this.#state
    if (engine !== 'libpcap' && engine !== 'af_xdp') return ''
    for (const host of HOSTS) {
      const interfaces = host === 'router' ? ['eth0', 'eth1'] : ['eth0']
      const result = this.run(host, [process.execPath, PROGRAMS.offload, ...interfaces])
      if (result.status !== 0) throw new CommandError(`offloads off (in ${host})`, result.stderr)
    }
    return `ethtool -K eth0 rx off tx off sg off tso off gso off gro off   (every host: ${engine})`
  }

  /** From now on the lab stays when its owner ends. */
  keep(): void {
    if (this.#state.rootless) {
      // Something has to hold the user and mount namespaces once we are gone.
      this.start('client', 'anchor', ['sleep', 'infinity'])
    }
    this.#update({ kept: true })
  }

  /** Everything gone: processes, namespaces, links, files. */
  down(): void {
    if (this.#isDown) return
    this.#isDown = true
    const state = this.#state
    // The director goes first and alone, so that it can undo what it has done to its kernel.
    killAll(state.processes.filter(({ role }) => role === 'director'))
    killAll(state.processes)
    for (const host of HOSTS) forgetRealserver(namespacePath(state, host))
    removeNamespaces(state, NAMESPACES)
    forgetState(state)
  }

  #update(change: Partial<LabState>): void {
    this.#state = { ...this.#state, ...change }
    writeState(this.#state)
  }
}

/** What `uipvs realserver up` has written down in a namespace (realserver/machine.ts). */
function forgetRealserver(namespace: string): void {
  const found = statSync(namespace, { throwIfNoEntry: false })
  if (found !== undefined) rmSync(`/run/uipvs/realserver-${found.ino}.json`, { force: true })
}

/** Takes away labs whose owner died without doing so. Returns their names. */
export function removeStaleLabs(): string[] {
  const stale = listLabs().filter(isStale)
  for (const state of stale) Lab.attach(state).down()
  forgetUnwritten()
  return stale.map(({ lab }) => lab)
}

/**
 * What our programs are told in a host of a lab. Hosts share the machine's files, so that without
 * more they would all find a director: only its own host has one.
 */
function environmentOf(state: LabState, host: Namespace): Record<string, string> {
  const socket = host === 'director' ? 'control.sock' : `no-director-in-${host}`
  return { UIPVS_LAB: state.lab, UIPVS_CONTROL: join(state.directory, socket) }
}

/** Lets people type `uipvs` in a host, installed or not. Returns the folder for PATH. */
function writeWrappers({ directory }: LabState): string {
  const folder = join(directory, 'bin')
  mkdirSync(folder, { recursive: true })
  for (const name of ['uipvs', 'uipvsadm'] as const) {
    const text = `#!/bin/sh\nexec '${process.execPath}' '${PROGRAMS[name]}' "$@"\n`
    writeFileSync(join(folder, name), text, { mode: 0o755 })
  }
  return folder
}

/** A shell (or another program) with this terminal, inside a host of a standing lab. */
export function enterHost(state: LabState, host: Host, command: readonly string[]): number {
  const words = [...outside(state), ...enter(state, host), ...command]
  const programs = writeWrappers(state)
  const prompt = `[${state.lab} ${host}] \\w \\$ `
  const done = spawnSync(words[0]!, words.slice(1), {
    stdio: 'inherit',
    env: {
      ...process.env,
      ...environmentOf(state, host),
      PATH: `${programs}:${process.env.PATH}`,
      PS1: prompt,
    },
  })
  if (done.error !== undefined) throw new CommandError(words[0]!, done.error.message)
  return done.status ?? 1
}

/** A rootless lab's namespaces are only to be seen from inside: by way of one of its processes. */
export function outside(state: NamespacePlace & Pick<LabState, 'processes'>): string[] {
  if (!state.rootless || process.env.UIPVS_LAB_ROOTLESS === '1') return []
  const anchor = state.processes.find(isAlive)
  if (anchor === undefined)
    throw new CommandError(`entering ${state.lab}`, 'none of its processes runs')
  return ['nsenter', `--target=${anchor.pid}`, '--user', '--mount', '--preserve-credentials']
}

export function hasIpv6(): boolean {
  return existsSync('/proc/sys/net/ipv6')
}

/** A process may make several labs; their names begin with its id. */
function freeName(): string {
  const taken = new Set(listLabs().map(({ lab }) => lab))
  for (let i = 1; ; i++) {
    const name = i === 1 ? `uipvs${process.pid}` : `uipvs${process.pid}-${i}`
    if (!taken.has(name)) return name
  }
}
