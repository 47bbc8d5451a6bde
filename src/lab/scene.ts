/**
 * A scene of the lab: a question about Direct Routing, answered by real hosts and real frames.
 *
 * A scene is a value with a `play`, which does everything on a `Stage`: lines that it runs are told
 * as a person would type them, frames are caught on the wires, and every claim is checked as it is
 * made. A scene whose claim does not hold has failed, so that what it tells is never hearsay.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LinuxDirector } from '../uml/linux-director.js'
import { Capture, type CapturedFrame, ipPacket } from './capture.js'
import type { Lab } from './lab.js'
import { enter } from './namespaces.js'
import { isAlive } from './processes.js'
import type { LabProcess } from './state.js'
import { DIP, type Host, macOf, type Namespace, VIP } from './topology.js'

export interface Scene {
  readonly name: string
  readonly title: string
  readonly question: string
  /** One or two sentences: what to keep of it. */
  readonly remember: string
  /** How frames are taken, where the scene depends on it. */
  readonly engine?: string
  /** What else is to stand on the director's command line at first. */
  readonly director?: readonly string[]
  /** Why it cannot be played on this machine, where that may be, and what to do about it. */
  cannot?(): string | false
  play(stage: Stage): Promise<void>
}

export type SceneStep =
  | { readonly kind: 'heading' | 'note'; readonly text: string }
  | {
      readonly kind: 'command'
      readonly host: Namespace
      readonly command: string
      readonly status: number
      readonly output: string
    }
  | { readonly kind: 'claim'; readonly text: string; readonly holds: boolean }
  /** A frame as it came and as it left, in hex. */
  | { readonly kind: 'frames'; readonly before: string; readonly after: string }

export interface Played {
  readonly scene: string
  readonly title: string
  readonly question: string
  readonly lab: string
  readonly engine: string
  readonly steps: readonly SceneStep[]
  readonly remember: string
  /** Claims that do not hold; empty if all do. */
  readonly failures: readonly string[]
}

/** A realserver that could not be found is looked for again after five seconds. */
const PATIENCE_MS = 10_000
const POLL_MS = 20

export class Stage {
  readonly lab: Lab
  readonly steps: SceneStep[] = []
  readonly #tell: (step: SceneStep) => void
  #director: LabProcess
  /** Linux, while it is the director. */
  #linux: LinuxDirector | null = null

  constructor(lab: Lab, director: LabProcess, tell: (step: SceneStep) => void) {
    this.lab = lab
    this.#director = director
    this.#tell = tell
  }

  heading(text: string): void {
    this.#add({ kind: 'heading', text })
  }

  note(text: string): void {
    this.#add({ kind: 'note', text })
  }

  frames(before: Buffer, after: Buffer): void {
    this.#add({ kind: 'frames', before: before.toString('hex'), after: after.toString('hex') })
  }

  /** Runs a shell line in a host and returns what it printed, both streams, whatever its status. */
  run(host: Namespace, command: string): { status: number; output: string } {
    const { status, stdout, stderr } = this.lab.shell(host, command)
    const output = `${stdout}${stderr}`
    this.#add({ kind: 'command', host, command, status, output })
    return { status, output }
  }

  /** Each line in turn; a scene goes on only if all could be done. */
  mustRun(host: Namespace, ...lines: readonly string[]): void {
    for (const line of lines) {
      const { status } = this.run(host, line)
      if (status !== 0) this.claim(`${line}: done`, false)
    }
  }

  /**
   * A server that prints `ready` once it listens; it stays until it is stopped. A program of ours
   * is `shown` without the path to it.
   */
  async serve(host: Host, command: string, shown = command): Promise<LabProcess> {
    this.#add({ kind: 'command', host, command: `${shown} &`, status: 0, output: '' })
    const role = `server-${host}-${this.lab.nextNumber()}`
    const server = this.lab.start(host, role, ['sh', '-c', `exec ${command}`])
    await this.lab.untilReady(server, () => this.lab.log(role).includes('ready'))
    return server
  }

