/** A realserver, seen from itself: its VIP and its silence, its ways back, its filters. */
import { readFileSync } from 'node:fs'
import { readAddresses, readInterface, readRoutes, runTool } from '../native/interfaces.js'
import { observe, readSysctl } from '../realserver/machine.js'
import { checkRealserver } from '../realserver/plan.js'
import { type Finding, note, ok, problem, skipped } from './finding.js'
import { findProgram } from './host.js'
import { checkInterfaceUp } from './kernel.js'

const ETHERNET_MTU = 1500

/** `interfaceName` by default the one of the default route, or the only one with an address. */
export async function examineRealserver(
  vips: readonly string[],
  interfaceName?: string,
): Promise<Finding[]> {
  const findings = [
    ...vips.flatMap((vip) => checkRealserver(vip, observe())),
    ...checkWaysBack(),
    ...checkFilters(vips),
  ]
  const arrives = interfaceName ?? likelyInterface()
  if (arrives === undefined) {
    const why = 'strict filtering may drop clients'
    const fix = 'uipvs doctor --realserver -i DEV'
    return [...findings, skipped('rp-filter', 'no default route, no -i', why, fix)]
  }
  return [...findings, checkInterfaceUp(arrives), checkOwnMtu(arrives), checkReversePath(arrives)]
}

function likelyInterface(): string | undefined {
  const way = readRoutes().find((route) => route.family === 4 && route.prefixLength === 0)
  if (way?.interface !== undefined) return way.interface
  const names = new Set(
    readAddresses().flatMap((own) =>
      own.family === 4 && own.interface !== 'lo' ? [own.interface] : [],
    ),
  )
  return names.size === 1 ? [...names][0] : undefined
}

/** The director passes on what fits its own arm. */
function checkOwnMtu(name: string): Finding {
  const why = 'what is longer than this is dropped on arrival, without a word to anybody'
  const { mtu } = readInterface(name)
  if (mtu >= ETHERNET_MTU) return ok('mtu', `${name} ${mtu}`, why)
  return note('mtu', `${name} takes ${mtu} bytes`, why, `ip link set ${name} mtu ${ETHERNET_MTU}`)
}

/** Answers go to the clients directly, by this machine's own routes. */
function checkWaysBack(): Finding[] {
  const why = 'a realserver answers clients itself: where it has no way, they wait in vain'
  const refusing = readRoutes().filter(({ family, type }) => family === 4 && REFUSING.has(type))
  if (refusing.length === 0) return [ok('way-back', 'no route refuses', why)]
  return refusing.map(({ type, destination, prefixLength }) => {
    const network = `${destination}/${prefixLength}`
    const fix = `ip route del ${type} ${network}`
    return problem('way-back', `${network} is ${type}: no answer leaves for it`, why, fix)
  })
}

const REFUSING: ReadonlySet<string> = new Set(['blackhole', 'unreachable', 'prohibit'])

/**
 * Strict filtering (1) drops a packet whose source would be answered by another interface. That
 * happens when clients come by one interface and answers leave by another.
 */
function checkReversePath(interfaceName: string): Finding {
  const why = 'strict rp_filter drops clients whose answers leave by another interface'
  const values = ['all', interfaceName].map((name) =>
    Number(readSysctl(`net.ipv4.conf.${name}.rp_filter`) ?? 0),
  )
  // The kernel takes the larger of the two (ip-sysctl.rst); 2 is loose.
  const effective = Math.max(...values)
  if (effective !== 1) return ok('rp-filter', `rp_filter is ${effective}`, why)
  const way = readRoutes().find(
    (route) =>
      route.family === 4 &&
      route.table === 'main' &&
      route.type === 'unicast' &&
      route.interface !== interfaceName &&
      (route.prefixLength === 0 || route.gateway !== undefined),
  )
  if (way === undefined) {
    return ok('rp-filter', `rp_filter is 1, and answers leave by ${interfaceName}`, why)
  }
  const clients = way.prefixLength === 0 ? '' : ` to ${way.destination}/${way.prefixLength}`
  return problem(
    'rp-filter',
    `rp_filter is 1, frames come by ${interfaceName}, answers${clients} leave by ` +
      `${way.interface}; ${droppedByReversePath()} dropped so far`,
    why,
    `sysctl -w net.ipv4.conf.${interfaceName}.rp_filter=2`,
  )
}

/** What nstat(8) calls TcpExtIPReversePathFilter. */
function droppedByReversePath(text = readFileSync('/proc/net/netstat', 'utf8')): number {
  const [names = '', values = ''] = text.split('\n').filter((line) => line.startsWith('TcpExt:'))
  const at = names.split(' ').indexOf('IPReversePathFilter')
  return Number(values.split(' ')[at] ?? 0)
}

/** Rules of nftables (those of iptables-nft too) that drop what comes in. */
function checkFilters(vips: readonly string[]): Finding[] {
  const why = 'requests come with the VIP as their destination: a filter must let them in'
  if (findProgram('nft') === null) return []
  let text: string
  try {
    text = runTool('nft', ['-a', 'list', 'ruleset'], 'nftables')
  } catch {
    return [skipped('filter', 'nft may not be asked', why, 'use sudo')]
  }
  const dropping = droppingRules(text)
  if (dropping.length === 0) return [ok('filter', 'no rule of nftables drops what comes in', why)]
  return dropping.map(({ place, rule, handle }) => {
    const isOurs = vips.some((vip) => rule.split(/[\s,{}]+/).includes(vip))
    const found = `${place}: ${rule}`
    if (handle === null) return note('filter', found, why, 'nft list ruleset')
    const fix = `nft delete rule ${place} handle ${handle}`
    return isOurs ? problem('filter', found, why, fix) : note('filter', found, why, fix)
  })
}

interface DroppingRule {
  /** Family, table and chain. */
  readonly place: string
  readonly rule: string
  /** null for the policy of a chain. */
  readonly handle: string | null
}

function droppingRules(ruleset: string): DroppingRule[] {
  const found: DroppingRule[] = []
  let table = ''
  let chain = ''
  let isIncoming = false
  for (const line of ruleset.split('\n').map((text) => text.trim())) {
    const opened = /^(table|chain) (.+?) \{/.exec(line)
    if (opened !== null) {
      if (opened[1] === 'table') table = opened[2]!
      else chain = opened[2]!
      isIncoming = false
      continue
    }
    const place = `${table} ${chain}`
    const hook = /^type \S+ hook (\S+)/.exec(line)
    if (hook !== null) {
      isIncoming = ['ingress', 'prerouting', 'input'].includes(hook[1]!)
      if (isIncoming && /policy drop;/.test(line)) {
        found.push({ place, rule: 'policy drop', handle: null })
      }
      continue
    }
    const [, rule, handle] = /^(.*\b(?:drop|reject)\b.*?) # handle (\d+)$/.exec(line) ?? []
    if (isIncoming && rule !== undefined) found.push({ place, rule, handle: handle! })
  }
  return found
}
