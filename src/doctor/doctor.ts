/** The whole examination of a director, or of another host that looks at its segment. */
import type { TableListing } from '../control/listing.js'
import { readAddresses, readNeighbour } from '../native/interfaces.js'
import { checkIpv6Sender, checkRealservers, readTable, vipsOf } from './balanced.js'
import { type Finding, note, ok, problem, skipped } from './finding.js'
import { checkCapabilities, checkLimits, checkPackages, checkPrograms } from './host.js'
import { checkInterfaceUp, checkKernelAndVip, checkMtu, checkOffloads } from './kernel.js'
import { checkDaemons, checkRules } from './rules.js'
import { whoHas, whoHas6 } from './segment.js'
import { checkXdp } from './xdp.js'

const ARP = 'arp-answers'

export interface DirectorExamination {
  readonly interfaces: readonly string[]
  /** By default those of the running director. */
  readonly vips: readonly string[]
  readonly engine: string
  readonly controlPath: string
}

export async function examineDirector(options: DirectorExamination): Promise<Finding[]> {
  const { interfaces, engine, controlPath } = options
  const findings = [
    ...checkCapabilities(),
    ...checkPrograms(),
    ...checkPackages(),
    ...checkLimits(),
  ]
  const hasNetRaw = findings.some(({ id, level }) => id === 'cap-net-raw' && level === 'ok')
  const table = await readTable(controlPath)
  const vips = options.vips.length > 0 ? options.vips : table === null ? [] : vipsOf(table)
  for (const name of interfaces) {
    findings.push(checkInterfaceUp(name), checkOffloads(name, engine))
    if (engine === 'auto' || engine === 'af_xdp') findings.push(checkXdp(name, engine))
  }
  if (interfaces.length > 0) findings.push(checkMtu(interfaces))
  const own = readAddresses()
  let isElsewhere = false
  const asked = vips.map((vip) =>
    Promise.all(hasNetRaw ? interfaces.map((name) => askSegment(name, vip)) : []),
  )
  for (const [i, vip] of vips.entries()) {
    const isHere = table !== null || own.some(({ address }) => address === vip)
    const answers = await asked[i]!
    // Another machine has it: this one may be a router, whose kernel is none of our business.
    const isOfOther = !isHere && answers.some(({ macs }) => macs !== null && macs.length > 0)
    if (isOfOther) isElsewhere = true
    else findings.push(...checkKernelAndVip(vip))
    findings.push(...answers.flatMap((answer) => judgeAnswers(answer, isHere, table)))
  }
  if (table === null) {
    if (isElsewhere) return findings
    const why = 'without it nothing is forwarded'
    findings.push(
      note('director', `no director answers at ${controlPath}`, why, 'uipvs run -i DEV'),
    )
    return findings
  }
  findings.push(...checkRules(table), ...checkDaemons(table))
  findings.push(...checkIpv6Sender(table, interfaces, readAddresses()))
  const [first] = interfaces
  if (first !== undefined && hasNetRaw) findings.push(...(await checkRealservers(table, first)))
  return findings
}

interface Answers {
  readonly name: string
  readonly vip: string
  /** Who answers ARP, or neighbour discovery, for the VIP; null if it could not be asked. */
  readonly macs: readonly string[] | null
}

async function askSegment(name: string, vip: string): Promise<Answers> {
  const family = vip.includes(':') ? 6 : 4
  const from = readAddresses().find(
    (a) => a.interface === name && a.family === family && a.address !== vip,
  )?.address
  if (family === 4) return { name, vip, macs: await whoHas(name, vip, from) }
  return { name, vip, macs: from === undefined ? null : await whoHas6(name, vip, from) }
}

/**
 * On the director, which has the VIP (in its kernel, or in uipvs) and does not hear itself, nobody
 * else may answer for it. On any other machine of the segment: exactly one.
 */
function judgeAnswers(
  { name, vip, macs }: Answers,
  isDirector: boolean,
  table: TableListing | null,
): Finding[] {
  const why = 'who answers ARP (or ND) for the VIP gets its clients: only the director may'
  if (macs === null) {
    return [skipped(ARP, `${name} has no IPv6 address to ask from`, why)]
  }
  const silence = `uipvs realserver up --vip ${vip}`
  const each = `${silence}   # on each of them; the VIP belongs on lo`
  if (isDirector) {
    if (macs.length === 0) {
      return [ok(ARP, `nobody but this director answers for ${vip} on ${name}`, why)]
    }
    return macs.map((mac) => {
      const address = addressAt(mac, table)
      const who = address === undefined ? mac : `${address} (${mac})`
      const fix = address === undefined ? each : `${silence}   # on ${address}; it belongs on lo`
      return problem(ARP, `${who} answers for ${vip} on ${name} too`, why, fix)
    })
  }
  if (macs.length === 0) {
    const found = `nobody answers for ${vip} on ${name}`
    return [problem(ARP, found, why, `uipvs run -i ${name}`)]
  }
  const who = macs.join(', ')
  const answer =
    macs.length === 1
      ? ok(ARP, `${who} answers for ${vip} on ${name}`, why)
      : problem(ARP, `${who} answer for ${vip} on ${name}`, why, each)
  return [answer, checkNeighbour(name, vip, macs)]
}

/** Which realserver has this MAC address, as far as the director has learnt. */
function addressAt(mac: string, table: TableListing | null): string | undefined {
  const all = table?.services.flatMap(({ destinations }) => destinations) ?? []
  return all.find((destination) => destination.mac === mac)?.address
}

/** Whether this host sends what is for the VIP to the one who answers for it. */
function checkNeighbour(name: string, vip: string, macs: readonly string[]): Finding {
  const why = 'what this host sends to the VIP goes to the MAC address that it remembers'
  const known = readNeighbour(name, vip)
  if (known === null || macs.includes(known.mac)) {
    return ok('neighbour', `nothing else is remembered of ${vip} on ${name}`, why)
  }
  const found = `${vip} is at ${known.mac} here (${known.state}), where nobody answers for it`
  return problem('neighbour', found, why, `ip neigh del ${vip} dev ${name}`)
}
