/**
 * The frames that the director itself says on a link, written into the outbox: ARP requests,
 * replies and announcements, neighbour solicitations and advertisements. When to say what is a
 * matter of `resolver.ts`.
 */
import type { NeighbourTable } from '../link/neighbour.js'
import * as arp from '../wire/arp.js'
import * as ethernet from '../wire/ethernet.js'
import * as icmpv6 from '../wire/icmpv6.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import type { Arm, Outbox } from './port.js'

const ARP_FRAME_BYTES = ethernet.HEADER_BYTES + arp.BYTES
const ND_FRAME_BYTES = ethernet.HEADER_BYTES + ipv6.HEADER_BYTES + icmpv6.NEIGHBOUR_BYTES
const ND_HOP_LIMIT = 255
/** ff02::1, all nodes, and the MAC prefix of IPv6 multicast (RFC 2464 section 7). */
const ALL_NODES_0 = 0xff020000 | 0
const IPV6_GROUP_HIGH = 0x3333
/** Solicited-node addresses: ff02::1:ffXX:XXXX (RFC 4291 section 2.7.1). */
const SOLICITED_NODE_3 = 0xff000000 | 0
const LOW_24 = 0x00ffffff

/** The director's own addresses on an arm, the senders of its questions; null where it has none. */
export interface OwnAddresses {
  readonly ipv4: number | null
  readonly ipv6: Int32Array | null
}

export class LinkFrames {
  /** Frames written since the start. */
  sent = 0
  readonly #arms: readonly Arm[]
  readonly #outbox: Outbox

  constructor(arms: readonly Arm[], outbox: Outbox) {
    this.#arms = arms
    this.#outbox = outbox
  }

  /** "The target is at our MAC address", to who asked in the ARP packet at `at`; false: no room. */
  answerArp(arm: number, view: DataView, frame: number, at: number): boolean {
    const linkBytes = at - frame
    const out = this.#outbox.reserve(linkBytes + arp.BYTES, arm)
    if (out < 0) return false
    const to = this.#outbox.view
    const { macHigh, macLow } = this.#arms[arm]
    for (let i = ethernet.TYPE_OFFSET; i < linkBytes; i++)
      to.setUint8(out + i, view.getUint8(frame + i))
    ethernet.setDestination(
      to,
      out,
      ethernet.sourceHigh(view, frame),
      ethernet.sourceLow(view, frame),
    )
    ethernet.setSource(to, out, macHigh, macLow)
    arp.write(
      to,
      out + linkBytes,
      arp.OP_REPLY,
      macHigh,
      macLow,
      arp.targetAddress(view, at),
      arp.senderMacHigh(view, at),
      arp.senderMacLow(view, at),
      arp.senderAddress(view, at),
    )
    this.sent++
    return true
  }

  /** The same in neighbour discovery, for the solicitation at `at` in the packet at `ip`. */
  answerSolicitation(arm: number, view: DataView, frame: number, ip: number, at: number): boolean {
    const linkBytes = ip - frame
    const out = this.#outbox.reserve(linkBytes + ipv6.HEADER_BYTES + icmpv6.NEIGHBOUR_BYTES, arm)
    if (out < 0) return false
    const to = this.#outbox.view
    const { macHigh, macLow } = this.#arms[arm]
    for (let i = ethernet.TYPE_OFFSET; i < linkBytes; i++)
      to.setUint8(out + i, view.getUint8(frame + i))
    ethernet.setSource(to, out, macHigh, macLow)
    const packet = out + linkBytes
    ipv6.writeHeader(to, packet, 0, 0, icmpv6.NEIGHBOUR_BYTES, ipv4.PROTO_ICMPV6, ND_HOP_LIMIT)
    const t0 = icmpv6.target(view, at, 0)
    const t1 = icmpv6.target(view, at, 1)
    const t2 = icmpv6.target(view, at, 2)
    const t3 = icmpv6.target(view, at, 3)
    ipv6.setSource(to, packet, t0, t1, t2, t3)
    const s0 = ipv6.source(view, ip, 0)
    const s1 = ipv6.source(view, ip, 1)
    const s2 = ipv6.source(view, ip, 2)
    const s3 = ipv6.source(view, ip, 3)
    let flags = icmpv6.FLAG_OVERRIDE
    if ((s0 | s1 | s2 | s3) === 0) {
      // Duplicate address detection asks from nowhere: everybody is told (RFC 4861 section 7.2.4).
      ipv6.setDestination(to, packet, ALL_NODES_0, 0, 0, 1)
      ethernet.setDestination(to, out, IPV6_GROUP_HIGH, 1)
    } else {
      flags |= icmpv6.FLAG_SOLICITED
      ipv6.setDestination(to, packet, s0, s1, s2, s3)
      ethernet.setDestination(
        to,
        out,
        ethernet.sourceHigh(view, frame),
        ethernet.sourceLow(view, frame),
      )
    }
    icmpv6.writeNeighbourAdvertisement(
      to,
      packet,
      packet + ipv6.HEADER_BYTES,
      flags,
      t0,
      t1,
      t2,
      t3,
      macHigh,
      macLow,
    )
    this.sent++
    return true
  }

