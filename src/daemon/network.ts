/**
 * What the kernel of the director knows of the network, in the director's terms: its addresses, its
 * routes, and what follows for a set of VIPs. Read at start, and again when it changes.
 */
import { parseAddress } from '../balance/address.js'
import type { Surroundings } from '../balance/judge.js'
import type { OwnAddresses } from '../engine/link-frames.js'
import type { Route } from '../link/routes.js'
import type { Vip } from '../link/vips.js'
import {
  type KernelAddress,
  type KernelRoute,
  readAddresses,
  readInterface,
  readRoutes,
} from '../native/interfaces.js'
import { NetworkWatch } from '../native/rtnetlink.js'
import type { GuardState } from './guard.js'

const TABLES = new Set(['main', 'local', 'default'])
const REFUSING = new Set(['unreachable', 'blackhole', 'prohibit', 'throw'])

export class Network implements Surroundings {
  readonly #interfaces: readonly string[]
  readonly #watch = new NetworkWatch()
  /** Something has changed since it was read. */
  #isStale = true
  #readAt = -Infinity
  #addresses: readonly KernelAddress[] = []
  #broadcast: ReadonlySet<string> = new Set()
  #local: ReadonlySet<string> = new Set()
  #routes: readonly KernelRoute[] = []
  /** What was read last, as text: to see whether anything changed. */
  #read = ''
  /** Indices of the interfaces when the engine opened them. */
  #indices: readonly number[] = []

  constructor(interfaces: readonly string[]) {
    this.#interfaces = interfaces
  }

  /** Whether interfaces, addresses or routes may have changed since they were read. Cheap. */
  hasNews(): boolean {
    this.#isStale ||= this.#watch.takeChange()
    return this.#isStale
  }

  /** As `refresh`, but not again within `ms` of the last time: then there still are news. */
  refreshAfter(ms: number): boolean {
    return performance.now() - this.#readAt >= ms && this.refresh()
  }

  /** Reads everything again; whether anything differs from what was read before. */
  refresh(): boolean {
    // What changes while it is read is read once more.
    this.#watch.takeChange()
    this.#isStale = true
    this.#readAt = performance.now()
    this.#addresses = readAddresses()
    this.#local = new Set(this.#addresses.map((own) => own.address))
    this.#routes = readRoutes()
    const broadcast = this.#routes.filter((route) => route.type === 'broadcast')
    this.#broadcast = new Set(broadcast.map((route) => route.destination))
    const read = JSON.stringify([this.#addresses, this.#routes])
    const isNew = read !== this.#read
    this.#read = read
    this.#isStale = false
    return isNew
  }

  /** From now on `lost` compares with the interfaces that there are. */
  remember(): void {
    this.#indices = this.#interfaces.map((name) => readInterface(name).index)
  }

  /**
   * The name of an interface that has been removed, or was and is a new one by now; undefined as
   * long as all of them are those that were opened. A socket on the old one hears nothing again.
   */
  lost(): string | undefined {
    return this.#interfaces.find((name, i) => indexOf(name) !== this.#indices[i])
  }

  close(): void {
    this.#watch.close()
  }

  isBroadcast(address: string): boolean {
    return address === '255.255.255.255' || this.#broadcast.has(address)
  }

  isLocal(address: string): boolean {
    return this.#local.has(address)
  }

  hasInterface(name: string): boolean {
    return this.#addresses.some((own) => own.interface === name)
  }

  routes(): Route[] {
    return this.#routes
      .filter(
        (route) =>
          TABLES.has(route.table) && route.type !== 'broadcast' && route.type !== 'multicast',
      )
      .sort((a, b) => a.metric - b.metric)
      .flatMap((route) => this.#route(route))
  }

  #route(route: KernelRoute): Route[] {
    const network = parseAddress(route.destination)
    if (network === null) return []
    const gateway = route.gateway === undefined ? null : parseAddress(route.gateway)
    const kind =
      route.type === 'local' || route.type === 'anycast'
        ? 'local'
        : REFUSING.has(route.type)
          ? 'unreachable'
          : 'unicast'
    return [
      {
        family: network.family,
        network: network.words,
        prefixBits: route.prefixLength,
        kind,
        arm: route.interface === undefined ? -1 : this.#interfaces.indexOf(route.interface),
        gateway: gateway?.words ?? null,
        mtu: route.mtu,
      },
    ]
  }

  /** The director's own addresses on each arm, from which it asks for neighbours. */
  own(vips: readonly string[]): OwnAddresses[] {
    const served = new Set(vips)
    return this.#interfaces.map((name) => {
      const on = this.#addresses.filter((a) => a.interface === name && !served.has(a.address))
      const ipv4 = on.find((a) => a.family === 4)
      const ipv6 =
        on.find((a) => a.family === 6 && a.scope === 'link') ?? on.find((a) => a.family === 6)
      return {
        ipv4: ipv4 === undefined ? null : (parseAddress(ipv4.address)?.words[0] ?? null),
        ipv6: ipv6 === undefined ? null : (parseAddress(ipv6.address)?.words ?? null),
      }
    })
  }

  vips(addresses: readonly string[], isAnnounced: boolean): Vip[] {
    return addresses.flatMap((address) => {
      const parsed = parseAddress(address)
      if (parsed === null) return []
      return [{ ...parsed, onKernel: this.isLocal(address), announced: isAnnounced }]
    })
  }

  guarded(
    addresses: readonly string[],
    services: GuardState['services'],
    isAnnounced: boolean,
  ): GuardState {
    const vips = addresses.map((address) => ({
      address,
      onKernel: this.isLocal(address),
      arp: isAnnounced,
    }))
    return { vips, services }
  }
}

function indexOf(name: string): number {
  try {
    return readInterface(name).index
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENODEV') return 0
    throw error
  }
}
