/**
 * A realserver's part in Direct Routing, as values: what has to be on this machine so that it takes
 * packets for the VIP and never says so to the segment. `machine.ts` looks and acts; here is only
 * thought.
 *
 * IPv4. The VIP is on `lo`, and the kernel, which by default answers ARP for every address it has
 * on whatever interface is asked, is told not to (Documentation/networking/ip-sysctl.rst):
 *
 *   arp_ignore 1    answer only for addresses of the interface on which the request came
 *   arp_announce 2  ask with an address of the interface that asks, never with the VIP: a request
 *                   with the VIP as its sender would teach everybody our MAC address for it
 *
 * The kernel takes the larger of conf/all and conf/INTERFACE for both, INTERFACE being the one on
 * the segment. So it is `all` that works; the article's lines for `lo` are set as well, and do no
 * harm.
 *
 * IPv6. Nothing has to be silenced: the kernel answers a neighbour solicitation only for an address
 * of the interface on which it came (ndisc_recv_ns asks ipv6_get_ifaddr for that device), and asks
 * with an address of its own of that interface. The VIP on `lo` is enough; duplicate address
 * detection is not done on `lo`.
 */
import { type Finding, ok, problem } from '../doctor/finding.js'

/** Sysctls by the name that sysctl(8) uses, and the article's values. */
export const SILENCE: readonly { readonly name: string; readonly value: string }[] = [
  { name: 'net.ipv4.conf.lo.arp_ignore', value: '1' },
  { name: 'net.ipv4.conf.lo.arp_announce', value: '2' },
  { name: 'net.ipv4.conf.all.arp_ignore', value: '1' },
  { name: 'net.ipv4.conf.all.arp_announce', value: '2' },
]

export const PERSISTENT_FILE = '/etc/sysctl.d/60-uipvs-realserver.conf'

export interface InterfaceAddress {
  readonly interface: string
  readonly address: string
  readonly prefixLength: number
}

/** What is so at this moment. */
export interface Observed {
  readonly addresses: readonly InterfaceAddress[]
  /** Value by sysctl name; null where the kernel has no such switch. */
  readonly sysctls: Readonly<Record<string, string | null>>
  readonly persistent: boolean
}

/** What `up` has changed, to be undone by `down`. */
export interface Remembered {
  readonly vips: readonly string[]
  /** Values from before the first `up`. */
  readonly sysctls: Readonly<Record<string, string>>
}

export const NOTHING_REMEMBERED: Remembered = { vips: [], sysctls: {} }

export type Action =
  | { readonly kind: 'add-address'; readonly address: string }
  | { readonly kind: 'delete-address'; readonly address: string }
  | { readonly kind: 'set-sysctl'; readonly name: string; readonly value: string }
  | { readonly kind: 'write-persistent' }
  | { readonly kind: 'remove-persistent' }

export interface Plan {
  readonly actions: readonly Action[]
  readonly remember: Remembered
}

export function isIpv6(address: string): boolean {
  return address.includes(':')
}

export function hostPrefix(vip: string): string {
  return `${vip}/${isIpv6(vip) ? 128 : 32}`
}

export function persistentText(): string {
  const lines = SILENCE.map(({ name, value }) => `${name} = ${value}`)
  const heading = '# Written by uipvs realserver up --persist: no ARP for the VIP on lo.'
  return `${[heading, ...lines].join('\n')}\n`
}

/** The line that a person would type for it. */
export function lineOf(action: Action): string {
  switch (action.kind) {
    case 'add-address':
      return `ip addr add ${hostPrefix(action.address)} dev lo`
    case 'delete-address':
      return `ip addr del ${hostPrefix(action.address)} dev lo`
    case 'set-sysctl':
      return `sysctl -w ${action.name}=${action.value}`
    case 'write-persistent':
      return `uipvs realserver up --persist   # writes ${PERSISTENT_FILE}`
    case 'remove-persistent':
      return `rm ${PERSISTENT_FILE}`
  }
}

