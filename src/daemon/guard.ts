/**
 * Keeps the director's own kernel away from what the director serves.
 *
 * A packet socket only copies: every frame that it receives goes on to the kernel's IP stack too.
 * There it would be answered (RST, ICMP unreachable) where the VIP is one of the kernel's own
 * addresses, and routed once more where it is not and `ip_forward` is 1. So an nftables chain at
 * the ingress hook of each interface drops it: packet sockets see a frame before that hook, the IP
 * stack after it.
 *
 *   wire --> XDP --> packet sockets (the director) --> ingress hook (the guard) --> IP stack
 *
 * What is dropped, by VIP:
 *
 *   not on the kernel   every IP packet to it: the director answers for all of it
 *   on the kernel       what goes to a service, so that ssh to another port still works
 *   in both cases       ARP requests and neighbour solicitations for it, where the director
 *                       answers them itself (proxy_arp could make the kernel answer as well)
 *
 * What is left to the kernel on purpose, for a VIP that it holds:
 *
 *   - ICMP errors. They may concern the kernel's own connections (path MTU discovery of that ssh).
 *     About a connection that it does not know the kernel is silent, for an error is never answered
 *     with an error (RFC 1122 section 3.2.2), and it routes nothing that is addressed to itself.
 *   - Fragments behind the first one, unless all ports are served. They carry no ports, so that
 *     nobody can say whose they are.
 *     The first fragment of a served datagram is dropped: its others wait for it in the kernel, in
 *     bounded memory, and vanish in silence (time exceeded is sent only by who has the first one,
 *     RFC 792), while datagrams for the kernel's own ports are put together as ever.
 *
 * The hook comes after the kernel has taken the (outer) 802.1Q tag out of a frame, and matches by
 * the protocol inside: tagged frames are guarded like untagged ones.
 *
 * One table holds it all; each change of it is one transaction. It outlives a director
 * that is killed, which is kind to its clients (nobody resets their connections); its comment says
 * which process it belongs to, and the next director removes it: `cleanStale()`.
 *
 * nft(8) works in a user namespace as well (`unshare -Urn`).
 */
import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { runTool, ToolError } from '../native/interfaces.js'
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../wire/address.js'

export interface GuardedVip {
  readonly address: string
  /** Whether the VIP is also an address of the director's kernel. */
  readonly onKernel: boolean
  /** Whether the director itself answers ARP and neighbour discovery for it. */
  readonly arp: boolean
}

export interface GuardedService {
  readonly protocol: 'tcp' | 'udp' | 'sctp'
  readonly address: string
  /** 0: all ports. */
  readonly port: number
}

export interface GuardState {
  readonly vips: readonly GuardedVip[]
  readonly services: readonly GuardedService[]
}

export interface GuardOptions {
  /** The arms of the director. */
  readonly interfaces: readonly string[]
  /** The table's name; by default `uipvs_` and the interfaces' names. */
  readonly name?: string
}

const TABLE_PREFIX = 'uipvs_'
/** Before every other chain of the hook: what it drops, nobody else needs to look at. */
const PRIORITY = -500

export class Guard {
  /** The name of the nftables table (family netdev). */
  readonly table: string
  readonly #interfaces: readonly string[]
  /** What nft was told last. */
  #plan: Plan | null = null

  constructor({ interfaces, name }: GuardOptions) {
    if (interfaces.length === 0) throw new Error('a guard needs an interface')
    this.#interfaces = interfaces
    this.table = name ?? tableName(interfaces)
  }

