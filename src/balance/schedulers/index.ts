/** The schedulers by the name that Linux gives them. */
import type { SchedulerFactory } from '../scheduler.js'
import { LeastConnection } from './lc.js'
import { RoundRobin } from './rr.js'
import { WeightedLeastConnection } from './wlc.js'
import { WeightedRoundRobin } from './wrr.js'

export const SCHEDULERS: ReadonlyMap<string, SchedulerFactory> = new Map<string, SchedulerFactory>([
  ['rr', (pool) => new RoundRobin(pool)],
  ['wrr', (pool) => new WeightedRoundRobin(pool)],
  ['lc', (pool) => new LeastConnection(pool)],
  ['wlc', (pool) => new WeightedLeastConnection(pool)],
])
