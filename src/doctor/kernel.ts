/** What this machine's kernel does beside us: addresses, forwarding, offloads, reverse paths. */
import { hasLargeReceive, hasOffload } from '../native/ethtool.js'
import { readAddresses, readInterface, runTool } from '../native/interfaces.js'
import { readSysctl } from '../realserver/machine.js'
import { type Finding, note, ok, problem, skipped } from './finding.js'
import { findProgram } from './host.js'

/**
 * Whether a guard of ours stands before the VIP: its tables are called uipvs_… (daemon/guard.ts).
 * null if we may not ask.
 */
function isGuarded(vip: string): boolean | null {
  if (findProgram('nft') === null) return false
  try {
    const tables = runTool('nft', ['list', 'tables', 'netdev'], 'nftables')
    const names = [...tables.matchAll(/^table netdev (uipvs_\S+)/gm)].map(([, name]) => name!)
    return names.some((name) => {
      const rules = runTool('nft', ['list', 'table', 'netdev', name], 'nftables')
      return rules.split(/[\s,]+/).includes(vip)
    })
  } catch {
    return null
  }
}

/** The kernel takes part in what the director does, unless the guard stands before it. */
export function checkKernelAndVip(vip: string): Finding[] {
  const place = readAddresses().find(({ address }) => address === vip)
  const forwarding = vip.includes(':') ? 'net.ipv6.conf.all.forwarding' : 'net.ipv4.ip_forward'
  const forwards = readSysctl(forwarding)
  const held = place === undefined ? 'is no address of this kernel' : `is on ${place.interface}`
  // What is addressed to the kernel itself it does not route.
  const routes = forwards === '1' && place === undefined
  const guarded = isGuarded(vip)
  const judge = (
    id: string,
    exposed: boolean,
    found: string,
    why: string,
    line: string,
  ): Finding => {
    if (!exposed) return ok(id, found, why)
    if (guarded === true) return ok(id, `${found}, and the guard stands`, why)
    if (guarded === null) return skipped(id, `${found}; nft may not be asked`, why, 'use sudo')
    const fix = `${line}   # or uipvs run with its guard, which needs nft and CAP_NET_ADMIN`
    return problem(id, `${found}, without guard`, why, fix)
  }
  return [
    judge(
      'kernel-holds-vip',
      place !== undefined,
      `${vip} ${held}`,
      'the kernel answers what the director forwards: resets, port unreachable',
      `ip addr del ${vip}/${place?.prefixLength} dev ${place?.interface}`,
    ),
    judge(
      'ip-forward',
      routes,
      `forwarding is ${forwards ?? 'unknown'}`,
      'with ip_forward the kernel routes the same packets a second time',
      `sysctl -w ${forwarding}=0`,
    ),
  ]
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
    : ok('offloads', `${found}: fine for af_packet, and for af_xdp in native mode`, why)
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
