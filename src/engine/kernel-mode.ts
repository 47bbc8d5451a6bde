/**
 * Kernel mode: what Linux does to a packet that it forwards in Direct Routing, and textbooks leave
 * out (`net/netfilter/ipvs/ip_vs_xmit.c`). The TTL (hop limit) is decremented, and ends at 1 with
 * an ICMP error. A packet larger than the MTU of the route to the realserver is answered with that
 * MTU if it may not be fragmented (IPv4 with DF, all of IPv6), and cut otherwise.
 *
 * An aggregate (GRO) is measured by its segments: it leaves as them.
 */

import { finishTransport4 } from '../wire/checksum.js'
import * as icmp from '../wire/icmp.js'
import * as icmpv6 from '../wire/icmpv6.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as tcp from '../wire/tcp.js'
import type { Batch } from './batch.js'
import type { DirectorState } from './director-state.js'
import { cut4, cut6, type Pieces } from './fragment-cut.js'
import { noteError } from './own-answer.js'
import {
  ANSWER_LIMITED,
  FORWARDED,
  TOO_BIG,
  TOO_BIG_DROPPED,
  TTL_EXCEEDED,
  type Verdict,
} from './verdict.js'

/** No end yet: the journey goes on. */
export const ON = -1

export class KernelMode {
  readonly #state: DirectorState
  readonly #pieces: Pieces

  constructor(state: DirectorState, pieces: Pieces) {
    this.#state = state
    this.#pieces = pieces
  }

  /** TTL and MTU of the packet `[ip, end)`; ON, or the verdict that ends its journey. */
  prepare(
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    end: number,
    destination: number,
    isRelated: boolean,
  ): Verdict {
    return batch.view.getUint8(ip) >>> 4 === 4
      ? this.#prepare4(batch, i, frame, ip, end, destination, isRelated)
      : this.#prepare6(batch, i, frame, ip, end, destination, isRelated)
  }

  #prepare4(
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    end: number,
    destination: number,
    isRelated: boolean,
  ): Verdict {
    const { answers } = this.#state
    const { view, arm } = batch
    if (ipv4.ttl(view, ip) <= 1) {
      if (isRelated) return ANSWER_LIMITED
      const sent = answers.error4(
        arm,
        view,
        frame,
        ip,
        icmp.TYPE_TIME_EXCEEDED,
        icmp.CODE_TTL_EXCEEDED,
        0,
      )
      return this.#answered(view, ip, end, sent, TTL_EXCEEDED)
    }
    ipv4.decrementTtl(view, ip)
    const mtu = this.#state.mtus[destination]
    if (!ipv4.dontFragment(view, ip) || isRelated || longest(batch, i, ip, end) <= mtu) return ON
    const sent = answers.error4(
      arm,
      view,
      frame,
      ip,
      icmp.TYPE_DESTINATION_UNREACHABLE,
      icmp.CODE_FRAGMENTATION_NEEDED,
      mtu,
    )
    return this.#answered(view, ip, end, sent, TOO_BIG)
  }

  #prepare6(
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    end: number,
    destination: number,
    isRelated: boolean,
  ): Verdict {
    const { answers } = this.#state
    const { view, arm } = batch
    if (ipv6.hopLimit(view, ip) <= 1) {
      if (isRelated) return ANSWER_LIMITED
      const sent = answers.error6(
        arm,
        view,
        frame,
        ip,
        end,
        icmpv6.TYPE_TIME_EXCEEDED,
        icmpv6.CODE_HOP_LIMIT_EXCEEDED,
        0,
      )
      return this.#answered(view, ip, end, sent, TTL_EXCEEDED)
    }
    ipv6.setHopLimit(view, ip, ipv6.hopLimit(view, ip) - 1)
    const mtu = this.#state.mtus[destination]
    // What came in pieces leaves in them: the largest has to fit, not the whole.
    const bytes = this.#pieces.largest || longest(batch, i, ip, end)
    if (bytes <= mtu) return ON
    if (isRelated) return TOO_BIG_DROPPED
    const sent = answers.error6(arm, view, frame, ip, end, icmpv6.TYPE_PACKET_TOO_BIG, 0, mtu)
    return this.#answered(view, ip, end, sent, TOO_BIG)
  }

  #answered(view: DataView, ip: number, end: number, sent: number, verdict: Verdict): Verdict {
    if (sent === 0) return ANSWER_LIMITED
    noteError(this.#state, view, ip, end, sent)
    return verdict
  }

  /**
   * The frame is ready to leave; what came in pieces, or is too long for IPv4, leaves in pieces.
   */
  cutIfNeeded(
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    end: number,
    destination: number,
    arm: number,
  ): Verdict {
    const { view } = batch
    const { outbox, mtus } = this.#state
    const { largest } = this.#pieces
    const mtu = mtus[destination]
    if (view.getUint8(ip) >>> 4 !== 4) {
      if (largest === 0) return FORWARDED
      return cut6(outbox, batch, frame, ip, end, this.#pieces, arm)
    }
    if (largest > 0) return cut4(outbox, batch, frame, ip, end, Math.min(mtu, largest), arm)
    if (longest(batch, i, ip, end) <= mtu) return FORWARDED
    if (batch.partialChecksum[i] !== 0) {
      const segment = ip + ipv4.headerBytes(view, ip)
      finishTransport4(view, ip, segment, end, ipv4.protocol(view, ip))
    }
    return cut4(outbox, batch, frame, ip, end, mtu, arm)
  }
}

/** Bytes of the largest IP packet that this frame becomes on the wire. */
function longest(batch: Batch, i: number, ip: number, end: number): number {
  const payload = batch.segmentBytes[i]
  if (payload === 0) return end - ip
  const isIpv4 = batch.view.getUint8(ip) >>> 4 === 4
  const headers = isIpv4 ? ipv4.headerBytes(batch.view, ip) : ipv6.HEADER_BYTES
  const protocol = isIpv4 ? ipv4.protocol(batch.view, ip) : ipv6.nextHeader(batch.view, ip)
  const transport = protocol === ipv4.PROTO_TCP ? tcp.dataOffsetBytes(batch.view, ip + headers) : 8
  return headers + transport + payload
}
