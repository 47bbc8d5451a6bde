/**
 * What the director says by itself about a frame: TCP resets, ICMP errors and echo replies, as a
 * Linux host without listeners would (RFC 9293 section 3.10.7.1, RFC 792 and 1122 section 3.2.2,
 * RFC 4443).
 *
 * An answer is written into the outbox, since it may be longer than the frame that asked and frames
 * of a ring lie close together. It goes back to the MAC address that the frame came from, with the
 * same VLAN tags, and has the frame's destination (the VIP) as its source. Each method tells
 * whether an answer was sent; none is where the rate limit or a rule of the RFCs forbids it.
 */

import type { VipTable } from '../link/vips.js'
import * as checksum from '../wire/checksum.js'
import * as ethernet from '../wire/ethernet.js'
import * as icmp from '../wire/icmp.js'
import * as icmpv6 from '../wire/icmpv6.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as tcp from '../wire/tcp.js'
import * as transport from '../wire/transport.js'
import type { Arm, Outbox } from './port.js'
import type { RateLimit } from './rate-limit.js'

const TTL = 64
/**
 * What an ICMP error quotes is cut so that the whole packet has this length (RFC 1812, RFC 4443).
 */
const ICMP_ERROR_BYTES_MAX = 576
const ICMPV6_ERROR_BYTES_MAX = 1280
/**
 * Precedence "internetwork control", which Linux gives to ICMP errors (RFC 1812 section 4.3.2.5).
 */
const TOS_CONTROL = 0xc0
/** What Linux keeps of the quoted packet's TOS (`RT_TOS`): not its precedence, not the last bit. */
const TOS_KEPT = 0x1e

/** The group bit of a MAC address, in its first 16 bits. */
const GROUP_BIT = 0x0100

export class Answers {
  readonly #arms: readonly Arm[]
  readonly #outbox: Outbox
  readonly #vips: VipTable
  readonly #limit: RateLimit
  readonly #quiet: boolean
  /** The clock of this breath, set by the director. */
  now = 0
  #identification = 0

  constructor(
    arms: readonly Arm[],
    outbox: Outbox,
    vips: VipTable,
    limit: RateLimit,
    quiet: boolean,
  ) {
    this.#arms = arms
    this.#outbox = outbox
    this.#vips = vips
    this.#limit = limit
    this.#quiet = quiet
  }

