/**
 * Fragments in textbook mode: the first one of a datagram takes the ordinary journey, the later
 * ones follow it to the same destination, byte for byte. Their bytes are added to the packet that
 * the first one was counted as, so that statistics are those of Linux, which counts the datagram
 * whole.
 */

import { HELD_FRAMES_MAX } from '../link/held-frames.js'
import { ON_KERNEL } from '../link/vips.js'
import * as ethernet from '../wire/ethernet.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import type { Batch } from './batch.js'
import type { DirectorState } from './director-state.js'
import { isServed } from './event.js'
import type { Director } from './forward.js'
import { isIpsec } from './ipsec-road.js'
import type { Transmitter } from './transmitter.js'
import {
  FORWARDED,
  FRAGMENT_DROPPED,
  FRAGMENT_HELD,
  LEFT_TO_KERNEL,
  NEIGHBOUR_HELD,
  NOT_VIP,
  type Verdict,
} from './verdict.js'

const NONE = -1

/** What becomes of fragments: one way in textbook mode, another in kernel mode. */
export interface Fragments {
  fragment4(director: Director, batch: Batch, i: number, frame: number, ip: number): Verdict
  /**
   * `segment`: what follows the fragment header, which stands at `fragment`; `protocol`: of that.
   */
  fragment6(
    director: Director,
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    end: number,
    protocol: number,
    segment: number,
    fragment: number,
    isFirst: boolean,
  ): Verdict
  /** Between frames: what has waited long enough, or too long. */
  tick(): void
}

export class FragmentRoad implements Fragments {
  readonly #state: DirectorState
  readonly #transmitter: Transmitter
  readonly #found = new Int32Array(ipv6.FOUND_WORDS)

  constructor(state: DirectorState, transmitter: Transmitter) {
    this.#state = state
    this.#transmitter = transmitter
  }

