/** What the main thread and a worker say to each other. All of it is plain data. */

import type { Limits } from '../balance/limits.js'
import type { Rule } from '../balance/rule.js'
import type { FollowedKernel } from '../balance/thresholds.js'
import type { ExplainedChoice, NextQuestion } from '../control/choice.js'
import type { Mode } from '../engine/director-state.js'
import type { OwnAddresses } from '../engine/link-frames.js'
import type { ArmMode, Share, SharedVip } from '../engine/port.js'
import type { TraceOrder } from '../engine/trace-tap.js'
import type { Route } from '../link/routes.js'
import type { Vip } from '../link/vips.js'
import type { XdpPlan } from '../port/xdp-ground.js'

/** How frames are taken, the fastest first: the order in which `--engine auto` tries them. */
export const ENGINES = ['af_xdp', 'af_packet', 'libpcap'] as const
export type EngineName = (typeof ENGINES)[number]

export interface MemoryPlace {
  /** A descriptor, valid in the worker; -1: a thread, see below. */
  readonly fd: number
  /** Where the memory lies, for a thread. */
  readonly address: number
}

/** What a worker is started with. */
export interface WorkerStart {
  readonly engine: EngineName
  readonly interfaces: readonly string[]
  /** af_xdp: how long a call may poll the device; 0 leaves that to interrupts. */
  readonly busyPollMicroseconds: number
  readonly mode: Mode
  readonly quiet: boolean
  readonly kernel: FollowedKernel
  readonly limits: Limits
  readonly seed: number
  /** Which of the workers it is, from 0 on. The first answers for the VIPs. */
  readonly index: number
  /** What each worker publishes; all have the same size. */
  readonly memories: readonly MemoryPlace[]
  readonly memoryBytes: number
  /** Descriptors that end the sleep of each worker; none where it sleeps in an event loop. */
  readonly wakeFds: readonly number[]
  /** af_xdp, to all but the first worker: where what that one has opened is. */
  readonly plan: XdpPlan | undefined
}

export type Order =
  | { readonly do: 'rules'; readonly rules: readonly Rule[] }
  /** The director's own addresses by arm, and the ways to everybody else. */
  | {
      readonly do: 'ways'
      readonly routes: readonly Route[]
      readonly own: readonly OwnAddresses[]
    }
  | { readonly do: 'add-vips' | 'remove-vips'; readonly vips: readonly Vip[] }
  /**
   * All VIPs as text, for the port's filter; and those of them that the kernel holds too, with the
   * ports of them that are served.
   */
  | {
      readonly do: 'serve'
      readonly served: readonly string[]
      readonly shared: readonly SharedVip[]
      /** How coarsely clients are divided; and, to one of several workers, which are its own. */
      readonly grain: Pick<Share, 'mask4' | 'prefix6'>
      readonly share?: Share
    }
  | { readonly do: 'announce' }
  /** All traces from now on; none: frames are not looked at. */
  | { readonly do: 'trace'; readonly traces: readonly TraceOrder[] }
  | { readonly do: 'neighbours' }
  /** Whom it would choose, if a connection came that has not come. */
  | { readonly do: 'next'; readonly question: NextQuestion }
  | { readonly do: 'stop' }

export interface NeighbourReport {
  readonly arm: number
  readonly family: 4 | 6
  readonly address: string
  /** As `ip neigh` names it. */
  readonly state: string
  readonly mac: string | null
}

/** What a worker tells beside having carried out an order. */
export interface Findings {
  readonly neighbours?: readonly NeighbourReport[]
  readonly choice?: ExplainedChoice | null
}

/** To a worker: orders are answered, in order, by their number. */
export interface Request {
  readonly id: number
  readonly order: Order
}

export type Report =
  | { readonly kind: 'ready'; readonly modes: readonly ArmMode[]; readonly plan?: XdpPlan }
  | ({ readonly kind: 'done'; readonly id: number } & Findings)
  | { readonly kind: 'failed'; readonly message: string }
