/**
 * The article's figure as a value: its hosts, addresses and wires, and the shell lines that make
 * them. Nothing here touches the machine; `namespaces.ts` carries the lines out.
 *
 *                     client  eth0  CIP 192.168.1.254   2001:db8:1::254
 *                        |
 *                        |   a wire of their own
 *                        |
 *              eth0   router   192.168.1.253   proxy ARP on both of its wires
 *              eth1      |
 *                        |
 *   =====================+===================   192.168.1.0/24, 2001:db8:1::/64 (one bridge)
 *      |          |             |          |
 *   director     rs1           rs2        rs3
 *   eth0         eth0          eth0       eth0
 *   DIP  .1      RIP1  .2      RIP2  .3   RIP3  .4
 *   VIP  .110    VIP on lo     VIP on lo  VIP on lo: 192.168.1.110/32, 2001:db8:1::110/128
 *   (eth0:0)     (silent)      (silent)   (silent)
 *
 * In the figure the client stands above the router, and yet has an address of the segment. Both are
 * true here. The client believes that 192.168.1.0/24 is its own wire; the router answers its ARP
 * requests (proxy ARP, RFC 1027), takes the frames, and routes them to the segment. There it does
 * the same for the client's address, which it reaches by a host route. So every frame crosses the
 * router (TTL 63 at the director), the segment sees only the router's MAC address for the client,
 * and the router is the one who asks "who has the VIP?", which is what Direct Routing stands or
 * falls with. For IPv6 the client has a default route through the router, and the router answers
 * neighbour solicitations for the client's one address (RFC 4389).
 *
 * MAC addresses are 02:00 followed by the IPv4 address of their interface, so that a hex dump can
 * be read: 02:00:c0:a8:01:03 is 192.168.1.3, rs2. (The router's on the client's wire begins with
 * 06.)
 */

export const VIP = '192.168.1.110'
export const VIP6 = '2001:db8:1::110'
export const CIP = '192.168.1.254'
export const CIP6 = '2001:db8:1::254'
export const DIP = '192.168.1.1'
export const DIP6 = '2001:db8:1::1'
export const ROUTER_ADDRESS = '192.168.1.253'
const ROUTER_ADDRESS6 = '2001:db8:1::253'
/** The router's address on the client's wire: the client's IPv6 gateway. */
const ROUTER_LINK_LOCAL = 'fe80::253'

export const REALSERVERS = [
  { name: 'rs1', rip: '192.168.1.2', rip6: '2001:db8:1::2' },
  { name: 'rs2', rip: '192.168.1.3', rip6: '2001:db8:1::3' },
  { name: 'rs3', rip: '192.168.1.4', rip6: '2001:db8:1::4' },
] as const
export type Realserver = (typeof REALSERVERS)[number]
export type RealserverName = Realserver['name']

/** Hosts that a person may enter. The bridge lives in one more namespace, `segment`. */
export const HOSTS = ['client', 'router', 'director', 'rs1', 'rs2', 'rs3'] as const
export type Host = (typeof HOSTS)[number]
export type Namespace = Host | 'segment'
export const NAMESPACES: readonly Namespace[] = ['segment', ...HOSTS]

/** The article's four lines, which keep a realserver from answering ARP for what it has on `lo`. */
export const SILENCE_LINES = [
  'echo 1 > /proc/sys/net/ipv4/conf/lo/arp_ignore',
  'echo 2 > /proc/sys/net/ipv4/conf/lo/arp_announce',
  'echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore',
  'echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce',
] as const

export interface TopologyOptions {
  /** Put the VIP on the director's eth0:0 too, as the article does. */
  readonly vipOnDirector: boolean
  /** Whether this kernel has IPv6 at all. */
  readonly ipv6: boolean
  /** MTU of every interface in bytes of IP packet. */
  readonly mtu: number
}

export const ARTICLE: TopologyOptions = { vipOnDirector: true, ipv6: true, mtu: 1500 }

/** Shell lines to run in one namespace, as root, in order. */
export interface Step {
  readonly namespace: Namespace
  readonly lines: readonly string[]
}

export function macOf(address: string): string {
  const octets = address.split('.').map((octet) => Number(octet).toString(16).padStart(2, '0'))
  return `02:00:${octets.join(':')}`
}

/**
 * Everything that has to be done once the namespaces exist. `pathOf` gives what `ip` takes for a
 * namespace: a name or a path. Wires come first, since a host can only configure what it has.
 */
