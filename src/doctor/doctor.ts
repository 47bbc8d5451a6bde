/** The whole examination, of a director or of a realserver. */
import { readAddresses, readRoutes } from '../native/interfaces.js'
import { observe } from '../realserver/machine.js'
import { checkRealserver } from '../realserver/plan.js'
import {
  checkDaemons,
  checkIpv6Sender,
  checkRealservers,
  checkRules,
  readTable,
  vipsOf,
} from './balanced.js'
import { type Finding, note, ok, problem, skipped } from './finding.js'
import { checkCapabilities, checkLimits, checkPackages, checkPrograms } from './host.js'
import {
  checkInterfaceUp,
  checkKernelAndVip,
  checkMtu,
  checkOffloads,
  checkReversePath,
} from './kernel.js'
import { whoHas, whoHas6 } from './segment.js'
import { checkXdp } from './xdp.js'

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
  for (const vip of vips) {
    findings.push(...checkKernelAndVip(vip))
    for (const name of interfaces) {
      if (hasNetRaw) findings.push(await checkArpAnswers(name, vip, table !== null))
    }
  }
  if (table === null) {
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

/** `interfaceName` by default the one of the default route. */
export async function examineRealserver(
  vips: readonly string[],
  interfaceName?: string,
): Promise<Finding[]> {
  const arrives =
    interfaceName ??
    readRoutes().find((route) => route.family === 4 && route.prefixLength === 0)?.interface
  const findings = vips.flatMap((vip) => checkRealserver(vip, observe()))
  if (arrives === undefined) {
    const why = 'strict filtering may drop clients'
    findings.push(
      skipped('rp-filter', 'no default route, no -i', why, 'uipvs doctor --realserver -i DEV'),
    )
    return findings
  }
  return [...findings, checkInterfaceUp(arrives), checkReversePath(arrives)]
}

/**
 * Who answers ARP, or neighbour discovery, for the VIP? On the director, which has the VIP (in its
 * kernel, or in uipvs) and does not hear itself: nobody else. On any other machine of the segment:
 * exactly one.
 */
async function checkArpAnswers(name: string, vip: string, runs: boolean): Promise<Finding> {
  const why = 'who answers ARP (or ND) for the VIP gets its clients: only the director may'
  const own = readAddresses()
  const isDirector = runs || own.some(({ address }) => address === vip)
  const family = vip.includes(':') ? 6 : 4
  const from = own.find(
    (a) => a.interface === name && a.family === family && a.address !== vip,
  )?.address
  if (family === 6 && from === undefined) {
    return skipped('arp-answers', `${name} has no IPv6 address to ask from`, why)
  }
  const macs = family === 6 ? await whoHas6(name, vip, from!) : await whoHas(name, vip, from)
  const silence = `uipvs realserver up --vip ${vip}   # on each of them; the VIP belongs on lo`
  if (isDirector) {
    return macs.length === 0
      ? ok('arp-answers', `nobody but this director answers for ${vip} on ${name}`, why)
      : problem('arp-answers', `${macs.join(', ')} answers for ${vip} on ${name} too`, why, silence)
  }
  if (macs.length === 1) return ok('arp-answers', `${macs[0]} answers for ${vip} on ${name}`, why)
  return macs.length === 0
    ? problem('arp-answers', `nobody answers for ${vip} on ${name}`, why, `uipvs run -i ${name}`)
    : problem('arp-answers', `${macs.join(', ')} answer for ${vip} on ${name}`, why, silence)
}