  /** Tells all nodes where the VIP is: an unsolicited advertisement (RFC 4861 section 7.2.6). */
  announce6(arm: number, vip: Int32Array): void {
    const at = this.#beginNd(arm, IPV6_GROUP_HIGH, 1)
    if (at < 0) return
    const out = this.#outbox.view
    ipv6.setSource(out, at, vip[0], vip[1], vip[2], vip[3])
    ipv6.setDestination(out, at, ALL_NODES_0, 0, 0, 1)
    icmpv6.writeNeighbourAdvertisement(
      out,
      at,
      at + ipv6.HEADER_BYTES,
      icmpv6.FLAG_OVERRIDE,
      vip[0],
      vip[1],
      vip[2],
      vip[3],
      this.#arms[arm].macHigh,
      this.#arms[arm].macLow,
    )
  }

  /** A request for `target`; for an announcement sender and target are the same (RFC 5227). */
  requestArp(arm: number, sender: number, target: number, toHigh: number, toLow: number): void {
    const out = this.#outbox.reserve(ARP_FRAME_BYTES, arm)
    if (out < 0) return
    const { macHigh, macLow } = this.#arms[arm]
    ethernet.writeHeader(this.#outbox.view, out, toHigh, toLow, macHigh, macLow, ethernet.ETH_P_ARP)
    arp.write(
      this.#outbox.view,
      out + ethernet.HEADER_BYTES,
      arp.OP_REQUEST,
      macHigh,
      macLow,
      sender,
      0,
      0,
      target,
    )
    this.sent++
  }

  /** Asks for the MAC address of a neighbour: all of the segment, or itself to confirm (probe). */
  solicit(neighbours: NeighbourTable, slot: number, from: OwnAddresses): void {
    const arm = neighbours.arm[slot]
    const unicast = neighbours.isUnicastProbe(slot)
    if (neighbours.family(slot) === 4) {
      const sender = from.ipv4 ?? 0
      this.requestArp(
        arm,
        sender,
        neighbours.address(slot),
        unicast ? neighbours.macHigh[slot] : ethernet.BROADCAST_HIGH,
        unicast ? neighbours.macLow[slot] : ethernet.BROADCAST_LOW,
      )
      return
    }
    const own = from.ipv6
    if (own === null) return
    const a3 = neighbours.address(slot, 3)
    const at = this.#beginNd(
      arm,
      unicast ? neighbours.macHigh[slot] : IPV6_GROUP_HIGH,
      unicast ? neighbours.macLow[slot] : SOLICITED_NODE_3 | (a3 & LOW_24),
    )
    if (at < 0) return
    const out = this.#outbox.view
    ipv6.setSource(out, at, own[0], own[1], own[2], own[3])
    const a0 = neighbours.address(slot, 0)
    const a1 = neighbours.address(slot, 1)
    const a2 = neighbours.address(slot, 2)
    if (unicast) ipv6.setDestination(out, at, a0, a1, a2, a3)
    else ipv6.setDestination(out, at, ALL_NODES_0, 0, 1, SOLICITED_NODE_3 | (a3 & LOW_24))
    icmpv6.writeNeighbourSolicitation(
      out,
      at,
      at + ipv6.HEADER_BYTES,
      a0,
      a1,
      a2,
      a3,
      this.#arms[arm].macHigh,
      this.#arms[arm].macLow,
    )
  }

  /** Begins a frame of neighbour discovery; where its IPv6 header is, or -1. */
  #beginNd(arm: number, toHigh: number, toLow: number): number {
    const out = this.#outbox.reserve(ND_FRAME_BYTES, arm)
    if (out < 0) return -1
    const { macHigh, macLow } = this.#arms[arm]
    ethernet.writeHeader(
      this.#outbox.view,
      out,
      toHigh,
      toLow,
      macHigh,
      macLow,
      ethernet.ETH_P_IPV6,
    )
    ipv6.writeHeader(
      this.#outbox.view,
      out + ethernet.HEADER_BYTES,
      0,
      0,
      icmpv6.NEIGHBOUR_BYTES,
      ipv4.PROTO_ICMPV6,
      ND_HOP_LIMIT,
    )
    this.sent++
    return out + ethernet.HEADER_BYTES
  }
}
