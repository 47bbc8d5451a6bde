/**
 * Fragments in kernel mode: Linux puts them together before IPVS sees them, so a datagram is
 * decided as a whole, when its last piece has come, and is cut again on its way out
 * (`fragment-cut.ts`).
 *
 *   fragment ---> queue of its datagram ---> all there? ---> whole datagram ---> ordinary journey
 *                       |                                                              |
 *                 FRAGMENT_HELD                                     cut into the outbox: FRAGMENTED
 *
 * IPv4 is as `net/ipv4/ip_fragment.c` does it, IPv6 as `nf_conntrack_reasm.c`, which IPVS asks for.
 * They differ in what a contradiction costs: in IPv4 the datagram, in IPv6 the fragment.
 */
import { ON_KERNEL } from '../link/vips.js'
import * as ethernet from '../wire/ethernet.js'
import * as icmp from '../wire/icmp.js'
import * as icmpv6 from '../wire/icmpv6.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as tcp from '../wire/tcp.js'
import * as udp from '../wire/udp.js'
import { Batch } from './batch.js'
import type { DirectorState } from './director-state.js'
import { isServed } from './event.js'
import type { Director } from './forward.js'
import type { Pieces } from './fragment-cut.js'
import { ADDED, FragmentQueues, NONE, OVERLAP } from './fragment-queues.js'
import type { Fragments } from './fragment-road.js'
import { isIpsec } from './ipsec-road.js'
import { markOf4 } from './marked.js'
import {
  FRAGMENT_DROPPED,
  FRAGMENT_HELD,
  LEFT_TO_KERNEL,
  NOT_VIP,
  type Verdict,
} from './verdict.js'

/**
 * How long Linux waits for the rest of a datagram (`ipfrag_time`, `nf_conntrack_frag6_timeout`).
 */
export const WAIT_MS_4 = 30_000
export const WAIT_MS_6 = 60_000
const SWEEP_MS = 1_000
/** Room for a link header with two VLAN tags. */
const LINK_BYTES_MAX = ethernet.HEADER_BYTES + 2 * ethernet.VLAN_TAG_BYTES
const PACKET_BYTES_MAX = 65_535
const PAYLOAD_BYTES_MAX_6 = 65_535
/** The word of the key that the protocol stands in; IPv6, where it does not count, has this. */
const ANY_PROTOCOL_6 = 0x100

const ECN_MASK = 3
const ECN_CE = 3
const ECN_DROP = -1

export class Reassembly implements Fragments {
  readonly queues: FragmentQueues
  readonly #state: DirectorState
  readonly #pieces: Pieces
  /** The datagram that was put together last; its arena is the spare part of the queues' memory. */
  readonly #whole: Batch
  #nextSweep = 0

  constructor(state: DirectorState, pieces: Pieces, poolBytes?: number) {
    this.#state = state
    this.#pieces = pieces
    let mtu = 0
    for (const arm of state.arms) mtu = Math.max(mtu, arm.mtu)
    const spare = LINK_BYTES_MAX + ipv6.HEADER_BYTES + PACKET_BYTES_MAX
    this.queues = new FragmentQueues(LINK_BYTES_MAX + mtu, spare, poolBytes)
    this.#whole = new Batch(this.queues.bytes.buffer, 1)
    this.#whole.count = 1
    this.#whole.offset[0] = this.queues.spareAt
  }

