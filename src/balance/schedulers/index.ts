/** The schedulers by the name that Linux gives them. */
import type { SchedulerFactory } from '../scheduler.js'
import { DestinationHashing } from './dh.js'
import { Failover } from './fo.js'
import { LocalityLeastConnection } from './lblc.js'
import { ReplicatedLocality } from './lblcr.js'
import { LeastConnection } from './lc.js'
import { MaglevHashing } from './mh.js'
import { NeverQueue } from './nq.js'
import { Overflow } from './ovf.js'
import { RoundRobin } from './rr.js'
import { ShortestExpectedDelay } from './sed.js'
import { SourceHashing } from './sh.js'
import { TwoChoices } from './twos.js'
import { WeightedLeastConnection } from './wlc.js'
import { WeightedRoundRobin } from './wrr.js'

export const SCHEDULERS: ReadonlyMap<string, SchedulerFactory> = new Map<string, SchedulerFactory>([
  ['rr', (pool) => new RoundRobin(pool)],
  ['wrr', (pool) => new WeightedRoundRobin(pool)],
  ['lc', (pool) => new LeastConnection(pool)],
  ['wlc', (pool) => new WeightedLeastConnection(pool)],
  ['lblc', (pool) => new LocalityLeastConnection(pool)],
  ['lblcr', (pool) => new ReplicatedLocality(pool)],
  ['dh', (pool) => new DestinationHashing(pool)],
  ['sh', (pool) => new SourceHashing(pool)],
  ['sed', (pool) => new ShortestExpectedDelay(pool)],
  ['nq', (pool) => new NeverQueue(pool)],
  ['fo', (pool) => new Failover(pool)],
  ['ovf', (pool) => new Overflow(pool)],
  ['mh', (pool) => new MaglevHashing(pool)],
  ['twos', (pool) => new TwoChoices(pool)],
])
