/**
 * The interfaces, addresses and routes of the kernel's network namespace.
 *
 * An interface is asked for by ioctl (`linux/if.h`, `linux/sockios.h`, netdevice(7)) and not read
 * from /sys/class/net: in `unshare -Urn` /sys still shows the interfaces of the namespace that
 * mounted it. Addresses and routes come from iproute2, whose JSON is stable and typed here; they
 * are read at start and on demand, never on the path of a frame.
 */
import { execFileSync } from 'node:child_process'
import { check, close, errno, errnoOf, ioctl, SystemCallError, socket } from './libc.js'
import { AF_INET, SOCK_CLOEXEC, SOCK_DGRAM } from './socket.js'

export const SIOCGIFFLAGS = 0x8913
export const SIOCGIFMTU = 0x8921
export const SIOCGIFHWADDR = 0x8927
export const SIOCGIFINDEX = 0x8933
export const IFF_UP = 0x1
export const IFF_RUNNING = 0x40
/** Bytes of a name with its final zero. */
export const IFNAMSIZ = 16

/** `struct ifreq`: a name, then a union of which we read these members. */
export const ifreq = {
  size: 40,
  ifr_name: 0,
  ifr_flags: 16,
  ifr_ifindex: 16,
  ifr_mtu: 16,
  ifr_hwaddr: 16,
} as const

export interface Interface {
  readonly name: string
  readonly index: number
  /** `02:00:00:00:00:01` */
  readonly mac: string
  /** The same as two numbers: the first 16 bits, and the last 32 as an int32 bit pattern. */
  readonly macHigh: number
  readonly macLow: number
  /** Bytes of the largest IP packet. */
  readonly mtu: number
  readonly isUp: boolean
  /** ARPHRD_*: 1 is Ethernet, 772 the loopback. */
  readonly hardwareType: number
}

/** What the kernel says of the interface `name`. Throws a SystemCallError if there is none. */
export function readInterface(name: string): Interface {
  if (name === '' || Buffer.byteLength(name) >= IFNAMSIZ) {
    const hint = `an interface's name has 1 to ${IFNAMSIZ - 1} bytes, \`ip link\` lists them`
    throw new SystemCallError('ioctl', errnoOf('ENODEV'), `"${name}"`, hint)
  }
  const fd = check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket', name)
  try {
    const index = ask(fd, SIOCGIFINDEX, name).getInt32(ifreq.ifr_ifindex, true)
    const mtu = ask(fd, SIOCGIFMTU, name).getInt32(ifreq.ifr_mtu, true)
    const flags = ask(fd, SIOCGIFFLAGS, name).getInt16(ifreq.ifr_flags, true)
    const hardware = ask(fd, SIOCGIFHWADDR, name)
    // `struct sockaddr`: the type, then the address in the order of the wire.
    const address = ifreq.ifr_hwaddr + 2
    const mac = Array.from({ length: 6 }, (_, i) => hardware.getUint8(address + i))
    return {
      name,
      index,
      mac: mac.map((byte) => byte.toString(16).padStart(2, '0')).join(':'),
      macHigh: hardware.getUint16(address),
      macLow: hardware.getInt32(address + 2),
      mtu,
      isUp: (flags & IFF_UP) !== 0,
      hardwareType: hardware.getUint16(ifreq.ifr_hwaddr, true),
    }
  } finally {
    close(fd)
  }
}

function ask(fd: number, request: number, name: string): DataView {
  const bytes = new Uint8Array(ifreq.size)
  bytes.set(Buffer.from(name), ifreq.ifr_name)
  if (ioctl(fd, request, bytes) === -1) throw new SystemCallError('ioctl', errno(), name)
  return new DataView(bytes.buffer)
}

export interface KernelAddress {
  readonly interface: string
  readonly index: number
  readonly family: 4 | 6
  readonly address: string
  readonly prefixLength: number
  readonly scope: string
}

export interface KernelRoute {
  readonly family: 4 | 6
  /** `unicast`, `local`, `broadcast`, `multicast`, `blackhole`, … */
  readonly type: string
  /** `main`, `local`, or a number. */
  readonly table: string
  /** Address of the network, `0.0.0.0` or `::` with prefix length 0 for the default route. */
  readonly destination: string
  readonly prefixLength: number
  readonly gateway: string | undefined
  readonly interface: string | undefined
  readonly metric: number
  /** MTU of the route in bytes, 0: the interface's. */
  readonly mtu: number
}