  fragment4(director: Director, batch: Batch, i: number, frame: number, ip: number): Verdict {
    const { view } = batch
    const { fragments, vips } = this.#state
    const vip = vips.find(4, ipv4.destination(view, ip), 0, 0, 0)
    if (vip < 0 && !this.#mayBeLocal) return NOT_VIP
    const protocol = ipv4.protocol(view, ip)
    if (!isServed(protocol) && !isIpsec(protocol))
      return vip > 0 && (vip & ON_KERNEL) !== 0 ? LEFT_TO_KERNEL : FRAGMENT_DROPPED
    if (ipv4.fragmentOffset(view, ip) === 0) {
      const verdict = director.packet4(batch, i, frame, ip)
      // The frame still holds its IP header, whatever happened to it.
      fragments.key4(
        ipv4.source(view, ip),
        ipv4.destination(view, ip),
        ipv4.identification(view, ip),
        protocol,
      )
      this.#remember(director, verdict)
      return verdict
    }
    fragments.key4(
      ipv4.source(view, ip),
      ipv4.destination(view, ip),
      ipv4.identification(view, ip),
      protocol,
    )
    const end = ip + ipv4.totalLength(view, ip)
    return this.#follow(batch, i, frame, ip, end, end - ip - ipv4.headerBytes(view, ip))
  }

  fragment6(
    director: Director,
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    end: number,
    protocol: number,
    segment: number,
    fragment: number,
    isFirst: boolean,
  ): Verdict {
    const { view } = batch
    const { fragments, vips } = this.#state
    const vip = vips.find(
      6,
      ipv6.destination(view, ip, 0),
      ipv6.destination(view, ip, 1),
      ipv6.destination(view, ip, 2),
      ipv6.destination(view, ip, 3),
    )
    if (vip < 0 && !this.#mayBeLocal) return NOT_VIP
    if (isFirst && !isServed(protocol) && !isIpsec(protocol))
      return vip > 0 && (vip & ON_KERNEL) !== 0 ? LEFT_TO_KERNEL : FRAGMENT_DROPPED
    const id = ipv6.fragmentHeaderIdentification(view, fragment)
    if (isFirst) {
      const verdict = director.packet6(batch, i, frame, ip, end, protocol, segment)
      fragments.key6(view, ip + ipv6.ADDRESSES_OFFSET, id, 0)
      this.#remember(director, verdict)
      return verdict
    }
    fragments.key6(view, ip + ipv6.ADDRESSES_OFFSET, id, 0)
    return this.#follow(batch, i, frame, ip, end, end - segment)
  }

  /** Packets to foreign addresses may be for us by their mark; the first fragment tells. */
  get #mayBeLocal(): boolean {
    return this.#state.balancer.marks.hasLocal
  }

  /**
   * Sends on the fragments that were kept and whose first one has come since, and gives up those
   * whose time is over. Between frames, into the outbox.
   */
  tick(): void {
    const { fragments, now } = this.#state
    const { kept } = fragments
    if (kept.count === 0) return
    for (let slot = 0; slot < HELD_FRAMES_MAX; slot++) {
      if (kept.neighbour(slot) === NONE) continue
      const frame = kept.offset(slot)
      const ip = networkAt(kept.view, frame)
      const bytes = this.#loadKey(kept.view, ip)
      const destination = fragments.find(now)
      if (destination !== NONE && this.#emit(frame, kept.length(slot), destination)) {
        this.#state.balancer.accountMore(destination, bytes)
        kept.release(slot)
      } else if (kept.isExpired(slot, now)) kept.release(slot)
    }
  }

  /** Fills the fragment table's key from a kept fragment; the bytes of data it carries. */
  #loadKey(view: DataView, ip: number): number {
    const { fragments } = this.#state
    if (view.getUint8(ip) >>> 4 === 4) {
      fragments.key4(
        ipv4.source(view, ip),
        ipv4.destination(view, ip),
        ipv4.identification(view, ip),
        ipv4.protocol(view, ip),
      )
      return ipv4.totalLength(view, ip) - ipv4.headerBytes(view, ip)
    }
    const end = ip + ipv6.HEADER_BYTES + ipv6.payloadLength(view, ip)
    ipv6.walkExtensions(view, ip, end, this.#found)
    const id = ipv6.fragmentHeaderIdentification(view, this.#found[ipv6.FOUND_FRAGMENT_AT])
    fragments.key6(view, ip + ipv6.ADDRESSES_OFFSET, id, 0)
    return end - this.#found[ipv6.FOUND_TRANSPORT_AT]
  }

  /** Copies a kept frame into the outbox towards `destination`; false if that can't be done now. */
  #emit(frame: number, length: number, destination: number): boolean {
    const { fragments, hops, neighbours, outbox, macHigh, macLow } = this.#state
    const hop = hops[destination]
    if (hop < 0 || !neighbours.isUsable(hop)) return false
    const arm = neighbours.arm[hop]
    const to = outbox.reserve(length, arm)
    if (to < 0) return false
    for (let k = 0; k < length; k++) outbox.bytes[to + k] = fragments.kept.bytes[frame + k]
    ethernet.setDestination(outbox.view, to, neighbours.macHigh[hop], neighbours.macLow[hop])
    ethernet.setSource(outbox.view, to, macHigh[arm], macLow[arm])
    return true
  }

  #remember(director: Director, verdict: Verdict): void {
    if (verdict !== FORWARDED && verdict !== NEIGHBOUR_HELD) return
    this.#state.fragments.remember(director.lastDestination, this.#state.now)
  }

  /** A later fragment with `bytes` of data: after its first one, or kept until that comes. */
  #follow(batch: Batch, i: number, frame: number, ip: number, end: number, bytes: number): Verdict {
    const { fragments, balancer, now } = this.#state
    const destination = fragments.find(now)
    if (destination === NONE) {
      const isKept = fragments.keep(batch.bytes, frame, batch.length[i], now)
      return isKept ? FRAGMENT_HELD : FRAGMENT_DROPPED
    }
    balancer.accountMore(destination, bytes)
    return this.#transmitter.transmit(batch, i, frame, ip, end, destination, false)
  }
}

/** Where the network layer of a frame that was looked at before begins. */
function networkAt(view: DataView, frame: number): number {
  let at = frame + ethernet.HEADER_BYTES
  while (ethernet.isVlan(view.getUint16(at - 2))) at += ethernet.VLAN_TAG_BYTES
  return at
}
