/**
 * What the director says and hears on the link: it answers for its VIPs, announces them, finds the
 * MAC addresses of its neighbours and keeps frames for those that have not answered yet. ARP after
 * RFC 826 and RFC 5227, neighbour discovery after RFC 4861 section 7.2.
 */
import { HeldFrames } from '../link/held-frames.js'
import { type NeighbourTable, NONE } from '../link/neighbour.js'
import { ANNOUNCED, type VipTable } from '../link/vips.js'
import * as arp from '../wire/arp.js'
import * as checksum from '../wire/checksum.js'
import * as ethernet from '../wire/ethernet.js'
import * as icmpv6 from '../wire/icmpv6.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import type { Arm, Outbox } from './port.js'
import {
  ARP_ANSWERED,
  ARP_IGNORED,
  MALFORMED_ARP,
  MALFORMED_ND,
  ND_ANSWERED,
  ND_IGNORED,
  NEIGHBOUR_LEARNED,
  type Verdict,
} from './verdict.js'

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

export class Resolver {
  readonly held = new HeldFrames()
  readonly #arms: readonly Arm[]
  readonly #outbox: Outbox
  readonly #neighbours: NeighbourTable
  readonly #vips: VipTable
  readonly #own: OwnAddresses[]
  /** VIPs still to be announced: index of the next, and how many rounds are left. */
  #announceNext = 0
  #announceRounds = 0
  #announceAt = 0
  /** Frames sent by ourselves since the start. */
  sent = 0
  /** Neighbours whose answers arrived since the last tick may have frames waiting. */
  #learned = false

  constructor(
    arms: readonly Arm[],
    outbox: Outbox,
    neighbours: NeighbourTable,
    vips: VipTable,
    own: readonly OwnAddresses[],
  ) {
    this.#arms = arms
    this.#outbox = outbox
    this.#neighbours = neighbours
    this.#vips = vips
    this.#own = [...own]
  }

  /** The own addresses of an arm have changed. */
  setOwnAddresses(arm: number, own: OwnAddresses): void {
    this.#own[arm] = own
  }

  /** Announces all VIPs, `rounds` times a second apart (RFC 5227 section 2.3 has two). */
  announce(rounds: number, now: number): void {
    this.#announceNext = 0
    this.#announceRounds = rounds
    this.#announceAt = now
  }

  arp(arm: number, view: DataView, frame: number, at: number, end: number, now: number): Verdict {
    if (!arp.isWellFormed(view, at, end)) return MALFORMED_ARP
    const sender = arp.senderAddress(view, at)
    const macHigh = arp.senderMacHigh(view, at)
    const macLow = arp.senderMacLow(view, at)
    const known = this.#neighbours.find(arm, 4, sender, 0, 0, 0)
    if (known !== NONE && !isGroupMac(macHigh)) this.#confirm(known, macHigh, macLow, now)
    const target = arp.targetAddress(view, at)
    if (
      arp.operation(view, at) === arp.OP_REQUEST &&
      this.#isAnnounced(4, target, 0, 0, 0) &&
      sender !== target
    ) {
      return this.#answerArp(arm, view, frame, at) ? ARP_ANSWERED : ARP_IGNORED
    }
    return known !== NONE ? NEIGHBOUR_LEARNED : ARP_IGNORED
  }

  #answerArp(arm: number, view: DataView, frame: number, at: number): boolean {
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

