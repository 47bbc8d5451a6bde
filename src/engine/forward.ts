/**
 * The journey of a frame through the director, from top to bottom. Read `forward`, then `forward4`,
 * `packet4` and `open4`; IPv6 takes the same steps over wider keys. (`plain4` is a short cut for
 * frames whose header was read with those of their batch, `glance.ts`.)
 *
 *   1. link layer          is it a frame for us, and which protocol does it carry?
 *   2. network layer       is it a sound IP packet?
 *   3. whose conversation? a connection that exists, or a service that opens one
 *   4. account             statistics, state, timer: as Linux does, before it leaves
 *   5. send it on          the MAC addresses of realserver and director (`transmitter.ts`)
 *
 * Each step asks one question at a time, and each answer that ends the journey has a name
 * (`verdict.ts`). Nothing here allocates, throws or logs. A frame is `(view, frame, end)`, offsets
 * into the batch's arena; after a layer's `isWellFormed` no accessor can leave the frame.
 */
import { NO_ROOM, PASS_FTP_DATA } from '../balance/balancer.js'
import { FLAG_BYPASS, FLAG_ONE_PACKET } from '../balance/connection.js'
import * as ethernet from '../wire/ethernet.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as transport from '../wire/transport.js'
import type { Batch } from './batch.js'
import { type DirectorOptions, DirectorState } from './director-state.js'
import { eventOf, isServed, stateEvent6 } from './event.js'
import { Pieces } from './fragment-cut.js'
import { FragmentRoad, type Fragments } from './fragment-road.js'
import { IpsecRoad, isIpsec } from './ipsec-road.js'
import { ON } from './kernel-mode.js'
import { isMartian4, isMartian6 } from './martian.js'
import { Reassembly } from './reassembly.js'
import { SideRoads4 } from './side-roads4.js'
import { SideRoads6 } from './side-roads6.js'
import { GONE, OVER, standing } from './standing.js'
import { Transmitter } from './transmitter.js'
import {
  BAD_IP_CHECKSUM,
  CONNECTIONS_FULL,
  DESTINATION_GONE,
  LOCAL_DESTINATION,
  MALFORMED_EXTENSION,
  MALFORMED_IP,
  MARTIAN_SOURCE,
  NOT_AN_OPENING,
  NOT_IP,
  NOT_VIP,
  OTHER_HOST,
  SHED,
  TRUNCATED_ETHERNET,
  TRUNCATED_TRANSPORT,
  type Verdict,
} from './verdict.js'

const NONE = -1

export class Director extends DirectorState {
  readonly #transmitter: Transmitter
  readonly #side4: SideRoads4
  readonly #side6: SideRoads6
  readonly #ipsec: IpsecRoad
  readonly #fragments: Fragments
  readonly #found = new Int32Array(ipv6.FOUND_WORDS)

