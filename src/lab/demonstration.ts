/**
 * The demonstration: the article's rules, requests from the client, and what can be shown of them.
 * It returns values; `report.ts` prints them, and the tests assert on them.
 *
 *   1. the director starts, and gets the article's rules through uipvsadm
 *   2. two captures start: on the director's wire and at the client's
 *   3. the client asks, with the system's tools where they are, else with sockets of ours
 *   4. the captures end: each frame that reached the director is paired with the one it sent on
 *   5. an echo request to the VIP (after the captures: its answer may come from the director)
 */
import { Capture } from './capture.js'
import { compareFrames, countReplies, type FramePair, pairFrames } from './evidence.js'
import { type Lab, PROGRAMS } from './lab.js'
import { run } from './namespaces.js'
import { loadRawSocket } from './raw-probe.js'
import { askAll, askEcho, type Request, toolsMissing } from './requests.js'
import { DIP, macOf, REALSERVERS, VIP, VIP6 } from './topology.js'

export interface RanCommand {
  /** As a person would type it. */
  readonly command: string
  readonly status: number
  readonly output: string
}

export interface Traffic {
  /** Frames with an IP packet for the VIP that reached the director, and that left it again. */
  readonly towardsDirector: number
  readonly forwarded: number
  /** Of those, the ones whose IP packet is byte for byte the one that came. */
  readonly unchanged: number
  /** Frames from the VIP to the client, in either direction, at the director's arm: 0 in DR. */
  readonly repliesAtDirector: number
  readonly repliesAtClient: number
}

export interface Demonstration {
  readonly lab: string
  readonly engine: string
  readonly rootless: boolean
  readonly vipOnDirector: boolean
  readonly rules: readonly RanCommand[]
  readonly requests: readonly Request[]
  readonly frame: FramePair | null
  readonly traffic: Traffic
  readonly listings: readonly RanCommand[]
  /** What is not on this machine, and what that leaves out. */
  readonly missing: readonly string[]
  /** Empty if everything went as Direct Routing should. */
  readonly failures: readonly string[]
}

export type Tell = (part: Partial<Demonstration>) => void

const SERVICES = [
  { flag: '-t', port: 22 },
  { flag: '-t', port: 80 },
  { flag: '-u', port: 7 },
] as const

/** The article's commands, for its own service (ssh) and two more. */
export function articleRules(): string[][] {
  return SERVICES.flatMap(({ flag, port }) => rulesFor(flag, VIP, port, (rs) => rs.rip))
}

/** The same for IPv6, of which the article says nothing. */
export function ipv6Rules(): string[][] {
  return rulesFor('-t', `[${VIP6}]`, 80, (rs) => `[${rs.rip6}]`)
}

function rulesFor(
  flag: string,
  vip: string,
  port: number,
  addressOf: (rs: (typeof REALSERVERS)[number]) => string,
): string[][] {
  const service = `${vip}:${port}`
  return [
    ['-A', flag, service, '-s', 'rr'],
    ...REALSERVERS.map((rs) => ['-a', flag, service, '-r', `${addressOf(rs)}:${port}`, '-g']),
  ]
}

/** Runs uipvsadm against the lab's director. */
export function uipvsadm(lab: Lab, args: readonly string[]): RanCommand {
  // No need to enter the director's namespace: a unix socket is found by its path.
  const result = run([process.execPath, PROGRAMS.uipvsadm, '--control', lab.controlPath, ...args])
  return {
    command: `uipvsadm ${args.join(' ')}`,
    status: result.status,
    output: result.stdout + result.stderr,
  }
}

export async function demonstrate(lab: Lab, ipv6: boolean, tell: Tell): Promise<Demonstration> {
  const { state } = lab
  const missing = toolsMissing()
  const hasRawSocket = (await loadRawSocket()) !== null
  if (!hasRawSocket) missing.push('raw-socket: no packets made by hand, no echo request')
  const rules = [...articleRules(), ...(ipv6 ? ipv6Rules() : [])].map((args) => uipvsadm(lab, args))
  tell({ rules })

  const atDirector = await Capture.ofWire(lab, 'director', macOf(DIP))
  const atClient = await Capture.start(lab, 'client')
  const asked = askAll(lab, ipv6, hasRawSocket)
  const clientFrames = atClient.stop()
  const directorFrames = atDirector.stop()
  const requests = [...asked, ...(hasRawSocket ? [askEcho(lab)] : [])]
  tell({ requests })

  const pairs = pairFrames(directorFrames, macOf(DIP))
  const shown = pairs.find(carriesText) ?? pairs[0]
  const frame = shown === undefined ? null : compareFrames(shown.before, shown.after)
  const traffic: Traffic = {
    towardsDirector: pairs.length + pairs.unpaired,
    forwarded: pairs.length,
    unchanged: pairs.filter(({ before, after }) => compareFrames(before, after).unchanged).length,
    repliesAtDirector: countReplies(directorFrames),
    repliesAtClient: countReplies(clientFrames.filter(({ outgoing }) => !outgoing)),
  }
  tell({ frame, traffic })
  const listings = [uipvsadm(lab, ['-Ln', '--stats']), uipvsadm(lab, ['-Lnc'])]
  tell({ listings, missing })

  const seen = {
    lab: state.lab,
    engine: state.engine,
    rootless: state.rootless,
    vipOnDirector: state.vipOnDirector,
    rules,
    requests,
    frame,
    traffic,
    listings,
    missing,
  }
  return { ...seen, failures: failuresOf(seen) }
}

/** A frame in which a reader recognises something: the client's HTTP request. */
function carriesText({ before }: { before: Buffer }): boolean {
  return before.includes('GET / HTTP')
}

/** Every way in which the demonstration can fail to show what it claims. */
export function failuresOf(seen: Omit<Demonstration, 'failures'>): string[] {
  const failures: string[] = []
  for (const { command, status, output } of [...seen.rules, ...seen.listings]) {
    if (status !== 0) failures.push(`${command}: exit status ${status}: ${output.trim()}`)
  }
  for (const { command, answeredBy, text } of seen.requests) {
    if (answeredBy === null) failures.push(`${command}: ${text === '' ? 'no answer' : text}`)
  }
  for (const service of new Set(seen.requests.map(({ service }) => service))) {
    // Only requests that are balanced: an echo request is answered by whoever has the VIP.
    if (service === 'icmp' || service === 'udp by hand') continue
    const who = new Set(
      seen.requests.filter((r) => r.service === service).map(({ answeredBy }) => answeredBy),
    )
    for (const { name } of REALSERVERS) {
      if (!who.has(name)) failures.push(`${service}: ${name} answered nobody`)
    }
  }
  const { traffic, frame } = seen
  if (frame === null) failures.push('no frame passed the director')
  if (traffic.forwarded !== traffic.towardsDirector) {
    failures.push(
      `${traffic.towardsDirector - traffic.forwarded} frames did not leave the director`,
    )
  }
  if (traffic.unchanged !== traffic.forwarded) {
    failures.push(`${traffic.forwarded - traffic.unchanged} IP packets were changed`)
  }
  if (traffic.repliesAtDirector !== 0) {
    failures.push(`${traffic.repliesAtDirector} replies passed the director`)
  }
  if (traffic.repliesAtClient === 0) failures.push('no reply reached the client')
  return failures
}