  fragment4(director: Director, batch: Batch, i: number, frame: number, ip: number): Verdict {
    const { view } = batch
    const { vips, now } = this.#state
    const { queues } = this
    const destination = ipv4.destination(view, ip)
    const protocol = ipv4.protocol(view, ip)
    const vip = vips.find(4, destination, 0, 0, 0)
    if (vip < 0 && !this.#isMarkedLocal(view, ip)) return NOT_VIP
    if (vip > 0 && (vip & ON_KERNEL) !== 0 && !isServed(protocol) && !isIpsec(protocol)) {
      return LEFT_TO_KERNEL
    }
    const { key } = queues
    key.fill(0)
    key[0] = ipv4.source(view, ip)
    key[4] = destination
    key[8] = ipv4.identification(view, ip)
    key[9] = protocol
    const queue = queues.open(batch.arm, now + WAIT_MS_4)
    if (queue === NONE) return FRAGMENT_DROPPED

    const headerBytes = ipv4.headerBytes(view, ip)
    const offset = ipv4.fragmentOffset(view, ip)
    const more = ipv4.moreFragments(view, ip)
    const last = offset + ipv4.totalLength(view, ip) - headerBytes
    // What is no multiple of 8 and not the end is cut to one.
    const end = more ? last & ~7 : last
    const isSound = queues.measure(queue, end, !more) && end !== offset
    const added = isSound
      ? queues.add(queue, batch.bytes, frame, ip + headerBytes - frame, offset, end)
      : OVERLAP
    if (added === OVERLAP || queues.head[queue] === NONE) queues.close(queue)
    if (added !== ADDED) return FRAGMENT_DROPPED
    const mark = ipv4.tos(view, ip) & ECN_MASK
    queues.note(queue, headerBytes + end - offset, ipv4.dontFragment(view, ip), mark)
    return queues.isComplete(queue)
      ? this.#complete4(director, batch, i, queue, ip - frame)
      : FRAGMENT_HELD
  }

  #complete4(
    director: Director,
    batch: Batch,
    i: number,
    queue: number,
    linkBytes: number,
  ): Verdict {
    const { queues } = this
    const { view } = queues
    const frame = queues.spareAt
    const ip = frame + linkBytes
    const mark = commonMark(queues.marks[queue])
    const isDf = queues.largestDf[queue] === queues.largest[queue]
    const largest = queues.largest[queue]
    const end = this.#join(queue)
    queues.close(queue)
    if (mark === ECN_DROP || end - ip > PACKET_BYTES_MAX) return FRAGMENT_DROPPED
    ipv4.setTotalLength(view, ip, end - ip)
    ipv4.setFragment(view, ip, isDf ? ipv4.FLAG_DONT_FRAGMENT : 0, 0)
    ipv4.setTos(view, ip, ipv4.tos(view, ip) | mark)
    ipv4.updateChecksum(view, ip)
    this.#whole.arm = batch.arm
    this.#whole.length[0] = end - frame
    this.#whole.destination[0] = NONE
    this.#pieces.largest = largest
    const verdict = director.packet4(this.#whole, 0, frame, ip)
    this.#pieces.largest = 0
    batch.destination[i] = this.#whole.destination[0]
    return verdict
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
    const { queues } = this
    if (batch === this.#whole) return FRAGMENT_DROPPED // a fragment in fragments
    // IPv6 is put together before it is marked, so any may be for us as long as some are.
    if (this.#vip6(view, ip) < 0 && !this.#state.balancer.marks.hasLocal) return NOT_VIP
    const offset = ipv6.fragmentHeaderOffset(view, fragment)
    const more = ipv6.fragmentHeaderMore(view, fragment)
    const data = fragment + ipv6.FRAGMENT_HEADER_BYTES
    const last = offset + end - data
    for (let k = 0; k < 8; k++) queues.key[k] = view.getInt32(ip + ipv6.ADDRESSES_OFFSET + 4 * k)
    queues.key[8] = ipv6.fragmentHeaderIdentification(view, fragment)
    queues.key[9] = ANY_PROTOCOL_6
    const isUneven = more && (last & 7) !== 0
    if (isUneven || (isFirst && end - segment < transportBytes(protocol))) {
      // Linux does not put these together: they go on by themselves, as far as they get.
      const queue = isUneven ? queues.find() : NONE
      if (queue !== NONE) queues.close(queue)
      if (!isFirst || protocol === ipv4.PROTO_ICMPV6) return FRAGMENT_DROPPED
      return director.packet6(batch, i, frame, ip, end, protocol, segment)
    }
    const queue = queues.open(batch.arm, this.#state.now + WAIT_MS_6)
    if (queue === NONE) return FRAGMENT_DROPPED
    const isSound = last <= PAYLOAD_BYTES_MAX_6 && queues.measure(queue, last, !more)
    let added = NONE
    if (isSound && last !== offset) {
      added = queues.add(queue, batch.bytes, frame, data - frame, offset, last)
    }
    if (added === OVERLAP || queues.head[queue] === NONE) queues.close(queue)
    if (added !== ADDED) return FRAGMENT_DROPPED
    queues.note(queue, end - ip, false, ipv6.trafficClass(view, ip) & ECN_MASK)
    return queues.isComplete(queue)
      ? this.#complete6(director, batch, i, queue, ip - frame)
      : FRAGMENT_HELD
  }

  #complete6(
    director: Director,
    batch: Batch,
    i: number,
    queue: number,
    linkBytes: number,
  ): Verdict {
    const { queues } = this
    const { view } = queues
    const pieces = this.#pieces
    const frame = queues.spareAt
    const ip = frame + linkBytes
    const head = queues.head[queue]
    const mark = commonMark(queues.marks[queue])
    // The fragment header of the first fragment, the last thing before its data, is left out.
    const headers = queues.dataAt[head] - linkBytes - ipv6.FRAGMENT_HEADER_BYTES
    const next = queues.view.getUint8(queues.chunkAt(head) + linkBytes + headers)
    const largest = queues.largest[queue]
    const end = this.#join(queue, ipv6.FRAGMENT_HEADER_BYTES)
    pieces.count = 0
    for (let f = head; f !== NONE && pieces.count < pieces.ends.length; f = queues.next[f]) {
      pieces.ends[pieces.count++] = headers + queues.end[f]
      if (queues.end[f] === queues.length[queue]) break
    }
    queues.close(queue)
    const payload = end - ip - ipv6.HEADER_BYTES
    if (mark === ECN_DROP || payload > PAYLOAD_BYTES_MAX_6) return FRAGMENT_DROPPED
    ipv6.setPayloadLength(view, ip, payload)
    const trafficClass = ipv6.trafficClass(view, ip) | mark
    view.setUint16(ip, 0x6000 | (trafficClass << 4) | (view.getUint16(ip) & 0xf))
    view.setUint8(nextHeaderBefore(view, ip, ip + headers), next)
    if (next === ipv4.PROTO_ICMPV6 && isDiscovery(view, ip + headers, end)) return FRAGMENT_DROPPED
    this.#whole.arm = batch.arm
    this.#whole.length[0] = end - frame
    this.#whole.destination[0] = NONE
    pieces.largest = largest
    const verdict = director.forward6(this.#whole, 0, frame, ip, end)
    pieces.largest = 0
    batch.destination[i] = this.#whole.destination[0]
    return verdict
  }

  /**
   * Copies headers and data of all fragments one behind the other, headers of the first one only
   * and of them all but the last `leftOut` bytes. Where the datagram ends.
   */
  #join(queue: number, leftOut = 0): number {
    const { queues } = this
    const { bytes } = queues
    const head = queues.head[queue]
    const headers = queues.dataAt[head] - leftOut
    let to = queues.spareAt
    bytes.copyWithin(to, queues.chunkAt(head), queues.chunkAt(head) + headers)
    to += headers
    for (let f = head, left = queues.length[queue]; left > 0; f = queues.next[f]) {
      const from = queues.chunkAt(f) + queues.dataAt[f]
      const length = queues.end[f] - queues.offset[f]
      bytes.copyWithin(to, from, from + length)
      to += length
      left -= length
    }
    return to
  }

  /**
   * Gives up what has waited too long. Of IPv4 the sender is told, if the first fragment is
   * there.
   */
  tick(): void {
    const { now } = this.#state
    const { queues } = this
    if (queues.count === 0 || now < this.#nextSweep) return
    this.#nextSweep = now + SWEEP_MS
    for (let queue = 0; queue < queues.capacity; queue++) {
      if (!queues.isOpen(queue) || now < queues.until[queue]) continue
      this.#tell(queue)
      queues.close(queue)
    }
  }

  /** RFC 792: time exceeded in reassembly, about the first fragment. */
  #tell(queue: number): void {
    const { queues } = this
    const head = queues.head[queue]
    const frame = queues.chunkAt(head)
    let ip = frame + ethernet.HEADER_BYTES
    while (ethernet.isVlan(queues.view.getUint16(ip - 2))) ip += ethernet.VLAN_TAG_BYTES
    if (queues.offset[head] !== 0 || queues.view.getUint8(ip) >>> 4 !== 4) return
    this.#state.answers.error4(
      queues.arm[queue],
      queues.view,
      frame,
      ip,
      icmp.TYPE_TIME_EXCEEDED,
      icmp.CODE_REASSEMBLY_TIME_EXCEEDED,
      0,
    )
  }

  /** IPv4 is marked before it is put together: each fragment by what it holds. */
  #isMarkedLocal(view: DataView, ip: number): boolean {
    const { balancer } = this.#state
    if (!balancer.marks.hasLocal) return false
    const end = ip + ipv4.totalLength(view, ip)
    const isFirst = ipv4.fragmentOffset(view, ip) === 0
    const segment = isFirst ? ip + ipv4.headerBytes(view, ip) : NONE
    return balancer.marks.isLocal(markOf4(balancer, view, ip, segment, end))
  }

  #vip6(view: DataView, ip: number): number {
    return this.#state.vips.find(
      6,
      ipv6.destination(view, ip, 0),
      ipv6.destination(view, ip, 1),
      ipv6.destination(view, ip, 2),
      ipv6.destination(view, ip, 3),
    )
  }
}

