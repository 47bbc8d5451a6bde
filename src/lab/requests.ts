/**
 * The client's requests: with curl, nc and ping where they are installed, else with our own
 * program.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ClientAnswer, ClientRequest } from './client-program.js'
import type { CraftedResult } from './crafted-program.js'
import { type Lab, PROGRAMS } from './lab.js'
import { ECHO_PORT, HTTP_PORT, SSH_PORT } from './realserver-program.js'
import { REALSERVERS, VIP, VIP6 } from './topology.js'

export type Service = 'ssh' | 'http' | 'udp echo' | 'udp by hand' | 'http over IPv6' | 'icmp'

export interface Request {
  readonly service: Service
  /** What was run, as a person would type it; or what our program did, in words. */
  readonly command: string
  /** Name of the realserver; for `icmp` the address that answered; null if nobody did. */
  readonly answeredBy: string | null
  readonly text: string
}

/** Two rounds of each: with round robin each of the three realservers answers twice. */
const ROUNDS = 2 * REALSERVERS.length

export function isInstalled(tool: string): boolean {
  const path = (process.env.PATH ?? '').split(':').concat('/usr/sbin', '/sbin')
  return path.some((directory) => directory !== '' && existsSync(join(directory, tool)))
}

/** Which of these programs are not here, and what to do; false if all are. */
export function lacks(...tools: readonly string[]): string | false {
  const missing = tools.filter((tool) => !isInstalled(tool))
  return missing.length > 0 && `install ${missing.join(' and ')}`
}

/** A sentence for each tool that is not here; the demonstration then uses what comes with Node. */
export function toolsMissing(): string[] {
  const missing: string[] = []
  if (!isInstalled('curl')) missing.push('curl: HTTP requests by a program of ours')
  if (!isInstalled('nc')) missing.push('nc: the SSH banner is read by a program of ours')
  return missing
}

/** Everything that is balanced. Blocks until all have answered, or not. */
export function askAll(lab: Lab, ipv6: boolean, byHand: boolean): Request[] {
  const rounds = Array.from({ length: ROUNDS }, (_, i) => i + 1)
  return [
    ...askBanners(lab, rounds.length),
    ...rounds.map(() => askHttp(lab, 'http', VIP)),
    ...askProgram(
      lab,
      'udp echo',
      rounds.map((i) => ({ service: 'udp', address: VIP, port: ECHO_PORT, payload: `hello ${i}` })),
    ),
    ...(byHand ? [askByHand(lab)] : []),
    ...(ipv6 ? rounds.map(() => askHttp(lab, 'http over IPv6', VIP6)) : []),
  ]
}

function askHttp(lab: Lab, service: Service, address: string): Request {
  if (!isInstalled('curl')) {
    return askProgram(lab, service, [{ service: 'http', address, port: HTTP_PORT }])[0]!
  }
  const url = address.includes(':') ? `http://[${address}]/` : `http://${address}/`
  const command = ['curl', '--silent', '--show-error', '--max-time', '3', url]
  const { status, stdout, stderr } = lab.run('client', command)
  return request(service, `curl ${url}`, (status === 0 ? stdout : stderr).trim())
}

function askBanners(lab: Lab, count: number): Request[] {
  const asked: Request[] = []
  for (let i = 0; i < count && isInstalled('nc'); i++) {
    const answered = askBanner(lab)
    if (answered === null) break
    asked.push(answered)
  }
  const left = Array.from({ length: count - asked.length }, () => ({
    service: 'banner' as const,
    address: VIP,
    port: SSH_PORT,
  }))
  return left.length === 0 ? asked : [...asked, ...askProgram(lab, 'ssh', left)]
}

/** With nc; null if this nc cannot do it. */
function askBanner(lab: Lab): Request | null {
  // -N (end the connection at the end of input) is not known to every nc.
  const { stdout } = lab.run('client', ['nc', '-N', '-w', '3', VIP, String(SSH_PORT)], '')
  return stdout.startsWith('SSH-') ? request('ssh', `nc ${VIP} ${SSH_PORT}`, stdout.trim()) : null
}

function askProgram(lab: Lab, service: Service, requests: ClientRequest[]): Request[] {
  const words = [process.execPath, PROGRAMS.client, JSON.stringify(requests)]
  const lines = lab.run('client', words).stdout.trim().split('\n')
  return requests.map(({ address, port, payload }, i) => {
    const answer: ClientAnswer = JSON.parse(lines[i] ?? '{"error":"the client program failed"}')
    const said = payload === undefined ? '' : `  ${payload}`
    const what = `socket ${address.includes(':') ? `[${address}]` : address}:${port}${said}`
    return request(service, what, 'error' in answer ? answer.error : answer.text)
  })
}

function askByHand(lab: Lab): Request {
  const payload = 'made by hand'
  const answer = craft(lab, ['udp', VIP, String(ECHO_PORT), payload])
  return request(
    'udp by hand',
    `raw-socket UDP ${VIP}:${ECHO_PORT}  ${payload}`,
    answer?.text ?? '',
  )
}

/** An echo request to the VIP, which belongs to no service: the director or its kernel answers. */
export function askEcho(lab: Lab): Request {
  const answer = craft(lab, ['echo', VIP])
  const command = `raw-socket ICMP echo ${VIP}`
  return {
    service: 'icmp',
    command,
    answeredBy: answer?.source ?? null,
    text: answer === null ? 'no answer' : `echo reply: ${answer.text}`,
  }
}

function craft(lab: Lab, words: string[]) {
  const { stdout, stderr } = lab.run('client', [process.execPath, PROGRAMS.crafted, ...words])
  if (stdout === '') return stderr === '' ? null : { source: '', text: stderr, milliseconds: 0 }
  const result: CraftedResult = JSON.parse(stdout)
  return 'missing' in result ? null : result.answer
}

/** Every server of the lab names itself in what it answers. */
function request(service: Service, command: string, text: string): Request {
  const name = /\brs[123]\b/.exec(text)?.[0] ?? null
  return { service, command, answeredBy: name, text }
}
