/**
 * What the director says and hears on the link: it answers for its VIPs, announces them, finds the
 * MAC addresses of its neighbours and keeps frames for those that have not answered yet. ARP after
 * RFC 826 and RFC 5227, neighbour discovery after RFC 4861 section 7.2.
 */
import { HELD_FRAMES_MAX, HeldFrames } from '../link/held-frames.js'
import { type NeighbourTable, NONE } from '../link/neighbour.js'
import { ANNOUNCED, type Vip, type VipTable } from '../link/vips.js'
import * as arp from '../wire/arp.js'
import * as checksum from '../wire/checksum.js'
import * as ethernet from '../wire/ethernet.js'
import * as icmpv6 from '../wire/icmpv6.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import { LinkFrames, type OwnAddresses } from './link-frames.js'
import type { Arm, Outbox } from './port.js'
import {
  ARP_ANSWERED,
  ARP_IGNORED,
  MALFORMED_ARP,
  MALFORMED_ND,
  ND_ANSWERED,
  ND_IGNORED,
  NEIGHBOUR_LEARNED,
  OTHER_HOST,
  type Verdict,
} from './verdict.js'

export class Resolver {
  readonly held = new HeldFrames()
  readonly #arms: readonly Arm[]
  readonly #outbox: Outbox
  readonly #neighbours: NeighbourTable
  readonly #vips: VipTable
  readonly #own: OwnAddresses[]
  readonly #frames: LinkFrames
  /** VIPs that are being announced: index of the next, and how many rounds are left. */
  #announced: readonly Vip[] = []
  #announceNext = 0
  #announceRounds = 0
  #announceAt = 0
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
    this.#frames = new LinkFrames(arms, outbox)
  }

  /** Frames sent by ourselves since the start: questions, answers, and those that had waited. */
  get sent(): number {
    return this.#frames.sent
  }

  /** The own addresses of an arm have changed. */
  setOwnAddresses(arm: number, own: OwnAddresses): void {
    this.#own[arm] = own
  }

  /** Announces these VIPs, `rounds` times a second apart (RFC 5227 section 2.3 has two). */
  announce(vips: readonly Vip[], rounds: number, now: number): void {
    const waiting = this.#announceRounds > 0 ? this.#announced : []
    this.#announced = [...waiting, ...vips]
    this.#announceNext = 0
    this.#announceRounds = rounds
    this.#announceAt = now
  }

  arp(arm: number, view: DataView, frame: number, at: number, end: number, now: number): Verdict {
    if (!this.#isForUs(arm, view, frame)) return OTHER_HOST
    if (!arp.isWellFormed(view, at, end)) return MALFORMED_ARP
    const sender = arp.senderAddress(view, at)
    const macHigh = arp.senderMacHigh(view, at)
    const macLow = arp.senderMacLow(view, at)
    const known = isGroupMac(macHigh) ? NONE : this.#neighbours.find(arm, 4, sender, 0, 0, 0)
    if (known !== NONE) {
      const isReply = arp.operation(view, at) === arp.OP_REPLY
      this.#hear(known, macHigh, macLow, isReply, true, now)
    }
    const target = arp.targetAddress(view, at)
    if (
      arp.operation(view, at) === arp.OP_REQUEST &&
      this.#isAnnounced(4, target, 0, 0, 0) &&
      sender !== target
    ) {
      return this.#frames.answerArp(arm, view, frame, at) ? ARP_ANSWERED : ARP_IGNORED
    }
    return known !== NONE ? NEIGHBOUR_LEARNED : ARP_IGNORED
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
    if (!this.#isForUs(arm, view, frame)) return OTHER_HOST
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
    return this.#frames.answerSolicitation(arm, view, frame, ip, at) ? ND_ANSWERED : ND_IGNORED
  }

  /**
   * Learns the MAC in an option; the neighbour is the target (at === holder) or the packet's
   * source.
   */
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
    const macLow = icmpv6.optionMacLow(view, option)
    const flags = icmpv6.flags(view, at)
    const isAdvertisement = holder === at
    const isAnswer = isAdvertisement && (flags & icmpv6.FLAG_SOLICITED) !== 0
    const mayReplace = !isAdvertisement || (flags & icmpv6.FLAG_OVERRIDE) !== 0
    this.#hear(known, macHigh, macLow, isAnswer, mayReplace, now)
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
    // What the sender's hardware was to do must be done before the copy leaves as an ordinary
    // frame.
    if (isPartial) finishChecksum(this.held.view, at + (ip - frame))
    return true
  }

  /** Gives up the frames that wait for `neighbour`. */
  dropHeld(neighbour: number): void {
    for (let slot = this.held.oldest(neighbour); slot !== -1; slot = this.held.oldest(neighbour)) {
      this.held.release(slot)
    }
  }

  /** Everything that is due: questions, announcements, frames that waited. Writes to the outbox. */
  tick(now: number): void {
    if (this.#learned) this.#releaseHeld()
    if (this.held.count > 0) this.#expireHeld(now)
    this.#askNeighbours(now)
    if (this.#announceRounds > 0 && now >= this.#announceAt) this.#announceSome(now)
  }

  /** Asks as many of those that are due as there is room for; the others stay due. */
  #askNeighbours(now: number): void {
    const neighbours = this.#neighbours
    let slot = -1
    while (this.#outbox.count < this.#outbox.capacity) {
      slot = neighbours.nextWanted(slot + 1, now)
      if (slot === NONE) return
      this.#frames.solicit(neighbours, slot, this.#own[neighbours.arm[slot]])
    }
  }

  /** Addressed to us or to a group; what a switch lets us overhear is not ours to answer. */
  #isForUs(arm: number, view: DataView, frame: number): boolean {
    if (ethernet.isGroup(view, frame)) return true
    const { macHigh, macLow } = this.#arms[arm]
    return (
      ethernet.destinationLow(view, frame) === macLow &&
      ethernet.destinationHigh(view, frame) === macHigh
    )
  }

  #hear(
    slot: number,
    macHigh: number,
    macLow: number,
    isAnswer: boolean,
    mayReplace: boolean,
    now: number,
  ): void {
    this.#neighbours.hear(slot, macHigh, macLow, isAnswer, mayReplace, now)
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
        this.#frames.sent++
      }
    }
    this.#learned = false
  }

  /** Frames that waited too long are given up; they were counted when they came. */
  #expireHeld(now: number): void {
    for (let slot = 0; slot < HELD_FRAMES_MAX; slot++) {
      if (this.held.isExpired(slot, now)) this.held.release(slot)
    }
  }

  /** Announces VIPs on every arm until the outbox is half full; the rest follows next tick. */
  #announceSome(now: number): void {
    const vips = this.#announced
    while (this.#announceNext < vips.length) {
      if (this.#outbox.count > this.#outbox.capacity / 2) return
      const vip = vips[this.#announceNext++]
      if (!vip.announced) continue
      for (let arm = 0; arm < this.#arms.length; arm++) {
        if (vip.family === 4) {
          this.#frames.requestArp(
            arm,
            vip.words[0],
            vip.words[0],
            ethernet.BROADCAST_HIGH,
            ethernet.BROADCAST_LOW,
          )
        } else this.#frames.announce6(arm, vip.words)
      }
    }
    this.#announceNext = 0
    this.#announceRounds--
    this.#announceAt = now + 1000
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