/** All addresses of all interfaces that are in this network namespace. */
export function readAddresses(): KernelAddress[] {
  const links = ipJson<{
    ifname?: string
    ifindex?: number
    addr_info?: { family?: string; local?: string; prefixlen?: number; scope?: string }[]
  }>(['addr', 'show'])
  return links.flatMap((link) =>
    (link.addr_info ?? [])
      .filter((a) => a.local !== undefined && (a.family === 'inet' || a.family === 'inet6'))
      .map((a) => ({
        interface: link.ifname ?? '',
        index: link.ifindex ?? 0,
        family: a.family === 'inet6' ? 6 : 4,
        address: a.local ?? '',
        prefixLength: a.prefixlen ?? 0,
        scope: a.scope ?? '',
      })),
  )
}

/** All routes of all tables, of both families. A route of several next hops is one for each. */
export function readRoutes(): KernelRoute[] {
  return [...routesOf(4), ...routesOf(6)]
}

interface RouteJson {
  type?: string
  dst?: string
  gateway?: string
  via?: { host?: string }
  dev?: string
  table?: string
  metric?: number
  metrics?: { mtu?: number }[]
  nexthops?: { gateway?: string; dev?: string }[]
}

function routesOf(family: 4 | 6): KernelRoute[] {
  const routes = ipJson<RouteJson>([family === 6 ? '-6' : '-4', 'route', 'show', 'table', 'all'])
  return routes.flatMap((route) => {
    const whole = family === 6 ? 128 : 32
    const [network = '', length] = (route.dst ?? 'default').split('/')
    const isDefault = network === 'default'
    const common = {
      family,
      type: route.type ?? 'unicast',
      table: route.table ?? 'main',
      destination: isDefault ? (family === 6 ? '::' : '0.0.0.0') : network,
      prefixLength: isDefault ? 0 : length === undefined ? whole : Number(length),
      metric: route.metric ?? 0,
      mtu: route.metrics?.find((metrics) => metrics.mtu !== undefined)?.mtu ?? 0,
    }
    const hops = route.nexthops ?? [{ gateway: route.gateway ?? route.via?.host, dev: route.dev }]
    return hops.map((hop) => ({ ...common, gateway: hop.gateway, interface: hop.dev }))
  })
}

/** Whom the kernel knows as the neighbour with this address; null if nobody. */
export function readNeighbour(
  interfaceName: string,
  address: string,
): { readonly mac: string; readonly state: string } | null {
  const [entry] = ipJson<{ lladdr?: string; state?: string[] }>([
    'neigh',
    'show',
    address,
    'dev',
    interfaceName,
  ])
  if (entry?.lladdr === undefined) return null
  return { mac: entry.lladdr, state: entry.state?.join(' ') ?? '' }
}

function ipJson<T>(args: string[]): T[] {
  // iproute2 prints nothing at all, instead of an empty list, for an empty routing table.
  const text = runTool('ip', ['-j', ...args], 'iproute2')
  return text.trim() === '' ? [] : JSON.parse(text)
}

/** A program of the system could not do its work; the message says all there is to say. */
export class ToolError extends Error {
  override readonly name = 'ToolError'
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Runs a system administrator's program, also where a user's PATH lacks the sbin directories. */
export function runTool(file: string, args: readonly string[], pkg: string, input = ''): string {
  try {
    return execFileSync(file, args, {
      encoding: 'utf8',
      input,
      stdio: 'pipe',
      maxBuffer: 1 << 28,
      env: { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' },
    })
  } catch (error) {
    const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: string }
    if (code === 'ENOENT') {
      throw new ToolError(
        'ENOENT',
        `${file} is not installed (${args.join(' ')}); apt-get install ${pkg}`,
      )
    }
    const reason = (stderr ?? String(error)).trim()
    const hint = reason.includes('Operation not permitted')
      ? 'run it as root, or give it CAP_NET_ADMIN'
      : '`uipvs doctor` checks'
    throw new ToolError('EFAULT', `${file} failed: ${reason} (${file} ${args.join(' ')}); ${hint}`)
  }
}
