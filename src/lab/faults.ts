/**
 * Faults that `uipvs lab break` puts into a lab. Each is what somebody has really done to a
 * Direct-Routing set-up, is seen by a client or will be, and is found by `uipvs doctor` on one of
 * the hosts. Acts are shell lines in a host, or what a realserver's servers are to be; those that
 * undo may be done at any time, also when a student has mended half of it.
 */
import { ANSWERS_BY_LEG, legLines, ROUTER_LEG_LINES } from './second-leg.js'
import {
  ARTICLE,
  CIP,
  macOf,
  type Namespace,
  type Realserver,
  SILENCE_LINES,
  VIP,
  VIP6,
} from './topology.js'

export type Act =
  | { readonly host: Namespace; readonly lines: readonly string[] }
  /** The realserver's servers are ended, and started again with these words, unless null. */
  | { readonly servers: readonly string[] | null }

/** Where a fault is put, and what it has to know of the lab. */
export interface Site {
  readonly rs: Realserver
  /** What `ip` takes for the router's namespace. */
  readonly routerNamespace: string
  /** The lab's own directory. */
  readonly directory: string
  readonly vipOnDirector: boolean
}

export interface Fault {
  readonly name: string
  /** What it is, and not where. */
  readonly title: string
  /** Frames that XDP takes never reach the director's kernel, which then does no harm. */
  readonly needsKernel?: true
  acts(site: Site): readonly Act[]
  /** Rules and servers are put right by whoever undoes: they are the same for all faults. */
  undo(site: Site): readonly Act[]
}

const WEB = `${VIP}:80`
/** Nobody has it. */
const WRONG_RIP = '192.168.1.9'
const WRONG_PORT = 8080
const SMALL_MTU = 1400
const GUARD = 'netdev uipvs_eth0'

const on = (host: Namespace, ...lines: readonly string[]): Act => ({ host, lines })
const FORGET: Act = on('router', 'ip neigh flush dev eth1')
const VIP_ON_LO = `ip addr show dev lo to ${VIP} | grep -q inet || ip addr add ${VIP}/32 dev lo label lo:0`

/** The director reads its kernel's addresses again within five seconds, and mends its guard. */
const VIP_OFF_DIRECTOR = `
before=$(nft list table ${GUARD})
ip addr del ${VIP}/32 dev eth0
for i in $(seq 70)
do [ "$(nft list table ${GUARD})" != "$before" ] && break; sleep 0.1
done`

function guardOff({ directory }: Site): Act {
  return on(
    'director',
    `nft list table ${GUARD} > '${directory}/guard.nft'`,
    `nft delete table ${GUARD}`,
  )
}

