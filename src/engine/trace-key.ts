/**
 * What a trace's filter sees of a frame: the addresses, protocol and ports that it carries, how it
 * ended and where it was sent. Any bytes can be read; what is not there is -1.
 */
import type { DestinationTable } from '../balance/destination.js'
import * as arp from '../wire/arp.js'
import * as ethernet from '../wire/ethernet.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as transport from '../wire/transport.js'
import { isServed } from './event.js'

const NONE = -1

export class TraceKey {
  /** Bytes of the whole frame. */
  length = 0
  /** EtherType behind all tags. */
  type = NONE
  /** 4 or 6, and 4 for ARP, whose addresses are those of sender and target; 0: no addresses. */
  family = 0
  protocol = NONE
  /** Four words, IPv4 in the first. */
  readonly source = new Int32Array(4)
  readonly destination = new Int32Array(4)
  /** Both -1 where there are no ports: other protocols, later fragments, what is cut. */
  sourcePort = NONE
  destinationPort = NONE
  verdict = 0
  /** The realserver: family 0 if there is none. */
  realserverFamily = 0
  readonly realserver = new Int32Array(4)
  realserverPort = 0
  readonly #found = new Int32Array(ipv6.FOUND_WORDS)

  /** Reads the frame `[frame, frame + length)`. */
  read(view: DataView, frame: number, length: number): void {
    this.length = length
    this.type = NONE
    this.family = 0
    this.protocol = NONE
    this.sourcePort = NONE
    this.destinationPort = NONE
    const end = frame + length
    let network = frame + ethernet.HEADER_BYTES
    if (network > end) return
    let type = ethernet.type(view, frame)
    while (ethernet.isVlan(type)) {
      network += ethernet.VLAN_TAG_BYTES
      if (network > end) return
      type = view.getUint16(network - 2)
    }
    this.type = type
    if (type === ethernet.ETH_P_IP) this.#ipv4(view, network, end)
    else if (type === ethernet.ETH_P_IPV6) this.#ipv6(view, network, end)
    else if (type === ethernet.ETH_P_ARP) this.#arp(view, network, end)
  }

  /** How it ended, and the destination that it was for; NONE if it was for none. */
  ended(verdict: number, destinations: DestinationTable, slot: number): void {
    this.verdict = verdict
    this.realserverFamily = slot < 0 ? 0 : destinations.family(slot)
    if (slot < 0) return
    for (let word = 0; word < 4; word++) this.realserver[word] = destinations.address(slot, word)
    this.realserverPort = destinations.port(slot) || this.destinationPort
  }

  #ipv4(view: DataView, ip: number, end: number): void {
    if (!ipv4.isQuoteWellFormed(view, ip, end)) return
    this.family = 4
    this.protocol = ipv4.protocol(view, ip)
    this.source[0] = ipv4.source(view, ip)
    this.destination[0] = ipv4.destination(view, ip)
    if (ipv4.fragmentOffset(view, ip) === 0) this.#ports(view, ip + ipv4.headerBytes(view, ip), end)
  }

  #ipv6(view: DataView, ip: number, end: number): void {
    if (!ipv6.isQuoteWellFormed(view, ip, end)) return
    this.family = 6
    for (let word = 0; word < 4; word++) {
      this.source[word] = ipv6.source(view, ip, word)
      this.destination[word] = ipv6.destination(view, ip, word)
    }
    const found = this.#found
    if (!ipv6.walkExtensions(view, ip, end, found)) return
    this.protocol = found[ipv6.FOUND_PROTOCOL]
    if (found[ipv6.FOUND_FRAGMENT_OFFSET] === 0) {
      this.#ports(view, found[ipv6.FOUND_TRANSPORT_AT], end)
    }
  }

  #arp(view: DataView, at: number, end: number): void {
    if (!arp.isWellFormed(view, at, end)) return
    this.family = 4
    this.source[0] = arp.senderAddress(view, at)
    this.destination[0] = arp.targetAddress(view, at)
  }

  #ports(view: DataView, segment: number, end: number): void {
    if (!isServed(this.protocol) || end - segment < transport.PORTS_BYTES) return
    this.sourcePort = transport.sourcePort(view, segment)
    this.destinationPort = transport.destinationPort(view, segment)
  }
}