  /**
   * Fails if a living director serves one of these interfaces, alone or with others: every frame
   * would be forwarded twice. Also if its table has this name by chance (`eth0.1` and `eth0_1`).
   */
  assertFree(): void {
    for (const table of tablesOfOurs()) {
      const text = textOf(table)
      const owner = ownerOf(text)
      if (owner === null || owner === process.pid) continue
      const shared = this.#interfaces.filter((name) => text.includes(` device "${name}" `))
      if (shared.length === 0 && table !== this.table) continue
      const where = (shared.length === 0 ? this.#interfaces : shared).join(', ')
      throw new ToolError(
        'EBUSY',
        `another director serves ${where} (pid ${owner}); stop that one first`,
      )
    }
  }

  /**
   * Puts the rules for `state` in the place of those before, in one step. What only adds and takes
   * addresses and ports is told to nft as that: thousands of services need not be said again.
   */
  update(state: GuardState): void {
    const plan = planOf(state)
    const change = this.#plan === null ? null : changeBetween(this.table, this.#plan, plan)
    if (change !== '') {
      try {
        if (change === null) nft(['-f', '-'], this.ruleset(state))
        else nft(['-f', '-'], change)
      } catch (error) {
        // Somebody has taken our table away, or parts of it: all of it is put back.
        if (change === null) throw error
        nft(['-f', '-'], this.ruleset(state))
      }
    }
    this.#plan = plan
  }

  /** Takes all rules away. Nothing happens if there are none. */
  remove(): void {
    this.#plan = null
    nft(['-f', '-'], `table netdev ${this.table} {}\ndelete table netdev ${this.table}\n`)
  }

  /** What `update` feeds to `nft -f -`. */
  ruleset(wanted: GuardState): string {
    const { sets, rules } = planOf(wanted)
    const chains = [...new Set(this.#interfaces)].map((name, i) => {
      return [
        `  chain arm${i} {`,
        `    type filter hook ingress device "${name}" priority ${PRIORITY}; policy accept;`,
        ...rules.map((rule) => `    ${rule}`),
        '  }',
      ].join('\n')
    })
    return [
      // Adding what may be there, and then deleting it, is how nft says "delete if there is one".
      `table netdev ${this.table} {}`,
      `delete table netdev ${this.table}`,
      `table netdev ${this.table} {`,
      `  comment "${ownerComment(process.pid)}"`,
      ...SETS.map(({ name, type }) => {
        const elements = [...sets[name]].join(', ')
        return `  set ${name} { type ${type}; ${elements && `elements = { ${elements} };`} }`
      }),
      ...chains,
      '}',
      '',
    ].join('\n')
  }

  /**
   * Removes the tables of directors that are dead (killed, so that they could not remove them
   * themselves) in this network namespace, and returns their names.
   */
  static cleanStale(): string[] {
    const stale = tablesOfOurs().filter((name) => ownerOf(textOf(name)) === null)
    for (const name of stale) nft(['delete', 'table', 'netdev', name])
    return stale
  }
}

/** nft's names know letters, digits, and few signs; an interface's name knows nearly all. */
function tableName(interfaces: readonly string[]): string {
  return TABLE_PREFIX + interfaces.map((name) => name.replace(/[^A-Za-z0-9]/g, '_')).join('_')
}

/** The sets of the table, and what is dropped by them. `th dport` matches first fragments only. */
const SETS = [
  { name: 'absent4', type: 'ipv4_addr', rule: 'ip daddr @absent4' },
  { name: 'absent6', type: 'ipv6_addr', rule: 'ip6 daddr @absent6' },
  {
    name: 'port4',
    type: 'ipv4_addr . inet_proto . inet_service',
    rule: 'ip daddr . meta l4proto . th dport @port4',
  },
  {
    name: 'port6',
    type: 'ipv6_addr . inet_proto . inet_service',
    rule: 'ip6 daddr . meta l4proto . th dport @port6',
  },
  { name: 'all4', type: 'ipv4_addr . inet_proto', rule: 'ip daddr . meta l4proto @all4' },
  { name: 'all6', type: 'ipv6_addr . inet_proto', rule: 'ip6 daddr . meta l4proto @all6' },
  { name: 'arp4', type: 'ipv4_addr', rule: 'arp operation request arp daddr ip @arp4' },
] as const

type SetName = (typeof SETS)[number]['name']

/** The elements of each set, and the rules of each chain. */
interface Plan {
  readonly sets: Readonly<Record<SetName, ReadonlySet<string>>>
  readonly rules: readonly string[]
}

function planOf(wanted: GuardState): Plan {
  const { vips, services } = canonicalState(wanted)
  const sets: Record<SetName, Set<string>> = {
    absent4: new Set(),
    absent6: new Set(),
    port4: new Set(),
    port6: new Set(),
    all4: new Set(),
    all6: new Set(),
    arp4: new Set(),
  }
  const onKernel = new Set<string>()
  const solicited: string[] = []
  for (const { address, onKernel: isHeld, arp } of vips) {
    if (isHeld) onKernel.add(address)
    else sets[isIPv6(address) ? 'absent6' : 'absent4'].add(address)
    if (!arp) continue
    if (isIPv6(address)) solicited.push(address)
    else sets.arp4.add(address)
  }
  for (const { address, protocol, port } of services) {
    if (!onKernel.has(address)) continue
    const key = `${address} . ${protocol}`
    if (port === 0) sets[isIPv6(address) ? 'all6' : 'all4'].add(key)
    else sets[isIPv6(address) ? 'port6' : 'port4'].add(`${key} . ${port}`)
  }
  // The target address follows the ICMPv6 header's 8 bytes (RFC 4861 section 4.3); nft knows it by
  // name only since 1.0.9, and sets of such values not at all before.
  const solicitations = [...new Set(solicited)].map(
    (address) => `icmpv6 type nd-neighbor-solicit @th,64,128 ${hex(address)} drop`,
  )
  return { sets, rules: [...SETS.map(({ rule }) => `${rule} drop`), ...solicitations] }
}

/** What leads from one plan to another, for nft; null if rules differ; '' if nothing does. */
function changeBetween(table: string, before: Plan, after: Plan): string | null {
  if (before.rules.join('\n') !== after.rules.join('\n')) return null
  const lines: string[] = []
  for (const { name } of SETS) {
    const [old, now] = [before.sets[name], after.sets[name]]
    const gone = [...old].filter((element) => !now.has(element))
    const fresh = [...now].filter((element) => !old.has(element))
    if (gone.length > 0) lines.push(`delete element netdev ${table} ${name} { ${gone.join(', ')} }`)
    if (fresh.length > 0) lines.push(`add element netdev ${table} ${name} { ${fresh.join(', ')} }`)
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

/** An IPv6 address as nft wants a number of 128 bits. */
function hex(address: string): string {
  const words = new Int32Array(4)
  parseIpv6(address, words)
  return `0x${[...words].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')}`
}

/** Spellings that were asked for before: thousands of services are gone through at each change. */
const spellings = new Map<string, string>()
const SPELLINGS_MAX = 100_000

/** The one spelling of an address by which VIPs and services are compared. Throws if it is none. */
function canonical(address: string): string {
  const known = spellings.get(address)
  if (known !== undefined) return known
  if (spellings.size >= SPELLINGS_MAX) spellings.clear()
  const spelling = spell(address)
  spellings.set(address, spelling)
  return spelling
}

function spell(address: string): string {
  const words = new Int32Array(4)
  if (parseIpv6(address, words)) return formatIpv6(words[0], words[1], words[2], words[3])
  const four = parseIpv4(address)
  if (four === null) throw new RangeError(`"${address}" is no IP address (guard)`)
  return formatIpv4(four)
}

function canonicalState({ vips, services }: GuardState): GuardState {
  return {
    vips: vips.map((vip) => ({ ...vip, address: canonical(vip.address) })),
    services: services.map((service) => ({ ...service, address: canonical(service.address) })),
  }
}

/** A process id alone may be somebody else's by now; with its start time it can't. */
function ownerComment(pid: number): string {
  return `uipvs director ${pid} started ${startOf(pid)}`
}

/** When a process started, in clock ticks since the machine did; undefined if there is none. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Field 22 of proc_pid_stat(5); the second one is a name that may hold spaces and brackets.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

/** A table as nft prints it. */
function textOf(table: string): string {
  return nft(['list', 'table', 'netdev', table])
}

/** The process that made the table that prints as `text`, if it lives. */
function ownerOf(text: string): number | null {
  const owner = /comment "uipvs director (\d+) started (\d+)"/.exec(text)
  return owner !== null && startOf(Number(owner[1])) === owner[2] ? Number(owner[1]) : null
}

/** Names of the tables that directors have made in this network namespace. */
function tablesOfOurs(): string[] {
  const listed = JSON.parse(nft(['-j', 'list', 'tables', 'netdev'])) as {
    nftables: { table?: { name: string } }[]
  }
  return listed.nftables
    .flatMap((entry) => (entry.table === undefined ? [] : [entry.table.name]))
    .filter((name) => name.startsWith(TABLE_PREFIX))
}

function nft(args: readonly string[], input = ''): string {
  return runTool('nft', args, 'nftables', input)
}