  constructor(options: DirectorOptions) {
    super(options)
    const pieces = new Pieces(options.outbox.capacity, options.rules.seed)
    this.#transmitter = new Transmitter(this, pieces)
    this.#side4 = new SideRoads4(this, this.#transmitter)
    this.#side6 = new SideRoads6(this, this.#transmitter)
    this.#ipsec = new IpsecRoad(this, this.#transmitter)
    this.#fragments = this.isKernelMode
      ? new Reassembly(this, pieces)
      : new FragmentRoad(this, this.#transmitter)
  }

  override tick(): void {
    super.tick()
    this.#fragments.tick()
  }

  /** Decides frame `i` of a batch and rewrites it in place. The clock is that of `begin`. */
  forward(batch: Batch, i: number): Verdict {
    const view = batch.view
    const frame = batch.offset[i]
    const end = frame + batch.length[i]

    // 1. Link layer. Is it long enough to have a header, and do we speak its protocol?
    let network = frame + ethernet.HEADER_BYTES
    if (network > end) return TRUNCATED_ETHERNET
    let type = ethernet.type(view, frame)
    while (ethernet.isVlan(type)) {
      network += ethernet.VLAN_TAG_BYTES
      if (network > end) return TRUNCATED_ETHERNET
      type = view.getUint16(network - 2)
    }
    if (type === ethernet.ETH_P_IP) return this.forward4(batch, i, frame, network, end)
    if (type === ethernet.ETH_P_IPV6) return this.forward6(batch, i, frame, network, end)
    if (type !== ethernet.ETH_P_ARP) return NOT_IP
    return this.resolver.arp(batch.arm, view, frame, network, end, this.now)
  }

  forward4(batch: Batch, i: number, frame: number, ip: number, end: number): Verdict {
    // 2. Network layer. Is it for this host, and is its header sound?
    const view = batch.view
    if (!this.isOurs(batch.arm, view, frame)) return OTHER_HOST
    if (!ipv4.isWellFormed(view, ip, end)) return MALFORMED_IP
    if (!ipv4.isChecksumGood(view, ip)) return BAD_IP_CHECKSUM
    if (ipv4.isFragment(view, ip)) return this.#fragments.fragment4(this, batch, i, frame, ip)
    return this.packet4(batch, i, frame, ip)
  }

  /**
   * A whole IPv4 packet, or the fragment that holds the beginning of one. A function of this
   * director and not a method of all: V8 then compiles its tables in as constants
   * (scripts/bundle.mjs).
   */
  readonly packet4 = (batch: Batch, i: number, frame: number, ip: number): Verdict => {
    const view = batch.view
    const end = ip + ipv4.totalLength(view, ip) // the frame may be padded beyond
    const segment = ip + ipv4.headerBytes(view, ip)
    const protocol = ipv4.protocol(view, ip)
    if (protocol === ipv4.PROTO_ICMP) return this.#side4.icmp(batch, i, frame, ip, segment, end)
    if (!isServed(protocol)) {
      const verdict = isIpsec(protocol) ? this.#ipsec.follow4(batch, i, frame, ip, end) : NONE
      if (verdict !== NONE) return verdict
      return this.#side4.unserved(batch, i, frame, ip, segment, end)
    }
    if (end - segment < transport.PORTS_BYTES) return TRUNCATED_TRANSPORT

    // 3. Whose conversation is it? A known one first: that is nearly every frame.
    const table = this.balancer.connections4
    const ports = transport.ports(view, segment)
    const event = eventOf(protocol, view, segment, end)
    const client = ipv4.source(view, ip)
    const vip = ipv4.destination(view, ip)
    let slot = table.find4(protocol, client, vip, ports)
    if (slot !== NONE) {
      const stands = standing(this.balancer, table, slot, protocol, event)
      if (stands === GONE) return DESTINATION_GONE
      if (stands === OVER) slot = NONE
    }
    if (slot === NONE) {
      slot = this.open4(batch, i, frame, ip, segment, end, ports, event)
      if (slot < 0) return -1 - slot
    }

    return this.#known4(batch, i, frame, ip, segment, end, slot, protocol, event)
  }

  /** Steps 4 and 5 for an IPv4 packet of the connection in `slot`. */
  #known4(
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    segment: number,
    end: number,
    slot: number,
    protocol: number,
    event: number,
  ): Verdict {
    // 4. Account for it, as Linux does, before it leaves.
    const table = this.balancer.connections4
    const destination = table.destination(slot)
    this.balancer.account(table, slot, protocol, event, end - ip)
    if (table.hasFlag(slot, FLAG_ONE_PACKET)) this.balancer.closeOnePacket(table, slot)

    // 5. Send it on.
    this.lastDestination = destination
    const verdict = this.#transmitter.transmit(batch, i, frame, ip, end, destination, false)
    if (verdict !== LOCAL_DESTINATION) return verdict
    return this.#side4.local(batch, i, frame, ip, segment, end, slot)
  }

  /**
   * A frame whose header was read with those of its batch (`glance.ts`): the first two steps are
   * done. One of a connection that lives, as nearly all are, goes on from here; any other makes the
   * whole journey. As `packet4`, a function of this director.
   */
  readonly plain4 = (batch: Batch, i: number): Verdict => {
    const table = this.balancer.connections4
    const about = batch.about[i]
    const client = batch.client[i]
    const vip = batch.vip[i]
    const ports = batch.ports[i]
    const protocol = about & 0xff
    const slot =
      batch.chainsAt === table.changes
        ? table.findIn4(batch.chain[i], protocol, client, vip, ports)
        : table.find4(protocol, client, vip, ports)
    // A packet that opens nothing ends no connection either: what is servable lives.
    if (slot === NONE || !this.balancer.isServable(table, slot)) return this.forward(batch, i)
    const frame = batch.offset[i]
    const ip = frame + ethernet.HEADER_BYTES
    const segment = ip + ipv4.HEADER_BYTES_MIN
    const event = (about >>> 8) & 0xff
    return this.#known4(batch, i, frame, ip, segment, ip + (about >>> 16), slot, protocol, event)
  }

