/**
 * IP packets cut into fragments that leave in their place, by way of the outbox: IPv4 packets that
 * are too long for the way (RFC 791 section 3.2), and datagrams of both families that came in
 * fragments, which leave in some again, never larger than those that came.
 *
 * IPv4 is cut anew, to the size of the largest (`ip_do_fragment`). IPv6 goes in the pieces in
 * which it came where they fit behind the headers, else it is cut anew too, and it is given a new
 * identification (`ip6_fragment`).
 */
import { Random } from '../balance/random.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import type { Batch } from './batch.js'
import type { Outbox } from './port.js'
import { FRAGMENTED, TOO_BIG_DROPPED, type Verdict } from './verdict.js'

/**
 * A path carries at least this much of IPv6, and Linux never cuts it smaller (RFC 8200 section
 * 5).
 */
const IPV6_MTU_MIN = 1280

/** How the datagram that is on its journey came in. */
export class Pieces {
  /** Bytes of the largest IP packet that it came in; 0: it came whole. */
  largest = 0
  /** IPv6: where its pieces end, counted from its IPv6 header without the fragment header. */
  count = 0
  readonly ends: Int32Array
  readonly #random: Random

  /** `piecesMax`: more than can leave anyhow. `seed`: for identifications that nobody guesses. */
  constructor(piecesMax: number, seed: number) {
    this.ends = new Int32Array(piecesMax)
    this.#random = new Random(seed, 0x6a09e667)
  }

  /** The identification of the next datagram, never 0 (RFC 7739). */
  nextIdentification(): number {
    return this.#random.next()
  }
}

/** Cuts the IPv4 packet `[ip, end)` so that no fragment is longer than `mtu`. */
export function cut4(
  outbox: Outbox,
  batch: Batch,
  frame: number,
  ip: number,
  end: number,
  mtu: number,
  arm: number,
): Verdict {
  const { view } = batch
  const headerBytes = ipv4.headerBytes(view, ip)
  const segment = ip + headerBytes
  const pieceBytes = (mtu - headerBytes) & ~7
  const pieces = Math.ceil((end - segment) / pieceBytes)
  if (pieceBytes <= 0 || outbox.capacity - outbox.count < pieces) return TOO_BIG_DROPPED
  const begin = ipv4.fragmentOffset(view, ip)
  const more = ipv4.moreFragments(view, ip)
  for (let at = segment; at < end; at += pieceBytes) {
    const bytes = Math.min(pieceBytes, end - at)
    const to = outbox.reserve(segment - frame + bytes, arm)
    if (to < 0) return TOO_BIG_DROPPED
    copy(batch.bytes, frame, outbox.bytes, to, segment - frame)
    const header = to + ip - frame
    copy(batch.bytes, at, outbox.bytes, header + headerBytes, bytes)
    const isLast = at + bytes === end && !more
    ipv4.setTotalLength(outbox.view, header, headerBytes + bytes)
    const flags = isLast ? 0 : ipv4.FLAG_MORE_FRAGMENTS
    ipv4.setFragment(outbox.view, header, flags, begin + at - segment)
    if (at !== segment) dropUncopiedOptions(outbox.view, header, headerBytes)
    ipv4.updateChecksum(outbox.view, header)
  }
  return FRAGMENTED
}

/** Cuts the IPv6 packet `[ip, end)`, which came in `pieces`, as it came if that can be. */
export function cut6(
  outbox: Outbox,
  batch: Batch,
  frame: number,
  ip: number,
  end: number,
  pieces: Pieces,
  arm: number,
): Verdict {
  const { view } = batch
  if (end - ip <= pieces.largest) {
    const to = outbox.reserve(end - frame, arm)
    if (to < 0) return TOO_BIG_DROPPED
    copy(batch.bytes, frame, outbox.bytes, to, end - frame)
    return FRAGMENTED
  }
  const kept = unfragmentableBytes(view, ip, end)
  const room = Math.max(pieces.largest, IPV6_MTU_MIN) - kept - ipv6.FRAGMENT_HEADER_BYTES
  if (room < 8) return TOO_BIG_DROPPED
  const isAsItCame = fits(pieces, kept, room, end - ip)
  const count = isAsItCame ? pieces.count : Math.ceil((end - ip - kept) / (room & ~7))
  if (outbox.capacity - outbox.count < count) return TOO_BIG_DROPPED
  const identification = pieces.nextIdentification()
  let at = ip + kept
  for (let n = 0; at < end; n++) {
    const until = isAsItCame ? ip + pieces.ends[n] : Math.min(end, at + (room & ~7))
    if (!emit6(outbox, batch, frame, ip, kept, at, until, end, identification, arm)) {
      return TOO_BIG_DROPPED
    }
    at = until
  }
  return FRAGMENTED
}