export function steps(options: TopologyOptions, pathOf: (ns: Namespace) => string): Step[] {
  const family = (v4: string[], v6: string[]) => (options.ipv6 ? [...v4, ...v6] : v4)
  const hosts: Step[] = [
    {
      namespace: 'client',
      lines: interfaceLines(options, CIP, [
        ...family(
          [`ip addr add ${CIP}/24 dev eth0`],
          [
            `ip addr add ${CIP6}/128 dev eth0 nodad`,
            `ip route add default via ${ROUTER_LINK_LOCAL} dev eth0`,
          ],
        ),
      ]),
    },
    { namespace: 'router', lines: routerLines(options) },
    {
      namespace: 'director',
      lines: interfaceLines(options, DIP, [
        ...family([`ip addr add ${DIP}/24 dev eth0`], [`ip addr add ${DIP6}/64 dev eth0 nodad`]),
        ...(options.vipOnDirector
          ? family(
              [`ip addr add ${VIP}/32 dev eth0 label eth0:0`],
              [`ip addr add ${VIP6}/128 dev eth0 nodad`],
            )
          : []),
      ]),
    },
    ...REALSERVERS.map(
      ({ name, rip, rip6 }): Step => ({
        namespace: name,
        lines: interfaceLines(options, rip, [
          ...SILENCE_LINES,
          ...family(
            [`ip addr add ${rip}/24 dev eth0`, `ip addr add ${VIP}/32 dev lo label lo:0`],
            [`ip addr add ${rip6}/64 dev eth0 nodad`, `ip addr add ${VIP6}/128 dev lo nodad`],
          ),
        ]),
      }),
    ),
  ]
  return [{ namespace: 'segment', lines: wireLines(options, pathOf) }, ...hosts]
}

/** Cables, and the bridge that is the segment. Run in the bridge's namespace. */
function wireLines(options: TopologyOptions, pathOf: (ns: Namespace) => string): string[] {
  const mtu = `mtu ${options.mtu}`
  const lines = [
    // The bridge itself is no host: it shall not speak on the segment, only carry frames.
    ...(options.ipv6
      ? ['all', 'default'].map((name) => `echo 1 > /proc/sys/net/ipv6/conf/${name}/disable_ipv6`)
      : []),
    'ip link set lo up',
    'ip link add segment type bridge forward_delay 0 mcast_snooping 0',
    'ip link set segment up',
    `ip link add eth0 netns ${pathOf('client')} ${mtu} type veth ` +
      `peer name eth0 netns ${pathOf('router')} ${mtu}`,
  ]
  for (const host of HOSTS) {
    if (host === 'client') continue
    const name = host === 'router' ? 'eth1' : 'eth0'
    lines.push(
      `ip link add ${host} ${mtu} type veth peer name ${name} netns ${pathOf(host)} ${mtu}`,
      `ip link set ${host} master segment up`,
    )
  }
  return lines
}

/** `lines` between giving eth0 its MAC address and using it. */
function interfaceLines(options: TopologyOptions, address: string, lines: string[]): string[] {
  return [
    ...quietIpv6(options, ['eth0']),
    'ip link set lo up',
    `ip link set eth0 address ${macOf(address)} up`,
    ...lines,
  ]
}

function routerLines(options: TopologyOptions): string[] {
  const v4 = [
    `ip link set eth0 address ${macOf(CIP).replace('02:', '06:')} up`,
    `ip link set eth1 address ${macOf(ROUTER_ADDRESS)} up`,
    `ip addr add ${ROUTER_ADDRESS}/24 dev eth1`,
    `ip addr add ${ROUTER_ADDRESS}/32 dev eth0`,
    `ip route add ${CIP}/32 dev eth0`,
    // A proxy waits up to 0.8 s before it answers, to let the true owner come first; there is none.
    ...['eth0', 'eth1'].flatMap((name) => [
      `echo 1 > /proc/sys/net/ipv4/conf/${name}/proxy_arp`,
      `echo 0 > /proc/sys/net/ipv4/neigh/${name}/proxy_delay`,
    ]),
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
  ]
  const v6 = [
    'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding',
    'echo 1 > /proc/sys/net/ipv6/conf/eth1/proxy_ndp',
    'echo 0 > /proc/sys/net/ipv6/neigh/eth1/proxy_delay',
    `ip addr add ${ROUTER_LINK_LOCAL}/64 dev eth0 nodad`,
    `ip addr add ${ROUTER_ADDRESS6}/64 dev eth1 nodad`,
    `ip route add ${CIP6}/128 dev eth0`,
    `ip neigh add proxy ${CIP6} dev eth1`,
  ]
  return [
    ...quietIpv6(options, ['eth0', 'eth1']),
    'ip link set lo up',
    ...(options.ipv6 ? [...v4, ...v6] : v4),
  ]
}

/** No waiting for duplicate address detection (a second per address), no router discovery. */
function quietIpv6(options: TopologyOptions, interfaces: readonly string[]): string[] {
  if (!options.ipv6) return []
  // `all` and `default` too: an interface made later takes `default`, and for accept_dad the larger
  // of `all` and its own value counts.
  return ['all', 'default', ...interfaces].flatMap((name) => [
    `echo 0 > /proc/sys/net/ipv6/conf/${name}/accept_dad`,
    `echo 0 > /proc/sys/net/ipv6/conf/${name}/router_solicitations`,
    `echo 0 > /proc/sys/net/ipv6/conf/${name}/accept_ra`,
  ])
}