  /** A command that goes on while others run; `ended` waits for it and gives what it printed. */
  background(host: Host, command: string): { ended(): Promise<string> } {
    this.#add({ kind: 'command', host, command: `${command} &`, status: 0, output: '' })
    const role = `background-${host}-${this.lab.nextNumber()}`
    const program = this.lab.start(host, role, ['sh', '-c', `exec ${command}`])
    const ended = async () => {
      while (isAlive(program)) await sleep(POLL_MS)
      this.lab.stop(program)
      const output = this.lab.log(role)
      this.#add({ kind: 'command', host, command: 'wait', status: 0, output })
      return output
    }
    return { ended }
  }

  /** As `run`, and in the director it is Linux that runs it while Linux is the director. */
  async shell(host: Host, command: string): Promise<{ status: number; output: string }> {
    const done = await this.#once(host, command)
    this.#add({ kind: 'command', host, command, ...done })
    return done
  }

  /** Runs a line until it prints what is wanted, or for too long; tells the last time only. */
  async untilPrinted(host: Host, command: string, wanted: RegExp): Promise<string> {
    const deadline = Date.now() + PATIENCE_MS
    let last = await this.#once(host, command)
    while (!wanted.test(last.output) && Date.now() < deadline) {
      await sleep(POLL_MS)
      last = await this.#once(host, command)
    }
    this.#add({ kind: 'command', host, command, ...last })
    return last.output
  }

  /** As `untilPrinted`, and says whether it was. */
  async until(host: Host, command: string, wanted: RegExp): Promise<boolean> {
    return wanted.test(await this.untilPrinted(host, command, wanted))
  }

  stop(host: Host, server: LabProcess): void {
    this.lab.stop(server)
    this.#add({ kind: 'command', host, command: 'kill %1', status: 0, output: '' })
  }

  stopDirector(): void {
    this.lab.stop(this.#director)
    this.#add({ kind: 'command', host: 'director', command: 'kill %uipvs', status: 0, output: '' })
  }

  async restartDirector(...options: readonly string[]): Promise<void> {
    this.lab.stop(this.#director)
    const command = ['uipvs run -i eth0', ...options].join(' ')
    this.#add({ kind: 'command', host: 'director', command, status: 0, output: '' })
    this.#director = await this.lab.startDirector(options)
  }

  /**
   * Linux's own IPVS in the place of the director while `work` is done, with rules as
   * ipvsadm-save(8) writes them. Our director is back afterwards, without rules.
   */
  async withLinux(rules: string, work: () => Promise<void>): Promise<void> {
    this.stop('director', this.#director)
    const command = 'linux.uml vec0:transport=raw,ifname=eth0,…   # and in it: ipvsadm -R'
    this.#add({ kind: 'command', host: 'director', command, status: 0, output: '' })
    const addresses = [`${DIP}/24`, `${VIP}/32`]
    this.#linux = await LinuxDirector.start({
      enter: enter(this.lab.state, 'director'),
      wires: [{ interface: 'eth0', mac: macOf(DIP), addresses, takesLong: true }],
      rules,
    })
    try {
      await work()
    } finally {
      await this.#linux.close()
      this.#linux = null
    }
    await this.restartDirector()
  }

  /** What passes an interface while `work` is done, and until what then waits is caught. */
  async watch(
    host: Host,
    work: () => unknown,
    interfaceName = 'eth0',
  ): Promise<readonly CapturedFrame[]> {
    const capture = await Capture.start(this.lab, host, interfaceName)
    await work()
    return capture.stop()
  }

  /** Who answers the client: one request each, by the name of the realserver, or `nobody`. */
  ask(times: number, url: string): string[] {
    if (times === 1) {
      const { status, output } = this.run('client', `curl -sS --max-time 2 ${url}`)
      return [status === 0 ? output.trim() : 'nobody']
    }
    const once = `curl -s --max-time 2 ${url} || echo nobody`
    const { output } = this.run('client', `for i in $(seq ${times})\ndo ${once}\ndone | xargs`)
    return output.trim().split(' ')
  }

  /** A counter of the host's kernel, by its name in nstat(8). */
  counter(host: Host, name: string): number {
    const { output } = this.run(host, `nstat -asz ${name}`)
    return Number(new RegExp(`^${name} +(\\d+)`, 'm').exec(output)?.[1] ?? Number.NaN)
  }

  /** The router forgets whom it knows on the segment, and so asks again. */
  forgetNeighbours(): void {
    this.mustRun('router', 'ip neigh flush dev eth1')
  }

  /** Checks a claim, and returns whether it holds. */
  claim(text: string, holds: boolean): boolean {
    this.#add({ kind: 'claim', text, holds })
    return holds
  }

  async #once(host: Host, command: string): Promise<{ status: number; output: string }> {
    if (host === 'director' && this.#linux !== null) {
      const { rc, stdout } = await this.#linux.shell(command)
      return { status: rc, output: stdout }
    }
    const { status, stdout, stderr } = this.lab.shell(host, command)
    return { status, output: `${stdout}${stderr}` }
  }

