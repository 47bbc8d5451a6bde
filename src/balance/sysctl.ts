/**
 * The settings that Linux has under `net.ipv4.vs` and that decide about packets, under Linux's
 * names and with Linux's defaults (`Documentation/networking/ipvs-sysctl.rst`).
 */
export class Sysctls {
  /**
   * What a SYN on an old connection does: 0 keep it, non-zero reschedule when closed, bit 2 in
   * FIN_WAIT.
   */
  conn_reuse_mode = 1
  /** End connections whose destination is gone, instead of dropping their packets. */
  expire_nodest_conn = 0
  /** Templates whose destination has weight 0 no longer count. */
  expire_quiescent_template = 0
  /** Let any TCP segment but a reset open a connection. */
  sloppy_tcp = 0
  /** Let any SCTP packet but an abort open a connection. */
  sloppy_sctp = 0
}

export type SysctlName = keyof Sysctls

/** The values each may take. */
export const SYSCTL_RANGES: Record<SysctlName, readonly [min: number, max: number]> = {
  conn_reuse_mode: [-2147483648, 2147483647],
  expire_nodest_conn: [-2147483648, 2147483647],
  expire_quiescent_template: [-2147483648, 2147483647],
  sloppy_tcp: [-2147483648, 2147483647],
  sloppy_sctp: [-2147483648, 2147483647],
}

export function isSysctlName(name: string): name is SysctlName {
  return Object.hasOwn(SYSCTL_RANGES, name)
}