  /** A message of neighbour discovery at `at` in the packet `[ip, end)`. */
  nd(
    arm: number,
    view: DataView,
    frame: number,
    ip: number,
    at: number,
    end: number,
    now: number,
  ): Verdict {
    if (!icmpv6.isWellFormedNeighbourDiscovery(view, ip, at, end)) return MALFORMED_ND
    const type = icmpv6.type(view, at)
    if (type === icmpv6.TYPE_NEIGHBOUR_ADVERTISEMENT) {
      return this.#learn6(arm, view, at, at, end, icmpv6.OPTION_TARGET_LINK_LAYER, now)
        ? NEIGHBOUR_LEARNED
        : ND_IGNORED
    }
    if (type !== icmpv6.TYPE_NEIGHBOUR_SOLICITATION) return ND_IGNORED
    this.#learn6(arm, view, ip, at, end, icmpv6.OPTION_SOURCE_LINK_LAYER, now)
    const t0 = icmpv6.target(view, at, 0)
    const t1 = icmpv6.target(view, at, 1)
    const t2 = icmpv6.target(view, at, 2)
    const t3 = icmpv6.target(view, at, 3)
    if (!this.#isAnnounced(6, t0, t1, t2, t3)) return ND_IGNORED
    return this.#answerSolicitation(arm, view, frame, ip, at) ? ND_ANSWERED : ND_IGNORED
  }

  /** Learns the MAC in an option; the neighbour is the target (at === holder) or the packet's source. */
  #learn6(
    arm: number,
    view: DataView,
    holder: number,
    at: number,
    end: number,
    optionType: number,
    now: number,
  ): boolean {
    const address = holder === at ? at + 8 : holder + ipv6.ADDRESSES_OFFSET
    const known = this.#neighbours.find(
      arm,
      6,
      view.getInt32(address),
      view.getInt32(address + 4),
      view.getInt32(address + 8),
      view.getInt32(address + 12),
    )
    if (known === NONE) return false
    const option = icmpv6.linkLayerOption(view, at, end, optionType)
    if (option === NONE) return false
    const macHigh = icmpv6.optionMacHigh(view, option)
    if (isGroupMac(macHigh)) return false
    this.#confirm(known, macHigh, icmpv6.optionMacLow(view, option), now)
    return true
  }

  #answerSolicitation(arm: number, view: DataView, frame: number, ip: number, at: number): boolean {
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

  /** Keeps a copy of the frame until `neighbour` is resolved; false if there is no room. */
  hold(
    neighbour: number,
    bytes: Uint8Array,
    frame: number,
    length: number,
    ip: number,
    isPartial: boolean,
    now: number,
  ): boolean {
    const at = this.held.hold(neighbour, bytes, frame, length, now)
    if (at < 0) return false
    // What the sender's hardware was to do must be done before the copy leaves as an ordinary frame.
    if (isPartial) finishChecksum(this.held.view, at + (ip - frame))
    return true
  }

  /** Everything that is due: questions, announcements, frames that waited. Writes to the outbox. */
  tick(now: number): void {
    if (this.#learned) this.#releaseHeld()
    if (this.held.count > 0) this.#expireHeld(now)
    let slot = this.#neighbours.nextWanted(0, now)
    while (slot !== NONE) {
      this.#solicit(slot)
      slot = this.#neighbours.nextWanted(slot + 1, now)
    }
    if (this.#announceRounds > 0 && now >= this.#announceAt) this.#announceSome(now)
  }

  #confirm(slot: number, macHigh: number, macLow: number, now: number): void {
    this.#neighbours.confirm(slot, macHigh, macLow, now)
    if (this.held.count > 0) this.#learned = true
  }

  #releaseHeld(): void {
    const { held } = this
    const neighbours = this.#neighbours
    for (let n = 0; n < neighbours.highWater; n++) {
      if (!neighbours.isUsable(n)) continue
      for (let slot = held.oldest(n); slot !== -1; slot = held.oldest(n)) {
        const length = held.length(slot)
        const arm = neighbours.arm[n]
        const out = this.#outbox.reserve(length, arm)
        if (out < 0) return
        const from = held.offset(slot)
        for (let i = 0; i < length; i++) this.#outbox.bytes[out + i] = held.bytes[from + i]
        ethernet.setDestination(this.#outbox.view, out, neighbours.macHigh[n], neighbours.macLow[n])
        ethernet.setSource(this.#outbox.view, out, this.#arms[arm].macHigh, this.#arms[arm].macLow)
        held.release(slot)
        this.sent++
      }
    }
    this.#learned = false
  }

  /** Frames that waited too long are given up; they were counted when they came. */
  #expireHeld(now: number): void {
    for (let n = 0; n < this.#neighbours.highWater; n++) {
      let slot = this.held.oldest(n)
      while (slot !== -1 && this.held.isExpired(slot, now)) {
        this.held.release(slot)
        slot = this.held.oldest(n)
      }
    }
  }

  #solicit(slot: number): void {
    const neighbours = this.#neighbours
    const arm = neighbours.arm[slot]
    const unicast = neighbours.isUnicastProbe(slot)
    if (neighbours.family(slot) === 4) {
      const sender = this.#own[arm].ipv4 ?? 0
      this.#sendArp(
        arm,
        arp.OP_REQUEST,
        sender,
        neighbours.address(slot),
        unicast ? neighbours.macHigh[slot] : ethernet.BROADCAST_HIGH,
        unicast ? neighbours.macLow[slot] : ethernet.BROADCAST_LOW,
      )
      return
    }
    const own = this.#own[arm].ipv6
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

  /** Announces VIPs on every arm until the outbox is half full; the rest follows next tick. */
  #announceSome(now: number): void {
    const vips = this.#vips.list
    while (this.#announceNext < vips.length) {
      if (this.#outbox.count > this.#outbox.capacity / 2) return
      const vip = vips[this.#announceNext++]
      if (!vip.announced) continue
      for (let arm = 0; arm < this.#arms.length; arm++) {
        if (vip.family === 4) {
          this.#sendArp(
            arm,
            arp.OP_REQUEST,
            vip.words[0],
            vip.words[0],
            ethernet.BROADCAST_HIGH,
            ethernet.BROADCAST_LOW,
          )
        } else this.#announce6(arm, vip.words)
      }
    }
    this.#announceNext = 0
    this.#announceRounds--
    this.#announceAt = now + 1000
  }

  #announce6(arm: number, vip: Int32Array): void {
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

  #sendArp(
    arm: number,
    operation: number,
    sender: number,
    target: number,
    toHigh: number,
    toLow: number,
  ): void {
    const out = this.#outbox.reserve(ARP_FRAME_BYTES, arm)
    if (out < 0) return
    const { macHigh, macLow } = this.#arms[arm]
    ethernet.writeHeader(this.#outbox.view, out, toHigh, toLow, macHigh, macLow, ethernet.ETH_P_ARP)
    arp.write(
      this.#outbox.view,
      out + ethernet.HEADER_BYTES,
      operation,
      macHigh,
      macLow,
      sender,
      0,
      0,
      target,
    )
    this.sent++
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

  #isAnnounced(family: number, w0: number, w1: number, w2: number, w3: number): boolean {
    const flags = this.#vips.find(family, w0, w1, w2, w3)
    return flags >= 0 && (flags & ANNOUNCED) !== 0
  }
}

function isGroupMac(macHigh: number): boolean {
  return (macHigh & 0x0100) !== 0
}

const FOUND = new Int32Array(ipv6.FOUND_WORDS)

/** Completes the transport checksum of the well-formed packet at `ip`, which is no fragment. */
function finishChecksum(view: DataView, ip: number): void {
  if (view.getUint8(ip) >>> 4 === 4) {
    const end = ip + ipv4.totalLength(view, ip)
    checksum.finishTransport4(
      view,
      ip,
      ip + ipv4.headerBytes(view, ip),
      end,
      ipv4.protocol(view, ip),
    )
    return
  }
  const end = ip + ipv6.HEADER_BYTES + ipv6.payloadLength(view, ip)
  if (!ipv6.walkExtensions(view, ip, end, FOUND)) return
  checksum.finishTransport6(
    view,
    ip,
    FOUND[ipv6.FOUND_TRANSPORT_AT],
    end,
    FOUND[ipv6.FOUND_PROTOCOL],
  )
}