/** Silence first, address second: there is no moment at which the VIP is here and answered for. */
export function planUp(
  vip: string,
  seen: Observed,
  remembered: Remembered,
  persist: boolean,
): Plan {
  const settings = isIpv6(vip)
    ? []
    : SILENCE.filter(({ name, value }) => seen.sysctls[name] !== value)
  const actions: Action[] = settings.map((setting) => ({ kind: 'set-sysctl', ...setting }))
  if (persist && !isIpv6(vip) && !seen.persistent) actions.push({ kind: 'write-persistent' })
  const hasVip = isOnLo(vip, seen)
  if (!hasVip) actions.push({ kind: 'add-address', address: vip })
  const before = settings.flatMap(({ name }) => {
    const value = seen.sysctls[name]
    return typeof value === 'string' ? [[name, value] as const] : []
  })
  return {
    actions,
    remember: {
      // What was here before us is not ours to take away.
      vips: hasVip || remembered.vips.includes(vip) ? remembered.vips : [...remembered.vips, vip],
      sysctls: { ...Object.fromEntries(before), ...remembered.sysctls },
    },
  }
}

/** Address first, then the old values, if no other IPv4 VIP still needs the new ones. */
export function planDown(vip: string, seen: Observed, remembered: Remembered): Plan {
  const actions: Action[] = isOnLo(vip, seen) ? [{ kind: 'delete-address', address: vip }] : []
  const vips = remembered.vips.filter((other) => other !== vip)
  if (isIpv6(vip) || vips.some((other) => !isIpv6(other))) {
    return { actions, remember: { ...remembered, vips } }
  }
  for (const [name, value] of Object.entries(remembered.sysctls)) {
    if (seen.sysctls[name] !== value) actions.push({ kind: 'set-sysctl', name, value })
  }
  if (seen.persistent) actions.push({ kind: 'remove-persistent' })
  return { actions, remember: { vips, sysctls: {} } }
}

function isOnLo(vip: string, seen: Observed): boolean {
  return seen.addresses.some((a) => a.interface === 'lo' && a.address === vip)
}

/** What is wrong with this machine as a realserver of the VIP. */
export function checkRealserver(vip: string, seen: Observed): Finding[] {
  const findings = [checkAddress(vip, seen)]
  if (isIpv6(vip)) {
    const why =
      'the kernel answers neighbour solicitations only for addresses of the asked interface'
    findings.push(ok('nd-silence', 'IPv6 needs no switch', why))
    return findings
  }
  findings.push(
    checkSilence('arp-ignore', 'net.ipv4.conf.all.arp_ignore', ['1', '2'], seen, {
      value: '1',
      why: 'this machine answers ARP for the VIP, and takes clients away from the director',
    }),
    checkSilence('arp-announce', 'net.ipv4.conf.all.arp_announce', ['2'], seen, {
      value: '2',
      why: 'its ARP requests may carry the VIP as sender: the segment learns a wrong MAC address',
    }),
  )
  return findings
}

function checkAddress(vip: string, seen: Observed): Finding {
  const why = 'a packet for the VIP is only taken by a machine that has the VIP'
  const places = seen.addresses.filter(({ address }) => address === vip)
  const elsewhere = places.find((place) => place.interface !== 'lo')
  const onLo = places.find((place) => place.interface === 'lo')
  const host = isIpv6(vip) ? 128 : 32
  if (elsewhere !== undefined) {
    return problem(
      'vip-on-lo',
      `${vip} is on ${elsewhere.interface}`,
      'on an interface of the segment it is answered for; on a realserver it belongs on lo',
      `ip addr del ${vip}/${elsewhere.prefixLength} dev ${elsewhere.interface}`,
    )
  }
  if (onLo === undefined) {
    return problem('vip-on-lo', `${vip} is not on lo`, why, `ip addr add ${hostPrefix(vip)} dev lo`)
  }
  if (onLo.prefixLength !== host) {
    return problem(
      'vip-on-lo',
      `${vip}/${onLo.prefixLength} is on lo`,
      'with a shorter prefix every address of that network becomes this machine itself',
      `ip addr del ${vip}/${onLo.prefixLength} dev lo && ip addr add ${hostPrefix(vip)} dev lo`,
    )
  }
  return ok('vip-on-lo', `${hostPrefix(vip)} is on lo`, why)
}

function checkSilence(
  id: string,
  name: string,
  good: readonly string[],
  seen: Observed,
  wanted: { readonly value: string; readonly why: string },
): Finding {
  const value = seen.sysctls[name] ?? 'missing'
  if (good.includes(value)) return ok(id, `${name} is ${value}`, 'it keeps the VIP secret')
  return problem(id, `${name} is ${value}`, wanted.why, `sysctl -w ${name}=${wanted.value}`)
}
