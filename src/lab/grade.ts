/**
 * Whether a lab works, by real traffic: new connections of the client to every service that the
 * lab's realservers have, watched on all wires of the segment.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { rulesOf } from './break.js'
import { ipAddresses, ipPacket, SegmentCapture } from './capture.js'
import type { ClientAnswer, ClientRequest } from './client-program.js'
import { type Lab, PROGRAMS } from './lab.js'
import { isAlive } from './processes.js'
import { ECHO_PORT, HTTP_PORT, SSH_PORT } from './realserver-program.js'
import { arpAnswers, ICMP, packet4, TCP_RST } from './scene.js'
import { CIP, DIP, macOf, REALSERVERS, VIP, VIP6 } from './topology.js'

export interface Mark {
  readonly id: string
  /** What has to be so. */
  readonly text: string
  readonly holds: boolean
  /** What was seen that speaks against it. */
  readonly wrong: readonly string[]
}

/** Of each kind of request: with round robin each realserver gets as many. */
const TIMES = 2 * REALSERVERS.length
/** An upload of several full segments; a datagram that fills one frame. */
const UPLOAD_BYTES = 8000
const DATAGRAM_BYTES = 1460

const POLL_MS = 10

interface Asked {
  readonly what: string
  readonly requests: readonly ClientRequest[]
  /** The realservers' names that are to answer, each of them. */
  readonly wanted: readonly string[]
}

/** The lab's services, and how their rules name them. */
const SERVICES = [
  { rule: `-t ${VIP}:${HTTP_PORT}`, service: 'http', address: VIP, port: HTTP_PORT, bytes: 0 },
  {
    rule: `-t ${VIP}:${HTTP_PORT}`,
    service: 'http',
    address: VIP,
    port: HTTP_PORT,
    bytes: UPLOAD_BYTES,
  },
  { rule: `-t ${VIP}:${SSH_PORT}`, service: 'banner', address: VIP, port: SSH_PORT, bytes: 0 },
  {
    rule: `-u ${VIP}:${ECHO_PORT}`,
    service: 'udp',
    address: VIP,
    port: ECHO_PORT,
    bytes: DATAGRAM_BYTES,
  },
  { rule: `-t [${VIP6}]:${HTTP_PORT}`, service: 'http', address: VIP6, port: HTTP_PORT, bytes: 0 },
] as const

/** Schedulers that choose by the client's address: one client sees one realserver. */
const BY_CLIENT = /-s (sh|dh|mh|lblcr?) | -p/

function questions(rules: readonly string[]): Asked[] {
  return SERVICES.flatMap(({ rule, service, address, port, bytes }) => {
    const line = rules.find((other) => other.startsWith(`-A ${rule} `))
    if (line === undefined) return []
    const wanted = REALSERVERS.filter(({ rip, rip6 }) =>
      rules.some((other) =>
        [rip, `[${rip6}]`].some(
          (address) => other.startsWith(`-a ${rule} -r ${address}:`) && !/-w 0\b/.test(other),
        ),
      ),
    ).map(({ name }) => name)
    const name = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
    const kind = { http: bytes > 0 ? 'uploads to' : 'HTTP of', banner: 'SSH of', udp: 'UDP of' }
    const payload = bytes > 0 ? { payload: 'x'.repeat(bytes) } : {}
    const one: ClientRequest = { service, address, port, ...payload }
    return [
      {
        what: `${kind[service]} ${name}`,
        requests: Array.from({ length: TIMES }, () => one),
        wanted: BY_CLIENT.test(`${line} `) ? [] : wanted,
      },
    ]
  })
}

/** Each mark of the list. `rules` is what the director should have. */
export async function grade(lab: Lab, rules: readonly string[]): Promise<Mark[]> {
  const asked = questions(rules)
  const realservers = REALSERVERS.map(({ name }) => name)
  const capture = await SegmentCapture.start(lab, ['router', ...realservers])
  // It asks the segment from the router, meanwhile; who answers is seen on the wire.
  const role = `asking-${process.pid}-${lab.nextNumber()}`
  const words = ['doctor', '--control', '/nowhere', '-i', 'eth1', '--vip', VIP]
  const asking = lab.start('router', role, [process.execPath, PROGRAMS.uipvs, ...words])
  const answers = ask(lab, asked)
  while (isAlive(asking)) await sleep(POLL_MS)
  lab.stop(asking)
  const frames = capture.stop()
  const now = rulesOf(lab)
  return [
    mark('rules', "the director's rules are as they were", [
      ...rules.filter((rule) => !now.includes(rule)).map((rule) => `not there: ${rule}`),
      ...now.filter((rule) => !rules.includes(rule)).map((rule) => `new: ${rule}`),
    ]),
    mark('answered', 'every new connection is answered', answers.unanswered),
    mark('reached', 'each realserver has its share', answers.unreached),
    mark('resets', 'no connection is reset or refused', resets(frames)),
    mark('source', 'all answers come from the VIP', strangers(frames)),
    mark('once', 'no packet reaches the realservers twice', duplicates(frames)),
    mark('director', 'all requests come by way of the director', bypasses(frames)),
    mark('arp', 'the director, and nobody else, answers ARP for the VIP', claimants(frames)),
  ]
}

