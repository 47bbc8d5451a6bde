/**
 * How large the tables are. A director takes all its memory when it starts, so that what it can
 * hold is known, and nothing is allocated while frames pass.
 */

/**
 * The largest IPv4 connection table. All tables lie in one piece of memory, and V8 of Node 20 makes
 * no ArrayBuffer of more than 4 GiB.
 */
export const CONNECTIONS_MAX = 1 << 25

/** Sizes of the tables. Fixed at start: nothing is allocated after. */
export interface Limits {
  readonly services: number
  readonly destinations: number
  readonly connections4: number
  readonly connections6: number
  readonly templates: number
}

export const DEFAULT_LIMITS: Limits = {
  services: 32_768,
  destinations: 262_144,
  connections4: 1_048_576,
  connections6: 262_144,
  templates: 262_144,
}
