/** Names as this machine knows them: its files first, then DNS, as nsswitch.conf(5) mostly says. */
import type { Resolver } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { type Directory, FileNames } from './names.js'

/**
 * A listing without `-n` has to be there within 150 ms in all: a name that DNS does not tell in
 * this time is shown as a number. (ipvsadm waits as long as its resolver does.)
 */
const HOSTS_WAIT_MS = 40
/** Addresses asked of DNS in one run: a big table without `-n` must not flood the name server. */
const HOSTS_ASKED_MAX = 512
/** A host name that was typed has to be found out, and is worth waiting for. */
const ADDRESS_WAIT_MS = 2000

export function systemNames(): FileNames {
  const read = (path: string) => () => readOr(path, '')
  const switches = readOr('/etc/nsswitch.conf', '')
  const directory = domainNames(switches, readOr('/etc/resolv.conf', ''))
  return new FileNames(read('/etc/services'), read('/etc/hosts'), directory)
}

/**
 * Asks the name servers of resolv.conf(5); null if there are none, or if nsswitch.conf(5) does not
 * have hosts looked up there.
 * @param servers others to ask instead, `ADDRESS:PORT`.
 * @param hostsWaitMs how long the names of addresses are waited for, in all.
 */
export function domainNames(
  switches: string,
  settings: string,
  servers: readonly string[] = [],
  hostsWaitMs = HOSTS_WAIT_MS,
): Directory | null {
  const sources = /^hosts:(.*)$/m.exec(switches)?.[1] ?? 'files dns'
  if (!/\b(?:dns|resolve)\b/.test(sources) || !/^nameserver\s/m.test(settings)) return null
  const search = /^(?:search|domain)\s+(.*)$/m.exec(settings)?.[1]?.trim().split(/\s+/) ?? []
  let askedCount = 0
  // Of the whole run: a long list of connections asks many times.
  let leftMs = hostsWaitMs
  return {
    addressOf: async (host) =>
      askAddress(await makeResolver(ADDRESS_WAIT_MS, servers), host, search),
    hostsOf: async (addresses) => {
      const asked = leftMs > 0 ? addresses.slice(0, HOSTS_ASKED_MAX - askedCount) : []
      askedCount += asked.length
      if (asked.length === 0) return new Map()
      const resolver = await makeResolver(hostsWaitMs, servers)
      const start = performance.now()
      const found = await askHosts(resolver, asked, leftMs)
      leftMs -= Math.ceil(performance.now() - start)
      return found
    },
  }
}

/** A name without a dot is looked for in the search domains first, others there last. */
async function askAddress(
  resolver: Resolver,
  host: string,
  search: readonly string[],
): Promise<string | null> {
  const inSearch = host.endsWith('.') ? [] : search.map((domain) => `${host}.${domain}`)
  for (const name of host.includes('.') ? [host, ...inSearch] : [...inSearch, host]) {
    const addresses = await resolver.resolve4(name).catch(() => [])
    if (addresses[0] !== undefined) return addresses[0]
  }
  return null
}

async function askHosts(
  resolver: Resolver,
  addresses: readonly string[],
  waitMs: number,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  const end = setTimeout(() => resolver.cancel(), waitMs)
  await Promise.all(
    addresses.map(async (address) => {
      const [name] = await resolver.reverse(address).catch(() => [])
      if (name !== undefined) found.set(address, name)
    }),
  )
  clearTimeout(end)
  return found
}

/** Imported only when DNS is needed: most runs are not. */
async function makeResolver(timeout: number, servers: readonly string[]): Promise<Resolver> {
  const dns = await import('node:dns/promises')
  const resolver = new dns.Resolver({ timeout, tries: 1 })
  if (servers.length > 0) resolver.setServers(servers)
  return resolver
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise
  }
}
