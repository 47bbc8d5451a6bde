/**
 * What is measured: things that take frames from the director's interface `in` and send them out of
 * `out`, and the one that does nothing, to know what the others cost beyond it.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ControlClient } from '../../src/control/client.js'
import { type Field, PORT, REALSERVERS, VIP } from './field.js'

export const CONTESTANTS = [
  'generator',
  'ip_forward',
  'c_af_xdp',
  'af_xdp',
  'c_af_packet',
  'af_packet',
  'libpcap',
] as const
export type ContestantName = (typeof CONTESTANTS)[number]

/** What a director counted, since its start. */
export interface EngineCounts {
  readonly forwarded: number
  readonly frames: number
  readonly ringDrops: number
  readonly sendErrors: number
  /** ARP of its own. */
  readonly ownFrames: number
}

export interface Running {
  /** Processes that belong to it, none for the kernel. */
  readonly pids: readonly number[]
  /** null where nobody counts. */
  counts(): Promise<EngineCounts | null>
  stop(): Promise<void>
}

export interface StartOptions {
  readonly field: Field
  /** Where a director's socket and rules may lie. */
  readonly directory: string
  /** Words before a command that keep it off the generator's core. */
  readonly pinning: readonly string[]
  readonly nodeFlags: readonly string[]
}

export async function start(name: ContestantName, options: StartOptions): Promise<Running> {
  if (name === 'generator') return startNothing(options.field)
  if (name === 'ip_forward') return startKernel(options.field)
  if (name === 'c_af_xdp') return startLimit('xdp-forwarder', options)
  if (name === 'c_af_packet') return startLimit('packet-forwarder', options)
  return startDirector(name, options)
}

/**
 * The least that can be done on the same sockets: a C program that changes two MAC addresses and
 * decides nothing. Compiled here and now, into the benchmark's own directory.
 */
async function startLimit(program: string, options: StartOptions): Promise<Running> {
  const { field, directory, pinning } = options
  const binary = join(directory, program)
  if (!existsSync(binary)) {
    // Sources are not copied to build/.
    const source = join(import.meta.dirname, '../../../bench/limit-wire', `${program}.c`)
    execFileSync('cc', ['-O2', '-Wall', '-o', binary, source], { stdio: 'inherit' })
  }
  const macs = [field.lab.macOf('sink:eth0'), field.lab.macOf('director:out')]
  const [file, ...words] = [...pinning, binary, 'in', 'out', ...macs]
  const child = field.lab.spawn('director', file, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout! }).on('line', () => resolve())
    child.on('exit', () => reject(new Error(`${program} ended by itself`)))
  })
  return {
    pids: [child.pid!],
    counts: async () => null,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/**
 * The generator alone: its frames cross one veth pair and are dropped where the director begins.
 */
function startNothing(field: Field): Running {
  field.dropAtIngress('director', 'in')
  return kernelOnly(async () => field.stopDropping('director'))
}

/** The kernel's routing: to the VIP by way of a realserver, whose MAC address is known. */
function startKernel(field: Field): Running {
  const [gateway] = REALSERVERS
  const mac = field.lab.macOf('sink:eth0')
  field.lab.run(
    'director',
    `ip neigh replace ${gateway} lladdr ${mac} dev out nud permanent
     ip route replace ${VIP}/32 via ${gateway} dev out
     sysctl -qw net.ipv4.ip_forward=1`,
  )
  return kernelOnly(async () => {
    field.lab.run(
      'director',
      `sysctl -qw net.ipv4.ip_forward=0
       ip route del ${VIP}/32
       ip neigh del ${gateway} dev out`,
    )
  })
}

function kernelOnly(stop: () => Promise<void>): Running {
  return { pids: [], counts: async () => null, stop }
}

/** `uipvs run`, as everybody starts it, with one UDP service and three realservers. */
async function startDirector(engine: string, options: StartOptions): Promise<Running> {
  const { field, directory, pinning, nodeFlags } = options
  const control = join(directory, `${engine}.sock`)
  const program = join(import.meta.dirname, '../../src/cli/uipvs.js')
  const run = ['run', '-i', 'in', '-i', 'out', '--engine', engine, '--rules', '-']
  const words = [...pinning, process.execPath, ...nodeFlags, program, ...run, '--control', control]
  const child = field.lab.spawn('director', words[0], words.slice(1), {
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  child.stdin?.end(
    [
      `-A -u ${VIP}:${PORT} -s rr`,
      ...REALSERVERS.map((address) => `-a -u ${VIP}:${PORT} -r ${address}:${PORT} -g`),
      '',
    ].join('\n'),
  )
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()))
  const said: string[] = []
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr! }).on('line', (line) => {
      said.push(line)
      if (line.includes(' ready: ')) resolve()
    })
    child.on('exit', () => reject(new Error(`the director ended: ${said.join('\n')}`)))
  })
  const client = new ControlClient(control)
  const pid = child.pid!
  return {
    pids: [pid, ...childrenOf(pid)],
    counts: async () => {
      const { verdicts, engine } = (await client.counters()) as Counters
      const { frames, ringDrops, sendErrors, ownFrames } = engine
      return { forwarded: verdicts.forwarded, frames, ringDrops, sendErrors, ownFrames }
    },
    stop: async () => {
      client.close()
      child.kill('SIGTERM')
      await ended
    },
  }
}

interface Counters {
  readonly verdicts: Record<string, number>
  readonly engine: Record<string, number>
}

/** The engine libpcap lives in a process of its own. */
function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && parentOf(entry) === parent)
    .map(Number)
}

function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in brackets, may hold anything: state and parent follow the last bracket.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return -1 // gone meanwhile
  }
}