  /** RST for the segment at `segment` of the IPv4 packet at `ip`. */
  reset4(
    arm: number,
    view: DataView,
    frame: number,
    ip: number,
    segment: number,
    end: number,
  ): boolean {
    const at = this.#begin(
      arm,
      view,
      frame,
      ip,
      ip - frame + ipv4.HEADER_BYTES_MIN + tcp.HEADER_BYTES_MIN,
    )
    if (at < 0) return false
    const out = this.#outbox.view
    const to = at + ipv4.HEADER_BYTES_MIN
    ipv4.writeHeader(
      out,
      at,
      0,
      to + tcp.HEADER_BYTES_MIN - at,
      0,
      ipv4.FLAG_DONT_FRAGMENT,
      TTL,
      ipv4.PROTO_TCP,
      ipv4.destination(view, ip),
      ipv4.source(view, ip),
    )
    this.#writeReset(out, to, view, segment, end)
    checksum.finishTransport4(out, at, to, to + tcp.HEADER_BYTES_MIN, ipv4.PROTO_TCP)
    return true
  }

  reset6(
    arm: number,
    view: DataView,
    frame: number,
    ip: number,
    segment: number,
    end: number,
  ): boolean {
    const at = this.#begin6(arm, view, frame, ip, tcp.HEADER_BYTES_MIN, ipv4.PROTO_TCP, 0)
    if (at < 0) return false
    const to = at + ipv6.HEADER_BYTES
    this.#writeReset(this.#outbox.view, to, view, segment, end)
    checksum.finishTransport6(this.#outbox.view, at, to, to + tcp.HEADER_BYTES_MIN, ipv4.PROTO_TCP)
    return true
  }

  /**
   * ICMP error about the packet at `ip`; `rest` is bytes 4 to 7 of its header (MTU of 3/4).
   * Returns the length of the IP packet sent, 0 if none was.
   */
  error4(
    arm: number,
    view: DataView,
    frame: number,
    ip: number,
    type: number,
    code: number,
    rest: number,
  ): number {
    if (!mayBeAnswered4(view, ip) || !this.#isOurs4(view, ip)) return 0
    const total = ipv4.totalLength(view, ip)
    const overhead = ipv4.HEADER_BYTES_MIN + icmp.HEADER_BYTES
    const quoted = Math.min(total, ICMP_ERROR_BYTES_MAX - overhead)
    const at = this.#begin(arm, view, frame, ip, ip - frame + overhead + quoted)
    if (at < 0) return 0
    const out = this.#outbox.view
    const message = at + ipv4.HEADER_BYTES_MIN
    ipv4.writeHeader(
      out,
      at,
      (ipv4.tos(view, ip) & TOS_KEPT) | TOS_CONTROL,
      overhead + quoted,
      this.#nextIdentification(),
      0,
      TTL,
      ipv4.PROTO_ICMP,
      ipv4.destination(view, ip),
      ipv4.source(view, ip),
    )
    icmp.writeHeader(out, message, type, code, rest)
    copy(view, ip, out, message + icmp.HEADER_BYTES, quoted)
    icmp.updateChecksum(out, message, message + icmp.HEADER_BYTES + quoted)
    return overhead + quoted
  }

  /**
   * ICMPv6 error about the packet `[ip, end)`; `rest` is the MTU of 2/0 or the pointer of 4/C.
   * Returns the length of the IP packet sent, 0 if none was.
   */
  error6(
    arm: number,
    view: DataView,
    frame: number,
    ip: number,
    end: number,
    type: number,
    code: number,
    rest: number,
  ): number {
    if (!mayBeAnswered6(view, ip) || !this.#isOurs6(view, ip)) return 0
    const overhead = ipv6.HEADER_BYTES + icmpv6.HEADER_BYTES
    const quoted = Math.min(end - ip, ICMPV6_ERROR_BYTES_MAX - overhead)
    const at = this.#begin6(
      arm,
      view,
      frame,
      ip,
      icmpv6.HEADER_BYTES + quoted,
      ipv4.PROTO_ICMPV6,
      0,
    )
    if (at < 0) return 0
    const message = at + ipv6.HEADER_BYTES
    icmpv6.writeHeader(this.#outbox.view, message, type, code, rest)
    copy(view, ip, this.#outbox.view, message + icmpv6.HEADER_BYTES, quoted)
    checksum.finishTransport6(
      this.#outbox.view,
      at,
      message,
      message + icmpv6.HEADER_BYTES + quoted,
      ipv4.PROTO_ICMPV6,
    )
    return overhead + quoted
  }

  /** Echo reply to the request at `message` of the packet `[ip, end)`. */
  echo4(
    arm: number,
    view: DataView,
    frame: number,
    ip: number,
    message: number,
    end: number,
  ): boolean {
    const bytes = end - message
    const at = this.#begin(arm, view, frame, ip, ip - frame + ipv4.HEADER_BYTES_MIN + bytes)
    if (at < 0) return false
    const out = this.#outbox.view
    const to = at + ipv4.HEADER_BYTES_MIN
    ipv4.writeHeader(
      out,
      at,
      ipv4.tos(view, ip),
      ipv4.HEADER_BYTES_MIN + bytes,
      this.#nextIdentification(),
      0,
      TTL,
      ipv4.PROTO_ICMP,
      ipv4.destination(view, ip),
      ipv4.source(view, ip),
    )
    copy(view, message, out, to, bytes)
    icmp.setType(out, to, icmp.TYPE_ECHO_REPLY)
    icmp.updateChecksum(out, to, to + bytes)
    return true
  }

  echo6(
    arm: number,
    view: DataView,
    frame: number,
    ip: number,
    message: number,
    end: number,
  ): boolean {
    const bytes = end - message
    const at = this.#begin6(
      arm,
      view,
      frame,
      ip,
      bytes,
      ipv4.PROTO_ICMPV6,
      ipv6.trafficClass(view, ip),
    )
    if (at < 0) return false
    const to = at + ipv6.HEADER_BYTES
    copy(view, message, this.#outbox.view, to, bytes)
    icmpv6.setType(this.#outbox.view, to, icmpv6.TYPE_ECHO_REPLY)
    checksum.finishTransport6(this.#outbox.view, at, to, to + bytes, ipv4.PROTO_ICMPV6)
    return true
  }

  /** Packets to foreign addresses may be served, by their mark; but nobody speaks for another. */
  #isOurs4(view: DataView, ip: number): boolean {
    return this.#vips.find(4, ipv4.destination(view, ip), 0, 0, 0) >= 0
  }

  #isOurs6(view: DataView, ip: number): boolean {
    return (
      this.#vips.find(
        6,
        ipv6.destination(view, ip, 0),
        ipv6.destination(view, ip, 1),
        ipv6.destination(view, ip, 2),
        ipv6.destination(view, ip, 3),
      ) >= 0
    )
  }

  /** Reserves a frame of `length` bytes with the link header turned round; where its IP begins. */
  #begin(arm: number, view: DataView, frame: number, ip: number, length: number): number {
    // A frame that claims to come from a group would have us answer to all of it.
    if (this.#quiet || (ethernet.sourceHigh(view, frame) & GROUP_BIT) !== 0) return -1
    if (!this.#limit.take(this.now)) return -1
    const at = this.#outbox.reserve(length, arm)
    if (at < 0) return -1
    const out = this.#outbox.view
    ethernet.setDestination(
      out,
      at,
      ethernet.sourceHigh(view, frame),
      ethernet.sourceLow(view, frame),
    )
    ethernet.setSource(out, at, this.#arms[arm].macHigh, this.#arms[arm].macLow)
    const typeAt = ethernet.TYPE_OFFSET
    copy(view, frame + typeAt, out, at + typeAt, ip - frame - typeAt)
    return at + ip - frame
  }

  /** The same with an IPv6 header in front of `payload` bytes of `protocol`. */
  #begin6(
    arm: number,
    view: DataView,
    frame: number,
    ip: number,
    payload: number,
    protocol: number,
    trafficClass: number,
  ): number {
    const at = this.#begin(arm, view, frame, ip, ip - frame + ipv6.HEADER_BYTES + payload)
    if (at < 0) return -1
    const out = this.#outbox.view
    ipv6.writeHeader(out, at, trafficClass, 0, payload, protocol, TTL)
    copy(view, ip + ipv6.ADDRESSES_OFFSET + 16, out, at + ipv6.ADDRESSES_OFFSET, 16)
    copy(view, ip + ipv6.ADDRESSES_OFFSET, out, at + ipv6.ADDRESSES_OFFSET + 16, 16)
    return at
  }

  /** RFC 9293 section 3.10.7.1: how a closed port answers; the checksum is still to be written. */
  #writeReset(out: DataView, to: number, view: DataView, segment: number, end: number): void {
    const from = transport.destinationPort(view, segment)
    const back = transport.sourcePort(view, segment)
    const flags = tcp.flags(view, segment)
    if ((flags & tcp.FLAG_ACK) !== 0) {
      tcp.writeHeader(out, to, from, back, tcp.acknowledgement(view, segment), 0, tcp.FLAG_RST, 0)
      return
    }
    const phantom = ((flags & tcp.FLAG_SYN) !== 0 ? 1 : 0) + ((flags & tcp.FLAG_FIN) !== 0 ? 1 : 0)
    const length = end - segment - tcp.dataOffsetBytes(view, segment) + phantom
    const acknowledgement = (tcp.sequence(view, segment) + length) | 0
    tcp.writeHeader(out, to, from, back, 0, acknowledgement, tcp.FLAG_RST | tcp.FLAG_ACK, 0)
  }

  #nextIdentification(): number {
    this.#identification = (this.#identification + 1) & 0xffff
    return this.#identification
  }
}

/** RFC 1122 section 3.2.2: no error about errors, later fragments, or what has no single sender. */
function mayBeAnswered4(view: DataView, ip: number): boolean {
  if (ipv4.fragmentOffset(view, ip) !== 0) return false
  const first = ipv4.source(view, ip) >>> 24
  if (first === 0 || first === 127 || first >= 224) return false
  if (ipv4.protocol(view, ip) !== ipv4.PROTO_ICMP) return true
  return !icmp.isError(icmp.type(view, ip + ipv4.headerBytes(view, ip)))
}

/** RFC 4443 section 2.4 (e). */
function mayBeAnswered6(view: DataView, ip: number): boolean {
  const first = ipv6.source(view, ip, 0)
  if (first >>> 24 === 0xff) return false
  const unspecifiedOrLoopback =
    (first | ipv6.source(view, ip, 1) | ipv6.source(view, ip, 2)) === 0 &&
    ipv6.source(view, ip, 3) >>> 1 === 0
  return !unspecifiedOrLoopback
}

/** Byte by byte: answers are rare, and this allocates nothing. */
function copy(from: DataView, at: number, to: DataView, toAt: number, bytes: number): void {
  for (let i = 0; i < bytes; i++) to.setUint8(toAt + i, from.getUint8(at + i))
}