function guardOn({ directory, vipOnDirector }: Site): Act {
  const lines = [`nft list table ${GUARD} > /dev/null || nft -f '${directory}/guard.nft'`]
  if (vipOnDirector) {
    lines.push(`ip addr add ${VIP}/32 dev eth0 label eth0:0`)
    lines.push(`ip addr add ${VIP6}/128 dev eth0 nodad`)
  }
  return on('director', ...lines)
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'arp-ignore',
    title: 'a realserver answers ARP for the VIP',
    acts: ({ rs }) => [
      on(
        rs.name,
        'echo 0 > /proc/sys/net/ipv4/conf/all/arp_ignore',
        'echo 0 > /proc/sys/net/ipv4/conf/lo/arp_ignore',
      ),
      FORGET,
    ],
    undo: ({ rs }) => [on(rs.name, ...SILENCE_LINES), FORGET],
  },
  {
    name: 'vip-missing',
    title: 'a realserver has no VIP on lo',
    acts: ({ rs }) => [on(rs.name, `ip addr del ${VIP}/32 dev lo`)],
    undo: ({ rs }) => [on(rs.name, VIP_ON_LO)],
  },
  {
    name: 'vip-on-eth0',
    title: 'a realserver has the VIP on eth0 instead of lo',
    acts: ({ rs }) => [
      on(rs.name, `ip addr del ${VIP}/32 dev lo`, `ip addr add ${VIP}/32 dev eth0`),
      FORGET,
    ],
    undo: ({ rs }) => [on(rs.name, `ip addr del ${VIP}/32 dev eth0`, VIP_ON_LO), FORGET],
  },
  {
    name: 'server-dead',
    title: "a realserver's servers have died",
    acts: () => [{ servers: null }],
    undo: () => [],
  },
  {
    name: 'server-on-rip',
    title: "a realserver's servers are bound to its own address only",
    acts: ({ rs }) => [{ servers: [rs.rip] }],
    undo: () => [],
  },
  {
    name: 'server-port',
    title: 'a realserver serves HTTP on another port than the VIP',
    acts: () => [{ servers: [VIP, `--http=${WRONG_PORT}`] }],
    undo: () => [],
  },
  {
    name: 'rp-filter',
    title: 'a realserver with two legs filters strictly by the reverse path',
    acts: ({ rs, routerNamespace }) => [
      on(rs.name, ...legLines(routerNamespace)),
      on('router', ...ROUTER_LEG_LINES),
      on(rs.name, ANSWERS_BY_LEG, 'echo 1 > /proc/sys/net/ipv4/conf/eth0/rp_filter'),
    ],
    undo: ({ rs }) => [
      on(rs.name, 'echo 0 > /proc/sys/net/ipv4/conf/eth0/rp_filter', 'ip link del eth1'),
    ],
  },
  {
    name: 'route-back',
    title: 'a realserver has no way back to the client',
    acts: ({ rs }) => [on(rs.name, `ip route add blackhole ${CIP}/32`)],
    undo: ({ rs }) => [on(rs.name, `ip route del blackhole ${CIP}/32`)],
  },
  {
    name: 'mtu',
    title: "a realserver's interface takes less than the segment",
    acts: ({ rs }) => [on(rs.name, `ip link set eth0 mtu ${SMALL_MTU}`)],
    undo: ({ rs }) => [on(rs.name, `ip link set eth0 mtu ${ARTICLE.mtu}`)],
  },
  {
    name: 'filter',
    title: 'a packet filter of a realserver drops requests',
    acts: ({ rs }) => [
      on(
        rs.name,
        'nft add table inet firewall',
        `nft add chain inet firewall input '{ type filter hook input priority 0; }'`,
        `nft add rule inet firewall input ip daddr ${VIP} tcp dport 80 drop`,
      ),
    ],
    undo: ({ rs }) => [on(rs.name, 'nft delete table inet firewall')],
  },
  {
    name: 'weight-0',
    title: 'a realserver was quiesced and forgotten',
    acts: ({ rs }) => [on('director', `uipvsadm -e -t ${WEB} -r ${rs.rip}:80 -g -w 0`)],
    undo: () => [],
  },
  {
    name: 'wrong-rip',
    title: 'a rule names a realserver by a wrong address',
    acts: ({ rs }) => [
      on(
        'director',
        `uipvsadm -d -t ${WEB} -r ${rs.rip}:80`,
        `uipvsadm -a -t ${WEB} -r ${WRONG_RIP}:80 -g`,
      ),
    ],
    undo: () => [],
  },
  {
    name: 'ip-forward',
    title: "the director's kernel forwards the same packets again",
    needsKernel: true,
    acts: (site) => [
      on('director', ...(site.vipOnDirector ? [VIP_OFF_DIRECTOR] : [])),
      guardOff(site),
      on(
        'director',
        `ip route add ${VIP}/32 via ${site.rs.rip} dev eth0`,
        'echo 1 > /proc/sys/net/ipv4/ip_forward',
      ),
    ],
    undo: (site) => [
      on(
        'director',
        'echo 0 > /proc/sys/net/ipv4/ip_forward',
        `ip route del ${VIP}/32 via ${site.rs.rip} dev eth0`,
      ),
      guardOn(site),
    ],
  },
  {
    name: 'no-guard',
    title: "the director's kernel answers what the director forwards",
    needsKernel: true,
    acts: (site) => [
      guardOff(site),
      ...(site.vipOnDirector ? [] : [on('director', `ip addr add ${VIP}/32 dev eth0`)]),
    ],
    undo: (site) => [
      ...(site.vipOnDirector ? [] : [on('director', `ip addr del ${VIP}/32 dev eth0`)]),
      guardOn(site),
    ],
  },
  {
    name: 'stale-arp',
    title: 'a neighbour holds on to a wrong MAC address of the VIP',
    acts: ({ rs }) => [
      on('router', `ip neigh replace ${VIP} lladdr ${macOf(rs.rip)} dev eth1 nud permanent`),
    ],
    undo: () => [on('router', `ip neigh del ${VIP} dev eth1`)],
  },
]