/** One fragment: what is kept of the headers, a fragment header, and `[at, until)`. */
function emit6(
  outbox: Outbox,
  batch: Batch,
  frame: number,
  ip: number,
  kept: number,
  at: number,
  until: number,
  end: number,
  identification: number,
  arm: number,
): boolean {
  const front = ip - frame + kept
  const to = outbox.reserve(front + ipv6.FRAGMENT_HEADER_BYTES + until - at, arm)
  if (to < 0) return false
  copy(batch.bytes, frame, outbox.bytes, to, front)
  const out = outbox.view
  const header = to + ip - frame
  const place = nextHeaderPlace(out, header, kept)
  const next = out.getUint8(place)
  out.setUint8(place, ipv6.PROTO_FRAGMENT)
  const fragment = to + front
  const offset = at - ip - kept
  ipv6.writeFragmentHeader(out, fragment, next, offset, until < end, identification)
  copy(batch.bytes, at, outbox.bytes, fragment + ipv6.FRAGMENT_HEADER_BYTES, until - at)
  const payload = kept - ipv6.HEADER_BYTES + ipv6.FRAGMENT_HEADER_BYTES + until - at
  ipv6.setPayloadLength(out, header, payload)
  return true
}

/** Can the packet leave in the pieces in which it came, each within `room` behind `kept` bytes? */
function fits(pieces: Pieces, kept: number, room: number, packetBytes: number): boolean {
  let begin = kept
  for (let n = 0; n < pieces.count; n++) {
    const bytes = pieces.ends[n] - begin
    const isLast = n === pieces.count - 1
    if (bytes <= 0 || bytes > room || (!isLast && (bytes & 7) !== 0)) return false
    begin = pieces.ends[n]
  }
  return begin === packetBytes
}

/** Headers that stay in front of the fragment header: hop-by-hop, routing, options for the way. */
function unfragmentableBytes(view: DataView, ip: number, end: number): number {
  let protocol = ipv6.nextHeader(view, ip)
  let at = ip + ipv6.HEADER_BYTES
  let isRouted = false
  while (ipv6.isExtension(protocol) && protocol !== ipv6.PROTO_FRAGMENT && at + 2 <= end) {
    if (protocol === ipv6.PROTO_DESTINATION_OPTIONS && isRouted) break
    isRouted ||= protocol === ipv6.PROTO_ROUTING
    protocol = ipv6.extensionNextHeader(view, at)
    at += ipv6.extensionBytes(view, at)
  }
  return at - ip
}

/** Where the number of what follows the first `bytes` of the packet stands. */
function nextHeaderPlace(view: DataView, ip: number, bytes: number): number {
  let place = ip + ipv6.NEXT_HEADER_OFFSET
  for (let at = ip + ipv6.HEADER_BYTES; at < ip + bytes; at += ipv6.extensionBytes(view, at)) {
    place = at
  }
  return place
}

const OPTION_END = 0
const OPTION_NOP = 1
const OPTION_COPIED = 0x80

/**
 * Options without the copied flag stand in the first fragment only; Linux writes NOPs over them.
 */
function dropUncopiedOptions(view: DataView, header: number, headerBytes: number): void {
  const end = header + headerBytes
  let at = header + ipv4.HEADER_BYTES_MIN
  while (at < end) {
    const kind = view.getUint8(at)
    if (kind === OPTION_END) return
    if (kind === OPTION_NOP) {
      at++
      continue
    }
    const length = at + 1 < end ? view.getUint8(at + 1) : 0
    if (length < 2 || at + length > end) return
    if ((kind & OPTION_COPIED) === 0)
      for (let k = 0; k < length; k++) view.setUint8(at + k, OPTION_NOP)
    at += length
  }
}

/** Byte by byte, since `subarray` would allocate. */
function copy(from: Uint8Array, at: number, to: Uint8Array, toAt: number, bytes: number): void {
  for (let i = 0; i < bytes; i++) to[toAt + i] = from[at + i]
}
