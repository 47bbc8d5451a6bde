/**
 * Step 5 of the journey: towards the realserver. Does a way lead there, does the packet fit through
 * it (kernel mode), is the neighbour known? Then the two MAC addresses are all that changes.
 */
import { METHOD_ROUTE } from '../balance/destination.js'
import * as ethernet from '../wire/ethernet.js'
import * as icmp from '../wire/icmp.js'
import * as icmpv6 from '../wire/icmpv6.js'
import type { Batch } from './batch.js'
import { type DirectorState, HOP_LOCAL } from './director-state.js'
import type { Pieces } from './fragment-cut.js'
import { KernelMode, ON } from './kernel-mode.js'
import { noteError } from './own-answer.js'
import {
  ANSWER_LIMITED,
  DESTINATION_UNROUTABLE,
  FORWARDED,
  LOCAL_DESTINATION,
  METHOD_UNSUPPORTED,
  NEIGHBOUR_HELD,
  NEIGHBOUR_QUEUE_FULL,
  type Verdict,
} from './verdict.js'

const NONE = -1

export class Transmitter {
  readonly #state: DirectorState
  readonly #kernelMode: KernelMode | null
  readonly #hops: Int32Array

  constructor(state: DirectorState, pieces: Pieces) {
    this.#state = state
    this.#kernelMode = state.isKernelMode ? new KernelMode(state, pieces) : null
    this.#hops = state.hops
  }

  /**
   * Sends frame `i`, whose packet is `[ip, end)`, to `destination`; NONE: of a bypass connection,
   * to where it is addressed. `isRelated`: an ICMP error
   * about a connection, which is never answered with another error.
   */
  transmit(
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    end: number,
    destination: number,
    isRelated: boolean,
  ): Verdict {
    const { balancer, bypass } = this.#state
    batch.destination[i] = destination
    if (destination === NONE) {
      const way = bypass.wayOf(batch.view, ip)
      return this.#send(batch, i, frame, ip, end, way, isRelated)
    }
    if (balancer.destinations.method(destination) !== METHOD_ROUTE) return METHOD_UNSUPPORTED
    return this.#send(batch, i, frame, ip, end, destination, isRelated)
  }

  /** By the way to `destination`, or by one of the ways of `bypass.ts`, which come behind them. */
  #send(
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    end: number,
    destination: number,
    isRelated: boolean,
  ): Verdict {
    const state = this.#state
    const hop = this.#hops[destination]
    if (hop < 0) {
      if (hop === HOP_LOCAL) return LOCAL_DESTINATION
      return this.#unroutable(batch, frame, ip, end, isRelated)
    }
    if (this.#kernelMode !== null) {
      const verdict = this.#kernelMode.prepare(batch, i, frame, ip, end, destination, isRelated)
      if (verdict !== ON) return verdict
    }
    const neighbours = state.neighbours
    if (!neighbours.isUsable(hop)) {
      if (neighbours.isFailed(hop)) return this.#unroutable(batch, frame, ip, end, isRelated)
      const isPartial = batch.partialChecksum[i] !== 0
      const held = state.resolver.hold(
        hop,
        batch.bytes,
        frame,
        batch.length[i],
        ip,
        isPartial,
        state.now,
      )
      return held ? NEIGHBOUR_HELD : NEIGHBOUR_QUEUE_FULL
    }
    const arm = neighbours.arm[hop]
    ethernet.setDestination(batch.view, frame, neighbours.macHigh[hop], neighbours.macLow[hop])
    ethernet.setSource(batch.view, frame, state.macHigh[arm], state.macLow[arm])
    batch.egress[i] = arm
    if (this.#kernelMode === null) return FORWARDED
    return this.#kernelMode.cutIfNeeded(batch, i, frame, ip, end, destination, arm)
  }

  /** Host unreachable, as the kernel's routing says when no way leads to the realserver. */
  #unroutable(batch: Batch, frame: number, ip: number, end: number, isRelated: boolean): Verdict {
    const { answers } = this.#state
    const { view, arm } = batch
    if (isRelated) return ANSWER_LIMITED
    const sent =
      view.getUint8(ip) >>> 4 === 4
        ? answers.error4(
            arm,
            view,
            frame,
            ip,
            icmp.TYPE_DESTINATION_UNREACHABLE,
            icmp.CODE_HOST_UNREACHABLE,
            0,
          )
        : answers.error6(
            arm,
            view,
            frame,
            ip,
            end,
            icmpv6.TYPE_DESTINATION_UNREACHABLE,
            icmpv6.CODE_ADDRESS_UNREACHABLE,
            0,
          )
    if (sent === 0) return ANSWER_LIMITED
    noteError(this.#state, view, ip, end, sent)
    return DESTINATION_UNROUTABLE
  }
}
