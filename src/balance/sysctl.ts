/**
 * The settings that Linux has under `net.ipv4.vs` and that decide about packets, under Linux's
 * names and with Linux's defaults (`Documentation/networking/ipvs-sysctl.rst`).
 */
export class Sysctls {
  /** `drop_packet` 3: of so many new connections one is dropped. */
  am_droprate = 10
  /** Memory is low when fewer than so many pages are free (`defence.ts` says what a page is). */
  amemthresh = 1024
  /**
   * A client of a service by firewall mark without server goes to the address that it asked for.
   */
  cache_bypass = 0
  /**
   * What a SYN on an old connection does: 0 keep it, non-zero reschedule when closed, bit 2 in
   * FIN_WAIT.
   */
  conn_reuse_mode = 1
  /** End connections at random that cost little to lose: 0 never, 1 and 2 when memory is low, 3. */
  drop_entry = 0
  /** Drop some of the packets that would open a connection; values as for `drop_entry`. */
  drop_packet = 0
  /** End connections whose destination is gone, instead of dropping their packets. */
  expire_nodest_conn = 0
  /** Templates whose destination has weight 0 no longer count. */
  expire_quiescent_template = 0
  /** How long `lblc` remembers an address that nobody asks for, in seconds. */
  lblc_expiration = 86_400
  /** The same for `lblcr`; and how long a set of several destinations stays as it is. */
  lblcr_expiration = 86_400
  /** 0: counters and rates stand still as they were last estimated. */
  run_estimation = 1
  /** Let an ICMP error about a connection that nobody knows open it. */
  schedule_icmp = 0
  /** The state table that believes a SYN less; values as for `drop_entry`. */
  secure_tcp = 0
  /** Let any TCP segment but a reset open a connection. */
  sloppy_tcp = 0
  /** Let any SCTP packet but an abort open a connection. */
  sloppy_sctp = 0
}

export type SysctlName = keyof Sysctls

/** Linux takes whatever an int can hold; only zero, or single bits, make a difference. */
const INT: readonly [min: number, max: number] = [-2147483648, 2147483647]
const DEFENCE_MODE: readonly [min: number, max: number] = [0, 3]
/** Linux keeps these in jiffies, in an int; with its HZ of 100. */
const SECONDS: readonly [min: number, max: number] = [0, 21_474_836]

/** The values each may take. */
export const SYSCTL_RANGES: Record<SysctlName, readonly [min: number, max: number]> = {
  am_droprate: INT,
  amemthresh: INT,
  cache_bypass: INT,
  conn_reuse_mode: INT,
  drop_entry: DEFENCE_MODE,
  drop_packet: DEFENCE_MODE,
  expire_nodest_conn: INT,
  expire_quiescent_template: INT,
  lblc_expiration: SECONDS,
  lblcr_expiration: SECONDS,
  run_estimation: INT,
  schedule_icmp: INT,
  secure_tcp: DEFENCE_MODE,
  sloppy_tcp: INT,
  sloppy_sctp: INT,
}

export interface FixedSysctl {
  /** Linux's default, and the only value that it can have here. */
  readonly value: string
  /** Why no other. */
  readonly reason: string
}

const SYNC = 'connections are not synchronised'
const NAT = 'it is about masquerading'

/**
 * Linux's other settings. They are listed, and may be set to what they are, so that a script that
 * writes Linux's defaults is content; any other value would promise what does not happen.
 */
export const FIXED_SYSCTLS: Readonly<Record<string, FixedSysctl>> = {
  backup_only: { value: '0', reason: SYNC },
  conntrack: { value: '0', reason: 'there is no connection tracking to tell about connections' },
  ignore_tunneled: { value: '0', reason: 'the director serves no tunnels' },
  nat_icmp_send: { value: '0', reason: NAT },
  pmtu_disc: { value: '1', reason: 'it is about tunnels' },
  snat_reroute: { value: '1', reason: NAT },
  sync_persist_mode: { value: '0', reason: SYNC },
  sync_ports: { value: '1', reason: SYNC },
  sync_refresh_period: { value: '0', reason: SYNC },
  sync_retries: { value: '0', reason: SYNC },
  sync_sock_size: { value: '0', reason: SYNC },
  sync_threshold: { value: '3 50', reason: SYNC },
  sync_version: { value: '1', reason: SYNC },
}

export function isSysctlName(name: string): name is SysctlName {
  return Object.hasOwn(SYSCTL_RANGES, name)
}

/** One of Linux's settings that can't be changed here, or undefined. */
export function fixedSysctl(name: string): FixedSysctl | undefined {
  return Object.hasOwn(FIXED_SYSCTLS, name) ? FIXED_SYSCTLS[name] : undefined
}
