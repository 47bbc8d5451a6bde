/**
 * The settings that Linux has under `net.ipv4.vs` and that decide about packets, under Linux's
 * names and with Linux's defaults (`Documentation/networking/ipvs-sysctl.rst`).
 */
export class Sysctls {
  /**
   * A client of a service by firewall mark without server goes to the address that it asked for.
   */
  cache_bypass = 0
  /**
   * What a SYN on an old connection does: 0 keep it, non-zero reschedule when closed, bit 2 in
   * FIN_WAIT.
   */
  conn_reuse_mode = 1
  /** End connections whose destination is gone, instead of dropping their packets. */
  expire_nodest_conn = 0
  /** Templates whose destination has weight 0 no longer count. */
  expire_quiescent_template = 0
  /** 0: counters and rates stand still as they were last estimated. */
  run_estimation = 1
  /** Let an ICMP error about a connection that nobody knows open it. */
  schedule_icmp = 0
  /** Let any TCP segment but a reset open a connection. */
  sloppy_tcp = 0
  /** Let any SCTP packet but an abort open a connection. */
  sloppy_sctp = 0
}

export type SysctlName = keyof Sysctls

/** Linux takes whatever an int can hold; only zero, or single bits, make a difference. */
const INT: readonly [min: number, max: number] = [-2147483648, 2147483647]

/** The values each may take. */
export const SYSCTL_RANGES: Record<SysctlName, readonly [min: number, max: number]> = {
  cache_bypass: INT,
  conn_reuse_mode: INT,
  expire_nodest_conn: INT,
  expire_quiescent_template: INT,
  run_estimation: INT,
  schedule_icmp: INT,
  sloppy_tcp: INT,
  sloppy_sctp: INT,
}

const DEFENCE = 'there is no defence against load yet'
const SYNC = 'connections are not synchronised'
const NAT = 'it is about masquerading'

/** Linux's other settings, and why they are not here. */
export const NOT_HERE: Readonly<Record<string, string>> = {
  am_droprate: DEFENCE,
  amemthresh: DEFENCE,
  backup_only: SYNC,
  conntrack: 'there is no connection tracking to tell about connections',
  debug_level: "'uipvs explain' shows what is decided",
  drop_entry: DEFENCE,
  drop_packet: DEFENCE,
  est_cpulist: 'rates are estimated by the main thread',
  est_nice: 'rates are estimated by the main thread',
  ignore_tunneled: 'the director serves no tunnels',
  lblc_expiration: 'it is always one day, the default of Linux',
  lblcr_expiration: 'it is always one day, the default of Linux',
  nat_icmp_send: NAT,
  pmtu_disc: 'it is about tunnels',
  secure_tcp: DEFENCE,
  snat_reroute: NAT,
  sync_persist_mode: SYNC,
  sync_ports: SYNC,
  sync_qlen_max: SYNC,
  sync_refresh_period: SYNC,
  sync_retries: SYNC,
  sync_sock_size: SYNC,
  sync_threshold: SYNC,
  sync_version: SYNC,
}

export function isSysctlName(name: string): name is SysctlName {
  return Object.hasOwn(SYSCTL_RANGES, name)
}