  #add(step: SceneStep): void {
    this.steps.push(step)
    this.#tell(step)
  }
}

/** Plays a scene in a lab that stands with its realservers, and starts the director. */
export async function playScene(
  scene: Scene,
  lab: Lab,
  tell: (step: SceneStep) => void,
): Promise<Played> {
  const director = await lab.startDirector(scene.director ?? [])
  const stage = new Stage(lab, director, tell)
  await scene.play(stage)
  const failures = stage.steps.flatMap((step) =>
    step.kind === 'claim' && !step.holds ? [step.text] : [],
  )
  if (!stage.steps.some(({ kind }) => kind === 'claim')) failures.push('the scene claimed nothing')
  const { name, title, question, remember } = scene
  const { lab: labName, engine } = lab.state
  const { steps } = stage
  return { scene: name, title, question, lab: labName, engine, steps, remember, failures }
}

/** The parts of an IPv4 packet that scenes look at; null for other frames. */
export interface Packet4 {
  readonly source: string
  readonly destination: string
  readonly protocol: number
  readonly sourcePort: number
  readonly destinationPort: number
  readonly tcpFlags: number
}

export const ICMP = 1
export const TCP = 6
export const UDP = 17
export const TCP_RST = 0x04
export const TCP_SYN = 0x02

export function packet4({ bytes }: Pick<CapturedFrame, 'bytes'>): Packet4 | null {
  const packet = ipPacket(bytes)
  if (packet === null || packet[0]! >> 4 !== 4) return null
  const at = (packet[0]! & 0x0f) * 4
  const protocol = packet[9]!
  const hasPorts = (protocol === TCP || protocol === UDP) && packet.length >= at + 4
  return {
    source: packet.subarray(12, 16).join('.'),
    destination: packet.subarray(16, 20).join('.'),
    protocol,
    sourcePort: hasPorts ? packet.readUInt16BE(at) : 0,
    destinationPort: hasPorts ? packet.readUInt16BE(at + 2) : 0,
    tcpFlags: protocol === TCP && packet.length >= at + 14 ? packet[at + 13]! : 0,
  }
}

/** The MAC addresses that said "I have `address`", in order of their answers. */
export function arpAnswers(
  frames: readonly Pick<CapturedFrame, 'bytes'>[],
  address: string,
): string[] {
  return frames
    .filter(({ bytes }) => bytes.readUInt16BE(12) === 0x0806 && bytes.readUInt16BE(20) === 2)
    .filter(({ bytes }) => bytes.subarray(28, 32).join('.') === address)
    .map(({ bytes }) => [...bytes.subarray(22, 28)].map(hex).join(':'))
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}