  /** Step 3 for a packet without connection: the slot of a new one, or -1 - verdict. */
  open4(
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    segment: number,
    end: number,
    ports: number,
    event: number,
  ): number {
    const { view } = batch
    const { balancer } = this
    const protocol = ipv4.protocol(view, ip)
    const client = ipv4.source(view, ip)
    const vip = ipv4.destination(view, ip)
    balancer.flow.set4(protocol, client, vip, ports)
    const mark = balancer.marks.of(balancer.flow)
    if (this.vips.find(4, vip, 0, 0, 0) < 0 && !balancer.marks.isLocal(mark)) return -1 - NOT_VIP
    if (isMartian4(client, this.vips)) return -1 - MARTIAN_SOURCE
    if (event < 0) return -1 - TRUNCATED_TRANSPORT
    const service = balancer.services.match(4, protocol, vip, 0, 0, 0, ports & 0xffff, mark)
    if (service === NONE) return -1 - this.#side4.unserved(batch, i, frame, ip, segment, end)
    if (!balancer.opens(protocol, event)) {
      return -1 - this.#side4.refuse(batch, i, frame, ip, segment, end, NOT_AN_OPENING)
    }
    if (balancer.defence.sheds()) return -1 - SHED
    const destination = balancer.choose(service)
    if (destination === NO_ROOM) return -1 - CONNECTIONS_FULL
    if (destination === PASS_FTP_DATA) {
      return -1 - this.#side4.refuse(batch, i, frame, ip, segment, end, NOT_AN_OPENING)
    }
    let flags = balancer.connectionFlags(service, protocol)
    if (destination === NONE) {
      const isBypass = balancer.bypasses(service) && this.bypass.isElsewhere(view, ip)
      if (!isBypass) return -1 - this.#side4.noDestination(batch, frame, ip)
      flags |= FLAG_BYPASS
    }
    const table = balancer.connections4
    const slot = table.insert4(protocol, client, vip, ports, destination, flags, balancer.firstDue)
    if (slot === NONE) return -1 - CONNECTIONS_FULL
    balancer.opened(table, slot, service)
    return slot
  }

