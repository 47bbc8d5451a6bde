/**
 * What a scheduler is: the record of functions that Linux registers for one (`struct
 * ip_vs_scheduler`), one file each under the kernel's own name in `schedulers/`.
 *
 * A service has its own instance. It may keep state between choices, and hears of each change to
 * the list of destinations. Adding a scheduler is one file and one line in `schedulers/index.ts`.
 */
import type { DestinationTable } from './destination.js'
import type { Random } from './random.js'
import type { ServiceTable } from './service.js'
import type { Sysctls } from './sysctl.js'
import type { Turn } from './turn.js'

/** Who wants to be served: filled anew for each choice, never kept. Addresses are four words. */
export class Flow {
  readonly client = new Int32Array(4)
  readonly vip = new Int32Array(4)
  family = 4
  protocol = 0
  clientPort = 0
  /** -1: the packet has no ports. */
  vipPort = 0

  /** `ports`: the client's in the high 16 bits. */
  set4(protocol: number, client: number, vip: number, ports: number): void {
    this.family = 4
    this.protocol = protocol
    this.client[0] = client
    this.vip[0] = vip
    this.client[1] = this.client[2] = this.client[3] = 0
    this.vip[1] = this.vip[2] = this.vip[3] = 0
    this.clientPort = ports >>> 16
    this.vipPort = ports & 0xffff
  }

  /** The addresses are read from `view`, at `client` and at `vip`. */
  set6(protocol: number, view: DataView, client: number, vip: number, ports: number): void {
    this.family = 6
    this.protocol = protocol
    for (let k = 0; k < 4; k++) {
      this.client[k] = view.getInt32(client + 4 * k)
      this.vip[k] = view.getInt32(vip + 4 * k)
    }
    this.clientPort = ports >>> 16
    this.vipPort = ports & 0xffff
  }
}

/** What a scheduler may look at. */
export interface Pool {
  readonly services: ServiceTable
  readonly destinations: DestinationTable
  /** Whose destinations: a slot of `services`. */
  readonly service: number
  /** Overhead of a destination in the least-connection family, as the followed kernel counts it. */
  overhead(destination: number): number
  /** The tick of the current breath. */
  now(): number
  readonly sysctls: Sysctls
  readonly random: Random
  /** For schedulers that go by turns: the turn of all workers; null if there is one worker. */
  readonly turn: Turn | null
}

/** Is it one of this service's, not deleted or passed on to another? */
export function isMember({ destinations, service }: Pool, destination: number): boolean {
  return destinations.isAvailable(destination) && destinations.service(destination) === service
}

/** What a scheduler goes by beside weights and counts, for people. */
export interface Clue {
  /**
   * `last`: chosen last. `level`: of the weights, in this pass. `bucket`, `slot`: of its table.
   * `holder`: who is in it. `known`: where the address went before. `drawn`: by lot.
   */
  readonly name: 'last' | 'level' | 'bucket' | 'slot' | 'holder' | 'known' | 'drawn'
  /** A number of so many, … */
  readonly number?: number
  readonly of?: number
  /** … or destinations; none: nobody. */
  readonly destinations?: readonly number[]
}

/** One candidate as `uipvs explain` shows it. Lower scores win where a scheduler has scores. */
export interface Candidate {
  readonly destination: number
  readonly eligible: boolean
  readonly score: number | null
}

export interface Scheduler {
  /** A destination of this service for this flow, or NONE. */
  choose(flow: Flow): number
  /** What `choose` would return now. Changes nothing that `choose` would ever notice. */
  next(flow: Flow): number
  /** What decides about this flow now, beside the candidates. Changes nothing. */
  clues(flow: Flow): Clue[]
  /** Goes on where another one of the same list stands, whose clues for this flow these are. */
  resume(flow: Flow, clues: readonly Clue[]): void
  /** A destination was put at the head of the list. */
  added(destination: number): void
  /** A destination is about to be taken out of the list. */
  removing(destination: number): void
  /** It has been taken out. */
  removed(): void
  /** Its weight (or thresholds) changed. */
  edited(destination: number): void
  /** How each destination stands, in the order of the list. Changes nothing. */
  candidates(): Candidate[]
}

export type SchedulerFactory = (pool: Pool) => Scheduler

/** The parts that most schedulers share: they keep no state, and score by one number. */
export abstract class StatelessScheduler implements Scheduler {
  protected readonly pool: Pool

  constructor(pool: Pool) {
    this.pool = pool
  }

  abstract choose(flow: Flow): number

  next(flow: Flow): number {
    return this.choose(flow)
  }

  clues(_flow: Flow): Clue[] {
    return []
  }

  resume(_flow: Flow, _clues: readonly Clue[]): void {}

  /** What `explain` shows of a destination; null if the scheduler has no score. */
  score(_destination: number): number | null {
    return null
  }

  added(_destination: number): void {}
  removing(_destination: number): void {}
  removed(): void {}
  edited(_destination: number): void {}

  candidates(): Candidate[] {
    const { services, destinations, service } = this.pool
    const list: Candidate[] = []
    for (let d = services.head(service); d >= 0; d = destinations.next(d)) {
      list.push({ destination: d, eligible: destinations.isEligible(d), score: this.score(d) })
    }
    return list
  }
}