/**
 * The ECN mark to add to the datagram's, of the marks of all its fragments as bits; ECN_DROP if
 * they can't all be of one datagram (RFC 3168 section 5.3).
 */
function commonMark(marks: number): number {
  const notCapable = 1
  const congested = 1 << ECN_CE
  if ((marks & notCapable) !== 0 && marks !== notCapable) return ECN_DROP
  return (marks & congested) !== 0 && marks !== congested ? ECN_CE : 0
}

/** Bytes of transport header that a first fragment has to hold (RFC 8200 section 4.5). */
function transportBytes(protocol: number): number {
  if (protocol === ipv4.PROTO_TCP) return tcp.HEADER_BYTES_MIN
  if (protocol === ipv4.PROTO_UDP) return udp.HEADER_BYTES
  return protocol === ipv4.PROTO_ICMPV6 ? icmpv6.HEADER_BYTES : 1
}

/** Where the number of the header at `header` stands. */
function nextHeaderBefore(view: DataView, ip: number, header: number): number {
  let place = ip + 6
  for (let at = ip + ipv6.HEADER_BYTES; at < header; at += ipv6.extensionBytes(view, at)) place = at
  return place
}

/** Neighbour discovery in fragments is ignored (RFC 6980). */
function isDiscovery(view: DataView, message: number, end: number): boolean {
  return message < end && icmpv6.isNeighbourDiscovery(icmpv6.type(view, message))
}
