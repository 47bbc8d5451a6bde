/** What this machine's kernel does beside us: addresses, forwarding, offloads, reverse paths. */
import { hasLargeReceive, hasOffload } from '../native/ethtool.js'
import { readAddresses, readInterface, readRoutes, runTool } from '../native/interfaces.js'
import { readSysctl } from '../realserver/machine.js'
import { type Finding, note, ok, problem } from './finding.js'

/** Whether a guard of ours stands: its tables are called uipvs_… (daemon/guard.ts). */
function guardTables(): string[] | null {
  try {
    const tables = runTool('nft', ['list', 'tables', 'netdev'], 'nftables')
    return tables.split('\n').filter((line) => line.includes(' uipvs_'))
  } catch {
    return null
  }
}

/** The kernel takes part in what the director does, unless the guard stands before it. */
export function checkKernelAndVip(vip: string): Finding[] {
  const place = readAddresses().find(({ address }) => address === vip)
  const forwards = readSysctl(
    vip.includes(':') ? 'net.ipv6.conf.all.forwarding' : 'net.ipv4.ip_forward',
  )
  const tables = guardTables()
  const guarded = tables !== null && tables.length > 0
  const start = 'uipvs run -i DEV   # sets up its guard, needs nft and CAP_NET_ADMIN'
  const findings: Finding[] = []
  const holdsWhy = 'the kernel answers what the director forwards: resets, port unreachable'
  if (place === undefined) {
    findings.push(ok('kernel-holds-vip', `${vip} is no address of this kernel`, holdsWhy))
  } else if (guarded) {
    findings.push(
      ok('kernel-holds-vip', `${vip} is on ${place.interface}, and the guard stands`, holdsWhy),
    )
  } else {
    findings.push(
      problem(
        'kernel-holds-vip',
        `${vip} is on ${place.interface}, without guard`,
        holdsWhy,
        start,
      ),
    )
  }
  const routesWhy = 'with ip_forward the kernel routes the same packets a second time'
  if (forwards !== '1' || guarded || place !== undefined) {
    const how = guarded ? ', and the guard stands' : ''
    findings.push(ok('ip-forward', `forwarding is ${forwards ?? 'unknown'}${how}`, routesWhy))
  } else {
    findings.push(problem('ip-forward', 'forwarding is 1, without guard', routesWhy, start))
  }
  return findings
}

/** Frames longer than the MTU can't be sent on by libpcap; af_packet sends them on whole. */
export function checkOffloads(interfaceName: string, engine: string): Finding {
  const why = 'libpcap gets joined frames that are longer than the MTU, and cannot send them on'
  const lro = hasLargeReceive(interfaceName)
  const on = [...(hasOffload(interfaceName, 'gro') ? ['GRO'] : []), ...(lro ? ['LRO'] : [])]
  if (on.length === 0) return ok('offloads', `${interfaceName} joins no frames`, why)
  const found = `${on.join(' and ')} on ${interfaceName}`
  const fix = `ethtool -K ${interfaceName} gro off lro off`
  if (engine === 'libpcap') return problem('offloads', found, why, fix)
  return lro
    ? note('offloads', found, 'what LRO has joined cannot always be taken apart again', fix)
    : ok('offloads', `${found}: fine for af_packet`, why)
}

/** Packets pass unchanged, so a realserver's way must take whatever the client's way takes. */
export function checkMtu(interfaceNames: readonly string[]): Finding {
  const why =
    'a packet that fits one arm must fit the other: nothing is cut or answered in textbook mode'
  const arms = interfaceNames.map((name) => readInterface(name))
  const smallest = arms.reduce((least, arm) => (arm.mtu < least.mtu ? arm : least))
  const largest = arms.reduce((most, arm) => (arm.mtu > most.mtu ? arm : most))
  const found = arms.map(({ name, mtu }) => `${name} ${mtu}`).join(', ')
  return smallest.mtu === largest.mtu
    ? ok('mtu', found, why)
    : problem('mtu', found, why, `ip link set ${largest.name} mtu ${smallest.mtu}`)
}

export function checkInterfaceUp(name: string): Finding {
  const why = 'frames come and go through it'
  const { isUp, hardwareType, mac } = readInterface(name)
  if (!isUp) return problem('interface', `${name} is down`, why, `ip link set ${name} up`)
  if (hardwareType !== 1) {
    return problem(
      'interface',
      `${name} is no Ethernet`,
      'Direct Routing rewrites Ethernet headers',
      'ip link   # choose another',
    )
  }
  return ok('interface', `${name} is up, ${mac}`, why)
}

/**
 * On a realserver. Strict filtering (1) drops a packet whose source would be answered by another
 * interface. That happens when clients come by one interface and answers leave by another.
 */
export function checkReversePath(interfaceName: string): Finding {
  const why = 'strict rp_filter drops clients whose answers leave by another interface'
  const values = ['all', interfaceName].map((name) =>
    Number(readSysctl(`net.ipv4.conf.${name}.rp_filter`) ?? 0),
  )
  // The kernel takes the larger of the two (ip-sysctl.rst); 2 is loose.
  const effective = Math.max(...values)
  const way = readRoutes().find(
    (route) => route.family === 4 && route.table === 'main' && route.prefixLength === 0,
  )
  if (effective !== 1) return ok('rp-filter', `rp_filter is ${effective}`, why)
  if (way === undefined || way.interface === interfaceName) {
    return ok('rp-filter', `rp_filter is 1, and answers leave by ${interfaceName}`, why)
  }
  return problem(
    'rp-filter',
    `rp_filter is 1, frames come by ${interfaceName}, answers leave by ${way.interface}`,
    why,
    `sysctl -w net.ipv4.conf.${interfaceName}.rp_filter=2`,
  )
}
