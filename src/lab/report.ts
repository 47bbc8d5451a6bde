/** The demonstration on a terminal, 96 columns wide: each part a function from values to text. */

import type { Demonstration, RanCommand, Traffic } from './demonstration.js'
import type { FramePair } from './evidence.js'
import { hexPair } from './hex-pair.js'
import type { Paint } from './paint.js'
import { isInstalled, type Request } from './requests.js'
import type { LabState } from './state.js'
import { ARTICLE, CIP, DIP, REALSERVERS, ROUTER_ADDRESS, steps, VIP } from './topology.js'

const WIDTH = 96

function heading(paint: Paint, text: string): string {
  return `\n${paint.bold(`── ${text} ${'─'.repeat(Math.max(0, WIDTH - text.length - 4))}`)}\n`
}

/** The article's figure. */
export function figure(paint: Paint, state: Pick<LabState, 'lab' | 'vipOnDirector'>): string {
  const vip = paint.cyan(`VIP ${VIP}`)
  const where = state.vipOnDirector ? ' (eth0:0, arps)' : ' (in uipvs only)'
  const cell = (text: string) => text.padEnd(22)
  const row = (texts: string[]) => `   ${texts.map(cell).join('').trimEnd()}`
  return [
    `   lab ${state.lab}`,
    '',
    '              ┌────────┐',
    `              │ client │  CIP ${CIP}`,
    '              └───┬────┘',
    paint.dim('       CIP→VIP ↓  │  ↑ VIP→CIP'),
    '              ┌───┴────┐',
    `              │ router │  ${ROUTER_ADDRESS}`,
    '              └───┬────┘',
    '  ┌──────────┐    │',
    `  │ director ├────┤  DIP ${DIP} (eth0)   ${vip}${where}`,
    '  └──────────┘    │',
    '         ┌────────┴────────────┬─────────────────────┐',
    row(REALSERVERS.map(() => '   ┌──┴──┐')),
    row(REALSERVERS.map(({ name }) => `   │ ${name} │`)),
    row(REALSERVERS.map(() => '   └─────┘')),
    row(REALSERVERS.map(({ rip }, i) => `RIP${i + 1} ${rip}`)),
    paint.cyan(row(REALSERVERS.map(() => `VIP ${VIP}`))),
    row(REALSERVERS.map(() => '(lo:0, non-arping)')),
    '',
  ].join('\n')
}

/** The article's own steps, as they were run: the director, and one realserver of three. */
export function setUp(paint: Paint, state: Pick<LabState, 'vipOnDirector'>): string {
  const options = { ...ARTICLE, vipOnDirector: state.vipOnDirector, ipv6: false }
  const plan = steps(options, (namespace) => namespace)
  const linesOf = (host: string) =>
    plan
      .filter(({ namespace }) => namespace === host)
      .flatMap(({ lines }) => lines)
      .filter((line) => line.includes(VIP) || line.includes('arp_'))
      .map((line) => `   ${paint.dim(`[${host}] #`)} ${line}`)
  const lines = [...linesOf('director'), ...linesOf('rs1')]
  return `${heading(paint, 'the VIP, and silence (rs2 and rs3 as rs1)')}${lines.join('\n')}\n`
}

/** Commands as they were run; what they printed, if anything. */
export function commands(paint: Paint, title: string, ran: readonly RanCommand[]): string {
  const lines = ran.map(({ command, status, output }) => {
    const text = output === '' ? '' : `\n${output.trimEnd()}`
    return status === 0
      ? `${paint.dim('#')} ${paint.bold(command)}${text}`
      : `${paint.dim('#')} ${command}${paint.red(text)}`
  })
  return `${heading(paint, title)}${lines.join('\n')}\n`
}

/** Who answered each request, and how often each. */
export function answers(paint: Paint, requests: readonly Request[]): string {
  const lines = requests.map(({ command, answeredBy, text }) => {
    const who = answeredBy === null ? paint.red('nobody') : paint.green(answeredBy)
    return `   ${command.padEnd(44)} → ${who}${paint.dim(text === answeredBy ? '' : `   ${text}`)}`
  })
  const count = (name: string) => requests.filter(({ answeredBy }) => answeredBy === name).length
  const totals = REALSERVERS.map(({ name }) => `${name} ${paint.bold(String(count(name)))}`)
  const title = 'the client asks the VIP; who answers?'
  return `${heading(paint, title)}${lines.join('\n')}\n   in all: ${totals.join('   ')}\n`
}

export function frameBeforeAndAfter(paint: Paint, frame: FramePair): string {
  const verdict = frame.unchanged
    ? paint.green('the IP packet is the same, byte for byte')
    : paint.red('THE IP PACKET WAS CHANGED')
  return [
    heading(paint, 'one frame, as it reached the director and as it left'),
    hexPair(paint, Buffer.from(frame.before, 'hex'), Buffer.from(frame.after, 'hex')),
    '',
    `   SHA-256 of the IP packet before  ${frame.sha256Before}`,
    `                            after   ${frame.sha256After}`,
    `   ${frame.changed.length} bytes of the Ethernet header differ; ${verdict}`,
    '',
  ].join('\n')
}

export function trafficProof(paint: Paint, traffic: Traffic): string {
  const { towardsDirector, forwarded, unchanged, repliesAtDirector, repliesAtClient } = traffic
  const row = (count: number, good: boolean, text: string) => {
    const number = String(count).padStart(6)
    return `${good ? paint.green(number) : paint.red(number)}  ${text}`
  }
  return [
    heading(paint, 'counted on the wires, for everything asked above'),
    row(towardsDirector, towardsDirector > 0, 'packets for the VIP reached the director'),
    row(forwarded, forwarded === towardsDirector, 'of them left it again, to a realserver'),
    row(unchanged, unchanged === forwarded, 'of those as the same IP packet, byte for byte'),
    row(repliesAtClient, repliesAtClient > 0, 'packets from the VIP reached the client'),
    row(
      repliesAtDirector,
      repliesAtDirector === 0,
      'of those passed the director: realservers answer the client directly',
    ),
    '',
  ].join('\n')
}

export function conclusion(paint: Paint, done: Demonstration): string {
  const notes = done.missing.map((what) => `   ${paint.yellow('not here:')} ${what}`)
  const end =
    done.failures.length === 0
      ? [paint.green('Direct Routing works, as the article says.')]
      : done.failures.map((failure) => paint.red(`failed: ${failure}`))
  return `\n${[...notes, ...end].join('\n')}\n`
}

/** What a person can do in a lab that stands. */
export function invitation(paint: Paint, state: LabState): string {
  // Somebody who has only cloned us has no uipvs on PATH; npx finds it in that folder.
  const npx = isInstalled('uipvs') ? '' : 'npx '
  const enter = state.rootless
    ? `${npx}uipvs lab --shell client --name ${state.lab}`
    : `ip netns exec ${state.lab}-client curl http://${VIP}/`
  return [
    heading(paint, 'the lab stands; in another terminal'),
    `   ${enter}`,
    `   ${npx}uipvs lab --shell rs1`.padEnd(41) +
      'a shell in client, router, director, rs1, rs2 or rs3',
    `   UIPVS_CONTROL=${state.directory}/control.sock ${npx}uipvsadm -Ln`,
    `   ${npx}uipvs lab down ${state.lab}`,
    '',
  ].join('\n')
}
