/** Names as this machine knows them: its files first, then DNS, as nsswitch.conf(5) mostly says. */
import { readFileSync } from 'node:fs'
import type { Directory } from './names.js'
import { FileNames } from './names.js'

/**
 * A listing without `-n` has to be there within 150 ms in all: a name that DNS does not tell in this
 * time is shown as a number. (ipvsadm waits as long as its resolver does.)
 */
const HOSTS_WAIT_MS = 60
/** Addresses asked of DNS in one run: a big table without `-n` must not flood the name server. */
const HOSTS_ASKED_MAX = 512
/** A host name that was typed has to be found out, and is worth waiting for. */
const ADDRESS_WAIT_MS = 2000

export function systemNames(): FileNames {
  const read = (path: string) => () => readOr(path, '')
  return new FileNames(read('/etc/services'), read('/etc/hosts'), domainNames())
}

/** Asks the name servers of resolv.conf(5); null if there are none, or hosts do not come from DNS. */
function domainNames(): Directory | null {
  const hosts = /^hosts:(.*)$/m.exec(readOr('/etc/nsswitch.conf', 'hosts: files dns'))?.[1]
  const settings = readOr('/etc/resolv.conf', '')
  if (!/\b(?:dns|resolve)\b/.test(hosts ?? 'dns') || !/^nameserver\s/m.test(settings)) return null
  const search = /^(?:search|domain)\s+(.*)$/m.exec(settings)?.[1]?.trim().split(/\s+/) ?? []
  let askedCount = 0
  return {
    addressOf: (host) => askAddress(host, search),
    hostsOf: (addresses) => {
      const asked = addresses.slice(0, HOSTS_ASKED_MAX - askedCount)
      askedCount += asked.length
      return askHosts(asked)
    },
  }
}

async function askAddress(host: string, search: readonly string[]): Promise<string | null> {
  const resolver = await makeResolver(ADDRESS_WAIT_MS)
  const inSearch = host.endsWith('.') ? [] : search.map((domain) => `${host}.${domain}`)
  for (const name of host.includes('.') ? [host, ...inSearch] : [...inSearch, host]) {
    const addresses = await resolver.resolve4(name).catch(() => [])
    if (addresses[0] !== undefined) return addresses[0]
  }
  return null
}

async function askHosts(addresses: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  if (addresses.length === 0) return found
  const resolver = await makeResolver(HOSTS_WAIT_MS)
  const end = setTimeout(() => resolver.cancel(), HOSTS_WAIT_MS)
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
async function makeResolver(timeout: number) {
  const { Resolver } = await import('node:dns/promises')
  return new Resolver({ timeout, tries: 1 })
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise
  }
}
