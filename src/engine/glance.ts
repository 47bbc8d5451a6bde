/**
 * What is done for a batch as a whole, before its frames are decided one by one.
 *
 *   headers   of plain IPv4 frames are read once, into columns of the batch: `forward.ts` reads a
 *             header field by field, so that each question can be asked where it matters, and V8
 *             swaps bytes and looks for the end of the arena each time
 *   tables    the table lines that frames will need are asked of memory all at once: `forward`
 *             would wait for one after the other. With 100,000 flows and more that is most of what
 *             a frame costs (`uipvs bench micro`)
 *   checksums that the port could not know for partial are completed (`partial-checksum.ts`)
 *
 * A frame is *plain* if it is for us, sound, whole, without tag or options, TCP or UDP, and opens
 * no TCP connection. Then `Director.plain4` goes on with the third step of the journey. Any other
 * makes the whole journey; about that nothing is decided here.
 */
import type { ConnectionTable } from '../balance/connection.js'
import { SYN } from '../balance/tcp-flags.js'
import * as ethernet from '../wire/ethernet.js'
import { fold, halves } from '../wire/internet-sum.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import { completeChecksum } from '../wire/partial-checksum.js'
import * as tcp from '../wire/tcp.js'
import * as transport from '../wire/transport.js'
import * as udp from '../wire/udp.js'
import type { Batch } from './batch.js'
import type { DirectorState } from './director-state.js'

/** Smaller tables are in the cache anyway. */
const CONNECTIONS_MIN6 = 8192
/** As far as a header of UDP. */
const FRAME_BYTES_MIN4 = ethernet.HEADER_BYTES + ipv4.HEADER_BYTES_MIN + udp.HEADER_BYTES
/** As far as the ports. */
const FRAME_BYTES_MIN6 = ethernet.HEADER_BYTES + ipv6.HEADER_BYTES + transport.PORTS_BYTES
const ADDRESS6_BYTES = 16
const BATCH_FRAMES_MAX = 4096
/** Version 4, and a header of five words. */
const WITHOUT_OPTIONS = 0x45
/** Bytes of the IP header and the shortest header of a transport. */
const TCP_BYTES_MIN = ipv4.HEADER_BYTES_MIN + tcp.HEADER_BYTES_MIN
const UDP_BYTES_MIN = ipv4.HEADER_BYTES_MIN + udp.HEADER_BYTES

export class Glance {
  /** Keeps the reads from being optimised away; means nothing. */
  touched = 0
  readonly #state: DirectorState
  readonly #table4: ConnectionTable
  readonly #table6: ConnectionTable
  readonly #buckets = new Int32Array(BATCH_FRAMES_MAX)

  constructor(state: DirectorState) {
    this.#state = state
    this.#table4 = state.balancer.connections4
    this.#table6 = state.balancer.connections6
  }

  look(batch: Batch): void {
    const { count, arm, about, chain } = batch
    const macHigh = this.#state.macHigh[arm]
    const macLow = this.#state.macLow[arm]
    for (let i = 0; i < count; i++) about[i] = this.#read(batch, i, macHigh, macLow)
    this.touched = this.#table4.touch(chain, count)
    batch.chainsAt = this.#table4.changes
    if (this.#table6.count >= CONNECTIONS_MIN6) this.#warm6(batch)
  }

  /** What stands in `about` of frame `i`; the other columns are filled as far as it is plain. */
  #read(batch: Batch, i: number, macHigh: number, macLow: number): number {
    const { view } = batch
    const frame = batch.offset[i]
    const length = batch.length[i]
    batch.chain[i] = 0
    if (length < FRAME_BYTES_MIN4 || ethernet.type(view, frame) !== ethernet.ETH_P_IP) {
      return this.#leave(batch, frame, length)
    }
    const ip = frame + ethernet.HEADER_BYTES
    const first = view.getInt32(ip) // version, length of the header, tos, total length
    const second = view.getInt32(ip + 4) // identification, fragment
    const third = view.getInt32(ip + 8) // ttl, protocol, checksum
    const client = view.getInt32(ip + 12)
    const vip = view.getInt32(ip + 16)
    const total = first & 0xffff
    const protocol = (third >>> 16) & 0xff
    const isTcp = protocol === ipv4.PROTO_TCP
    const addresses = halves(client) + halves(vip)
    if (
      first >>> 24 !== WITHOUT_OPTIONS ||
      (second & ipv4.FRAGMENT_MASK) !== 0 ||
      (!isTcp && protocol !== ipv4.PROTO_UDP) ||
      total < (isTcp ? TCP_BYTES_MIN : UDP_BYTES_MIN) ||
      total > length - ethernet.HEADER_BYTES ||
      fold(halves(first) + halves(second) + halves(third) + addresses) !== 0xffff ||
      ethernet.destinationLow(view, frame) !== macLow ||
      ethernet.destinationHigh(view, frame) !== macHigh
    ) {
      return this.#leave(batch, frame, length)
    }
    const segment = ip + ipv4.HEADER_BYTES_MIN
    if (batch.hasUnknownChecksums) {
      const stored = view.getUint16(segment + (isTcp ? tcp.CHECKSUM_OFFSET : udp.CHECKSUM_OFFSET))
      const pseudoHeader = addresses + protocol + total - ipv4.HEADER_BYTES_MIN
      if (stored === fold(pseudoHeader)) completeChecksum(view, frame, length)
    }
    const ports = transport.ports(view, segment)
    batch.client[i] = client
    batch.vip[i] = vip
    batch.ports[i] = ports
    batch.chain[i] = this.#table4.bucket4(protocol, client, vip, ports)
    const flags = isTcp ? tcp.flags(view, segment) : 0
    return (flags & SYN) !== 0 ? 0 : (total << 16) | (flags << 8) | protocol
  }

  #leave(batch: Batch, frame: number, length: number): number {
    if (batch.hasUnknownChecksums) completeChecksum(batch.view, frame, length)
    return 0
  }

  /** Only frames that are IPv6: their hash is dearer than a look at what they are. */
  #warm6(batch: Batch): void {
    const { view } = batch
    const count = Math.min(batch.count, BATCH_FRAMES_MAX)
    const buckets = this.#buckets
    let n = 0
    for (let i = 0; i < count; i++) {
      const frame = batch.offset[i]
      if (batch.length[i] < FRAME_BYTES_MIN6) continue
      if (ethernet.type(view, frame) !== ethernet.ETH_P_IPV6) continue
      buckets[n++] = this.#bucket6(view, frame + ethernet.HEADER_BYTES)
    }
    this.touched = this.#table6.touch(buckets, n)
  }

  #bucket6(view: DataView, ip: number): number {
    const client = ip + ipv6.ADDRESSES_OFFSET
    const ports = transport.ports(view, ip + ipv6.HEADER_BYTES)
    const vip = client + ADDRESS6_BYTES
    return this.#table6.bucket6(ipv6.nextHeader(view, ip), view, client, vip, ports)
  }
}
