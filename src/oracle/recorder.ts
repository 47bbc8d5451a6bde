/** Records a scenario: what Linux did with each packet and each command of it. */
import { LISTINGS } from '../conform/listings.js'
import { outcome } from '../conform/outcome.js'
import { frameBytes } from '../conform/packet-bytes.js'
import type { MarkRule, Out, Recording, Step } from '../conform/recording.js'
import { quoted, UmlError } from '../uml/machine.js'
import { Barrier, trimmed } from './barrier.js'
import { Machine } from './machine.js'
import type { Scenario, ScenarioStep } from './scenario.js'

/** The kernel brings its counters up to date every 2 s. */
const COUNTERS_LATE_MS = 2300
/**
 * A connection that a packet replaced counts until its timer has run, at the next tick of 10 ms.
 */
const SETTLE_MS = 30

export class Recorder {
  readonly #machine: Machine
  readonly #barrier: Barrier

  private constructor(machine: Machine) {
    this.#machine = machine
    this.#barrier = new Barrier(machine.wire)
  }

  static async start(): Promise<Recorder> {
    return new Recorder(await Machine.boot())
  }

  get machine(): Machine {
    return this.#machine
  }

  close(): Promise<void> {
    return this.#machine.close()
  }

  async record(scenario: Scenario): Promise<Recording> {
    const machine = this.#machine
    await this.#prepare(scenario)
    const setup_out = []
    for (const args of scenario.setup) setup_out.push(await machine.ipvsadm(args))
    const steps: Step[] = []
    const replacing = new Replacing()
    const begun = performance.now()
    for (const [i, step] of scenario.steps.entries()) {
      if ('snapshot' in step && step.snapshot === 'stats') await pause(COUNTERS_LATE_MS)
      const at_ms = Math.floor(performance.now() - begun)
      steps.push({ ...(await this.#step(step, scenario.vip, i + 1)), at_ms } as Step)
      if (replacing.mayReplace(step)) await pause(SETTLE_MS)
    }
    const { setup, steps: _, ...rest } = scenario
    return { ...rest, setup, setup_out, steps }
  }

  async #prepare({ vip, more_vips = [], route_mtu = {}, marks = [], local_marks = [] }: Scenario) {
    const machine = this.#machine
    await machine.must('fresh')
    for (const address of [vip, ...more_vips]) {
      const [bits, last] = address.includes(':') ? ['128', ' nodad'] : ['32', '']
      await machine.must(`ip addr add ${address}/${bits} dev vec0${last}`)
    }
    for (const [address, mtu] of Object.entries(route_mtu)) {
      await machine.must(`ip route add ${address} dev vec0 mtu ${mtu}`)
    }
    if (marks.length > 0) {
      await machine.must('modprobe -a iptable_mangle ip6table_mangle xt_mark xt_multiport')
      for (const rule of marks) for (const line of markLines(rule)) await machine.must(line)
    }
    for (const mark of local_marks) {
      for (const family of ['-4', '-6']) {
        await machine.must(`ip ${family} rule add fwmark ${mark} lookup 100`)
        await machine.must(`ip ${family} route replace local default dev lo table 100`)
      }
    }
  }

  async #step(step: ScenarioStep, vip: string, number: number): Promise<object> {
    if ('send' in step) {
      const frame = frameBytes(step.send, vip, number)
      return { send: step.send, out: this.#send(frame, number) }
    }
    if ('run' in step) return { run: step.run, ...(await this.#machine.ipvsadm(step.run)) }
    if ('snapshot' in step) {
      const { stdout } = await this.#machine.ipvsadm(LISTINGS[step.snapshot])
      return { snapshot: step.snapshot, stdout: step.snapshot === 'Lnc' ? sorted(stdout) : stdout }
    }
    if ('sleep_ms' in step) await pause(step.sleep_ms)
    else {
      for (const [name, value] of Object.entries(step.sysctl)) {
        await this.#machine.must(`sysctl -qw ${quoted(`net.ipv4.vs.${name}=${value}`)}`)
      }
    }
    return step
  }

  #send(frame: Uint8Array, number: number): Out {
    const came = this.#barrier.exchange(frame).map(trimmed)
    const out = outcome(
      frame,
      came.map((bytes) => ({ arm: 0, bytes, origin: 'forwarded' })),
    )
    // What no packet leads to: a frame that belongs to another one, or to none.
    if (/ /.test(out.to)) throw new UmlError(`step ${number}: ${out.to}`)
    return out
  }
}

/**
 * Which packets may end the connection they belong to: a SYN or INIT of ports that were used
 * before and, with expire_nodest_conn, any packet of such.
 */
class Replacing {
  readonly #known = new Set<string>()
  #isAny = false

  mayReplace(step: ScenarioStep): boolean {
    if ('sysctl' in step && 'expire_nodest_conn' in step.sysctl) this.#isAny = true
    if (!('send' in step)) return false
    const { proto, src, sport, dst, dport, flags = '', chunks = [] } = step.send
    if (sport === undefined) return false
    const key = [proto, src, sport, dst, dport].join()
    const isKnown = this.#known.has(key)
    this.#known.add(key)
    return isKnown && (this.#isAny || flags.includes('S') || chunks.includes('INIT'))
  }
}

/** The commands that make a rule of marks: one for each family that it is for. */
function markLines({ mark, proto, src, dst, dports }: MarkRule): string[] {
  const named = src ?? dst
  const isFor = (family: 4 | 6): boolean => {
    if (named !== undefined) return named.includes(':') === (family === 6)
    return !(proto === 'icmp' && family === 6) && !(proto === 'icmpv6' && family === 4)
  }
  const ports = dports?.[0] === dports?.[1] ? dports?.[0] : dports?.join(':')
  const words = [
    '-t mangle -A PREROUTING',
    ...(proto === undefined ? [] : [`-p ${proto}`]),
    ...(src === undefined ? [] : [`-s ${src}`]),
    ...(dst === undefined ? [] : [`-d ${dst}`]),
    ...(ports === undefined ? [] : [`-m multiport --dports ${ports}`]),
    `-j MARK --set-mark ${mark}`,
  ].join(' ')
  return [
    ...(isFor(4) ? [`iptables-legacy ${words}`] : []),
    ...(isFor(6) ? [`ip6tables-legacy ${words}`] : []),
  ]
}

/** Connections by protocol, state and source: the kernel's order is random. */
function sorted(listing: string): string {
  const lines = listing.split('\n').slice(0, -1)
  const key = (line: string) => {
    const [proto, , ...rest] = line.split(/ +/)
    return [proto, ...rest].join(' ')
  }
  const [title, columns, ...connections] = lines
  connections.sort((a, b) => (key(a) < key(b) ? -1 : 1))
  return [title, columns, ...connections].map((line) => `${line}\n`).join('')
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