/** All of them at once: a realserver that is silent costs the client's patience once. */
function ask(lab: Lab, asked: readonly Asked[]) {
  const requests = asked.flatMap((one) => one.requests)
  const words = [process.execPath, PROGRAMS.client, JSON.stringify(requests), '--at-once']
  const lines = lab.run('client', words).stdout.trim().split('\n')
  const unanswered: string[] = []
  const unreached: string[] = []
  let at = 0
  for (const { what, requests, wanted } of asked) {
    const answers = lines.slice(at, at + requests.length)
    at += requests.length
    const by = answers.map((line) => {
      const answer = JSON.parse(line || '{"error":"nothing"}') as ClientAnswer
      return 'error' in answer ? null : (/\brs[123]\b/.exec(answer.text)?.[0] ?? null)
    })
    const missing = by.filter((name) => name === null).length
    if (missing > 0) unanswered.push(`${missing} of ${by.length} ${what}`)
    for (const name of wanted) {
      if (!by.includes(name)) unreached.push(`${name} has none of the ${what}`)
    }
  }
  return { unanswered, unreached }
}

interface Seen {
  readonly host: string
  readonly bytes: Buffer
}

const hexMac = (address: string) => macOf(address).replaceAll(':', '')

/** Frames for the VIP that were for this realserver; a switch may flood others to its wire. */
function requestsAt(frames: readonly Seen[]): Seen[] {
  return frames.filter(({ host, bytes }) => {
    const rs = REALSERVERS.find(({ name }) => name === host)
    if (rs === undefined || bytes.toString('hex', 0, 6) !== hexMac(rs.rip)) return false
    const destination = ipAddresses(bytes)?.destination
    return destination === VIP || destination === VIP6
  })
}

/** What told the client to give up. */
function resets(frames: readonly Seen[]): string[] {
  const told = frames.flatMap((frame) => {
    const packet = frame.host === 'router' ? packet4(frame) : null
    if (packet === null || packet.destination !== CIP) return []
    if (packet.protocol === ICMP) return [`ICMP error from ${packet.source}`]
    const isReset = (packet.tcpFlags & TCP_RST) !== 0
    return isReset ? [`reset from ${packet.source}:${packet.sourcePort}`] : []
  })
  return counted(told)
}

function strangers(frames: readonly Seen[]): string[] {
  const sources = frames.flatMap((frame) => {
    const packet = frame.host === 'router' ? packet4(frame) : null
    const isAnswer = packet !== null && packet.destination === CIP && packet.protocol !== ICMP
    return isAnswer && packet.source !== VIP ? [`from ${packet.source}`] : []
  })
  return counted(sources)
}

/** A kernel that forwards leaves its mark on TTL and checksum alone. */
function duplicates(frames: readonly Seen[]): string[] {
  const known = new Set<string>()
  const twice: string[] = []
  for (const { host, bytes } of requestsAt(frames)) {
    const packet = Buffer.from(ipPacket(bytes)!)
    if (packet[0]! >> 4 === 4) packet.fill(0, 8, 9).fill(0, 10, 12)
    else packet.fill(0, 7, 8)
    const key = packet.toString('latin1')
    if (known.has(key)) twice.push(`at ${host}`)
    known.add(key)
  }
  return counted(twice)
}

function bypasses(frames: readonly Seen[]): string[] {
  const past = requestsAt(frames).filter(
    ({ bytes }) => bytes.toString('hex', 6, 12) !== hexMac(DIP),
  )
  return counted(past.map(({ host }) => `past it to ${host}`))
}

function claimants(frames: readonly Seen[]): string[] {
  const macs = new Set(
    arpAnswers(
      frames.filter(({ host }) => host === 'router'),
      VIP,
    ),
  )
  const others = [...macs].filter((mac) => mac !== macOf(DIP))
  return macs.has(macOf(DIP)) ? others : ['not the director', ...others]
}

/** `3 x reset from …` for each different one. */
function counted(texts: readonly string[]): string[] {
  return [...new Set(texts)].map(
    (text) => `${texts.filter((other) => other === text).length} x ${text}`,
  )
}

function mark(id: string, text: string, wrong: readonly string[]): Mark {
  return { id, text, holds: wrong.length === 0, wrong }
}