  forward6(batch: Batch, i: number, frame: number, ip: number, end: number): Verdict {
    // 2. Network layer. A sound header, and where does the transport begin behind its extensions?
    const view = batch.view
    if (!ipv6.isWellFormed(view, ip, end)) {
      return this.isOurs(batch.arm, view, frame) ? MALFORMED_IP : OTHER_HOST
    }
    const packetEnd = ip + ipv6.HEADER_BYTES + ipv6.payloadLength(view, ip)
    const found = this.#found
    if (!ipv6.walkExtensions(view, ip, packetEnd, found)) {
      return this.isOurs(batch.arm, view, frame) ? MALFORMED_EXTENSION : OTHER_HOST
    }
    const protocol = found[ipv6.FOUND_PROTOCOL]
    const segment = found[ipv6.FOUND_TRANSPORT_AT]
    const fragment = found[ipv6.FOUND_FRAGMENT_AT]
    if (protocol === ipv4.PROTO_ICMPV6 && fragment === NONE) {
      // Neighbour discovery is asked of groups, so the MAC address is looked at there.
      return this.#side6.icmp(batch, i, frame, ip, segment, packetEnd)
    }
    if (!this.isOurs(batch.arm, view, frame)) return OTHER_HOST
    if (ipv6.nextHeader(view, ip) === ipv6.PROTO_HOP_BY_HOP) {
      const verdict = this.#side6.hopByHop(batch, frame, ip, packetEnd)
      if (verdict !== ON) return verdict
    }
    if (fragment !== NONE) {
      const isFirst = found[ipv6.FOUND_FRAGMENT_OFFSET] === 0
      return this.#fragments.fragment6(
        this,
        batch,
        i,
        frame,
        ip,
        packetEnd,
        protocol,
        segment,
        fragment,
        isFirst,
      )
    }
    return this.packet6(batch, i, frame, ip, packetEnd, protocol, segment)
  }

  /** A whole IPv6 packet, or the fragment that holds the beginning of one; as `packet4`. */
  readonly packet6 = (
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    end: number,
    protocol: number,
    segment: number,
  ): Verdict => {
    const view = batch.view
    if (!isServed(protocol)) {
      const verdict = isIpsec(protocol) ? this.#ipsec.follow6(batch, i, frame, ip, end) : NONE
      if (verdict !== NONE) return verdict
      return this.#side6.unserved(batch, i, frame, ip, segment, end, protocol)
    }
    if (end - segment < transport.PORTS_BYTES) return TRUNCATED_TRANSPORT

    // 3. Whose conversation is it?
    const table = this.balancer.connections6
    const source = ip + ipv6.ADDRESSES_OFFSET
    const ports = transport.ports(view, segment)
    const event = eventOf(protocol, view, segment, end)
    let slot = table.find6(protocol, view, source, source + 16, ports)
    if (slot !== NONE) {
      const stands = standing(this.balancer, table, slot, protocol, event)
      if (stands === GONE) return DESTINATION_GONE
      if (stands === OVER) slot = NONE
    }
    if (slot === NONE) {
      slot = this.open6(batch, i, frame, ip, segment, end, protocol, ports, event)
      if (slot < 0) return -1 - slot
    }

    // 4. Account for it.
    const destination = table.destination(slot)
    this.balancer.account(
      table,
      slot,
      protocol,
      stateEvent6(view, ip, segment, end, protocol, event),
      end - ip,
    )
    if (table.hasFlag(slot, FLAG_ONE_PACKET)) this.balancer.closeOnePacket(table, slot)

    // 5. Send it on.
    this.lastDestination = destination
    const verdict = this.#transmitter.transmit(batch, i, frame, ip, end, destination, false)
    if (verdict !== LOCAL_DESTINATION) return verdict
    return this.#side6.local(batch, i, frame, ip, segment, end, protocol, slot)
  }

  /** Step 3 for an IPv6 packet without connection: the slot of a new one, or -1 - verdict. */
  open6(
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    segment: number,
    end: number,
    protocol: number,
    ports: number,
    event: number,
  ): number {
    const { view } = batch
    const { balancer } = this
    const source = ip + ipv6.ADDRESSES_OFFSET
    balancer.flow.set6(protocol, view, source, source + 16, ports)
    const { client, vip } = balancer.flow
    const v0 = vip[0]
    const v1 = vip[1]
    const v2 = vip[2]
    const v3 = vip[3]
    const mark = balancer.marks.of(balancer.flow)
    const isVip = this.vips.find(6, v0, v1, v2, v3) >= 0
    if (!isVip && !balancer.marks.isLocal(mark)) return -1 - NOT_VIP
    if (isMartian6(client[0], client[1], client[2], client[3])) return -1 - MARTIAN_SOURCE
    if (event < 0) return -1 - TRUNCATED_TRANSPORT
    const service = balancer.services.match(6, protocol, v0, v1, v2, v3, ports & 0xffff, mark)
    if (service === NONE)
      return -1 - this.#side6.unserved(batch, i, frame, ip, segment, end, protocol)
    if (!balancer.opens(protocol, event)) {
      return -1 - this.#side6.refuse(batch, i, frame, ip, segment, end, protocol, NOT_AN_OPENING)
    }
    if (balancer.defence.sheds()) return -1 - SHED
    const destination = balancer.choose(service)
    if (destination === NO_ROOM) return -1 - CONNECTIONS_FULL
    if (destination === PASS_FTP_DATA) {
      return -1 - this.#side6.refuse(batch, i, frame, ip, segment, end, protocol, NOT_AN_OPENING)
    }
    let flags = balancer.connectionFlags(service, protocol)
    if (destination === NONE) {
      const isBypass = balancer.bypasses(service) && this.bypass.isElsewhere(view, ip)
      if (!isBypass) return -1 - this.#side6.noDestination(batch, frame, ip, end)
      flags |= FLAG_BYPASS
    }
    const table = balancer.connections6
    const slot = table.insert6(
      protocol,
      view,
      source,
      source + 16,
      ports,
      destination,
      flags,
      balancer.firstDue,
    )
    if (slot === NONE) return -1 - CONNECTIONS_FULL
    balancer.opened(table, slot, service)
    return slot
  }
}
