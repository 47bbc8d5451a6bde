/**
 * Names of hosts and services, in and out. Reading a command line and printing a listing are pure
 * and answer at once; what only DNS can know is asked beforehand, through `askAddress`/`askHosts`.
 */
import type { ServiceProtocol } from '../../balance/rule.js'
import { formatIpv4, formatIpv6, isIpv6, readIpv4, readIpv6 } from './address.js'

export interface Names {
  /** The port of a service by its name or an alias, exact in case. */
  port(service: string, protocol: ServiceProtocol): number | null
  /** The main name of a port. */
  service(port: number, protocol: ServiceProtocol): string | null
  /** The IPv4 address of a host; undefined: only `askAddress` can tell. */
  address(host: string): string | null | undefined
  /** The first name of an address, as far as is known. */
  host(address: string): string | null
  askAddress(host: string): Promise<void>
  askHosts(addresses: Iterable<string>): Promise<void>
}

/** Thrown by the reading of a command line that has a host name which must be asked for first. */
export class HostWanted extends Error {
  override readonly name = 'HostWanted'
  readonly host: string

  constructor(host: string) {
    super(`the address of ${host} is not known yet`)
    this.host = host
  }
}

/** Asks elsewhere than in files. Answers null for what has no name, or none in time. */
export interface Directory {
  addressOf(host: string): Promise<string | null>
  hostsOf(addresses: readonly string[]): Promise<ReadonlyMap<string, string>>
}

/** The texts of services(5) and hosts(5), and a directory for what these do not have. */
export class FileNames implements Names {
  readonly #services: () => ServiceNames
  readonly #hosts: () => HostNames
  readonly #directory: Directory | null
  readonly #asked = new Map<string, string | null>()

  /** The texts are read when the first name is needed: `-n` needs none. */
  constructor(services: () => string, hosts: () => string, directory: Directory | null) {
    this.#services = once(() => readServices(services()))
    this.#hosts = once(() => readHosts(hosts()))
    this.#directory = directory
  }

  port(service: string, protocol: ServiceProtocol): number | null {
    return this.#services().ports.get(`${service}/${protocol}`) ?? null
  }

  service(port: number, protocol: ServiceProtocol): string | null {
    return this.#services().names.get(`${port}/${protocol}`) ?? null
  }

  address(host: string): string | null | undefined {
    const known = this.#hosts().addresses.get(host.toLowerCase())
    if (known !== undefined) return known
    return this.#directory !== null && isHostName(host) ? this.#asked.get(host) : null
  }

  host(address: string): string | null {
    return this.#hosts().names.get(address) ?? this.#asked.get(address) ?? null
  }

  async askAddress(host: string): Promise<void> {
    this.#asked.set(host, (await this.#directory?.addressOf(host)) ?? null)
  }

  async askHosts(addresses: Iterable<string>): Promise<void> {
    if (this.#directory === null) return
    const known = this.#hosts().names
    const wanted = new Set<string>()
    for (const address of addresses) {
      if (!known.has(address) && !this.#asked.has(address)) wanted.add(address)
    }
    if (wanted.size === 0) return
    const found = await this.#directory.hostsOf([...wanted])
    for (const address of wanted) this.#asked.set(address, found.get(address) ?? null)
  }
}

/** What the resolver would send to DNS at all: not `192.168.1.300`, `10.0.0.1/24` or `x;y`. */
function isHostName(host: string): boolean {
  return /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/.test(host) && !/^[0-9.]+$/.test(host)
}

function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}

interface ServiceNames {
  /** By `name/protocol`, aliases too. */
  readonly ports: ReadonlyMap<string, number>
  /** By `port/protocol`. */
  readonly names: ReadonlyMap<string, string>
}

/** services(5): `name port/protocol alias…`; of several entries for one key the first counts. */
function readServices(text: string): ServiceNames {
  const ports = new Map<string, number>()
  const names = new Map<string, string>()
  for (const [name, key, ...aliases] of entries(text)) {
    const [, port, protocol] = /^(\d+)\/(\w+)$/.exec(key ?? '') ?? []
    if (name === undefined || port === undefined) continue
    putFirst(names, `${Number(port)}/${protocol}`, name)
    for (const each of [name, ...aliases]) putFirst(ports, `${each}/${protocol}`, Number(port))
  }
  return { ports, names }
}

interface HostNames {
  /** IPv4 addresses by lower-case name. */
  readonly addresses: ReadonlyMap<string, string>
  /** First names by address, of either family. */
  readonly names: ReadonlyMap<string, string>
}

/** hosts(5): `address name alias…`. */
function readHosts(text: string): HostNames {
  const addresses = new Map<string, string>()
  const names = new Map<string, string>()
  for (const [written, name, ...aliases] of entries(text)) {
    const address = canonical(written ?? '')
    if (address === null || name === undefined) continue
    putFirst(names, address, name)
    // The C library gives the name of ::1 the IPv4 loopback address too; others of IPv6 have none.
    const ipv4 = address === '::1' ? '127.0.0.1' : isIpv6(address) ? null : address
    if (ipv4 === null) continue
    for (const each of [name, ...aliases]) putFirst(addresses, each.toLowerCase(), ipv4)
  }
  return { addresses, names }
}

function canonical(address: string): string | null {
  const groups = readIpv6(address)
  if (groups !== null) return formatIpv6(groups)
  const ipv4 = readIpv4(address)
  return ipv4 === null ? null : formatIpv4(ipv4)
}

function entries(text: string): string[][] {
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').trim())
  return lines.filter((line) => line !== '').map((line) => line.split(/\s+/))
}

function putFirst<V>(map: Map<string, V>, key: string, value: V): void {
  if (!map.has(key)) map.set(key, value)
}
