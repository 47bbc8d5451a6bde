/**
 * The side roads of IPv6: what `side-roads4.ts` is for IPv4. ICMPv6 also carries neighbour
 * discovery, which `resolver.ts` answers.
 */
import { PASS_FTP_DATA } from '../balance/balancer.js'
import { FLAG_ONE_PACKET } from '../balance/connection.js'
import { ON_KERNEL } from '../link/vips.js'
import { isTransportGood6 } from '../wire/checksum.js'
import * as icmpv6 from '../wire/icmpv6.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as tcp from '../wire/tcp.js'
import * as transport from '../wire/transport.js'
import * as udp from '../wire/udp.js'
import type { Batch } from './batch.js'
import type { DirectorState } from './director-state.js'
import { isServed, turned } from './event.js'
import { flowPorts, flowProtocol, isIpsec } from './ipsec-road.js'
import { ON } from './kernel-mode.js'
import { markOf6 } from './marked.js'
import { isMartian6 } from './martian.js'
import {
  ACCEPTED,
  DISCARDED,
  judgeAsHost,
  judgeHopByHop,
  refusalCode,
  refusalPointer,
  whereNamed,
} from './options6.js'
import { noteLastAnswer, noteOwnAnswer } from './own-answer.js'
import type { Transmitter } from './transmitter.js'
import {
  ANSWER_LIMITED,
  ECHO_ANSWERED,
  EXTENSION_REFUSED,
  ICMP_IGNORED,
  LEFT_TO_KERNEL,
  LOCAL_DESTINATION,
  MALFORMED_EXTENSION,
  MARTIAN_SOURCE,
  NO_DESTINATION,
  NO_SERVICE,
  NOT_VIP,
  OTHER_HOST,
  PROTOCOL_UNREACHABLE,
  TRUNCATED_TRANSPORT,
  UNANSWERABLE,
  type Verdict,
} from './verdict.js'

const NONE = -1
/** The quoted packet is of a service, but has no connection and gets none. */
const REFUSED = -2
/** Where the next header field of the IPv6 header stands: the pointer of parameter problem. */

export class SideRoads6 {
  readonly #state: DirectorState
  readonly #transmitter: Transmitter
  readonly #found = new Int32Array(ipv6.FOUND_WORDS)

  constructor(state: DirectorState, transmitter: Transmitter) {
    this.#state = state
    this.#transmitter = transmitter
  }

  /** An ICMPv6 message at `message` in the packet `[ip, end)`. */
  icmp(batch: Batch, i: number, frame: number, ip: number, message: number, end: number): Verdict {
    const { view, arm } = batch
    const { answers, balancer, resolver, now } = this.#state
    if (!icmpv6.isWellFormed(view, message, end)) return TRUNCATED_TRANSPORT
    const type = icmpv6.type(view, message)
    if (icmpv6.isNeighbourDiscovery(type))
      return resolver.nd(arm, view, frame, ip, message, end, now)
    if (!this.#state.isOurs(arm, view, frame)) return OTHER_HOST
    const judged = this.hopByHop(batch, frame, ip, end)
    if (judged !== ON) return judged
    const vip = this.#vip(view, ip)
    const mark = markOf6(balancer, view, ip, ipv4.PROTO_ICMPV6, NONE, end)
    if (vip < 0 && !balancer.marks.isLocal(mark)) return NOT_VIP
    if (icmpv6.isError(type) && !this.#countsAsOutput(view, ip, message, end)) {
      const slot = this.related(view, icmpv6.embedded(message), end, mark)
      if (slot === REFUSED) return ICMP_IGNORED
      if (slot !== NONE) {
        const table = balancer.connections6
        const destination = table.destination(slot)
        balancer.accountRelated(table, slot, end - ip)
        if (table.hasFlag(slot, FLAG_ONE_PACKET)) balancer.close(table, slot)
        return this.#transmitter.transmit(batch, i, frame, ip, end, destination, true)
      }
    }
    if (vip < 0) return NOT_VIP
    if ((vip & ON_KERNEL) !== 0) return LEFT_TO_KERNEL
    if (type !== icmpv6.TYPE_ECHO_REQUEST) return ICMP_IGNORED
    const host = this.#refused(batch, frame, ip, end, judgeAsHost(view, ip, message))
    if (host !== ON) return host
    if (!isTransportGood6(view, ip, message, end, ipv4.PROTO_ICMPV6)) return ICMP_IGNORED
    if (isMartianAt(view, ip)) return MARTIAN_SOURCE
    return answers.echo6(arm, view, frame, ip, message, end) ? ECHO_ANSWERED : ANSWER_LIMITED
  }

  /**
   * The connection of the packet quoted in `[quoted, end)`: a reply, from the VIP to the client.
   * With `schedule_icmp` one is made where there is none, or REFUSED; `mark`: of the ICMP packet.
   */
  related(view: DataView, quoted: number, end: number, mark: number): number {
    const { balancer } = this.#state
    const segment = this.#quotedSegment(view, quoted, end)
    if (segment === NONE) return NONE
    const quotedProtocol = this.#found[ipv6.FOUND_PROTOCOL]
    const protocol = flowProtocol(quotedProtocol)
    const vip = quoted + ipv6.ADDRESSES_OFFSET
    const client = vip + 16
    const ports = turned(flowPorts(quotedProtocol, view, segment))
    const table = balancer.connections6
    const slot = table.find6(protocol, view, client, vip, ports)
    if (slot !== NONE || balancer.sysctls.schedule_icmp === 0) return slot
    if (!isServed(quotedProtocol)) return NONE

    balancer.flow.set6(protocol, view, client, vip, ports)
    const words = balancer.flow.vip
    const service = balancer.services.match(
      6,
      protocol,
      words[0],
      words[1],
      words[2],
      words[3],
      ports & 0xffff,
      mark,
    )
    if (service === NONE) return NONE
    if (balancer.defence.sheds()) return REFUSED
    const destination = balancer.choose(service)
    if (destination < 0) return destination === PASS_FTP_DATA ? NONE : REFUSED
    const flags = balancer.connectionFlags(service, protocol)
    const due = balancer.firstDue
    const made = table.insert6(protocol, view, client, vip, ports, destination, flags, due)
    if (made === NONE) return REFUSED
    balancer.opened(table, made, service)
    return made
  }

  /** As for IPv4: an error about a packet of a client's counts as one that the server sent. */
  #countsAsOutput(view: DataView, ip: number, message: number, end: number): boolean {
    const { balancer } = this.#state
    const quoted = icmpv6.embedded(message)
    const segment = this.#quotedSegment(view, quoted, end)
    if (segment === NONE) return false
    const client = quoted + ipv6.ADDRESSES_OFFSET
    const protocol = this.#found[ipv6.FOUND_PROTOCOL]
    const ports = flowPorts(protocol, view, segment)
    const { connections6 } = balancer
    const slot = connections6.find6(flowProtocol(protocol), view, client, client + 16, ports)
    if (slot === NONE) return false
    if (isTransportGood6(view, ip, message, end, ipv4.PROTO_ICMPV6)) {
      balancer.accountAnswer(balancer.connections6.destination(slot), end - ip)
    }
    return true
  }

  /**
   * Where the ports of the packet quoted in `[quoted, end)` stand, and its protocol in `found`;
   * NONE if that can't be told.
   */
  #quotedSegment(view: DataView, quoted: number, end: number): number {
    const found = this.#found
    if (!ipv6.isQuoteWellFormed(view, quoted, end)) return NONE
    if (!ipv6.walkExtensions(view, quoted, end, found)) return NONE
    const segment = found[ipv6.FOUND_TRANSPORT_AT]
    const protocol = found[ipv6.FOUND_PROTOCOL]
    if (!isServed(protocol) && !isIpsec(protocol)) return NONE
    if (found[ipv6.FOUND_FRAGMENT_OFFSET] !== 0) return NONE
    if (isServed(protocol) && end - segment < transport.PORTS_BYTES) return NONE
    return this.#state.balancer.services.isServing(6) ? segment : NONE
  }

  /** Nothing is served there: the kernel answers if it holds the VIP, else the director does. */
  unserved(
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    segment: number,
    end: number,
    protocol: number,
  ): Verdict {
    const vip = this.#vip(batch.view, ip)
    if (vip < 0) return NOT_VIP
    if ((vip & ON_KERNEL) !== 0) return LEFT_TO_KERNEL
    if (protocol !== ipv4.PROTO_TCP && protocol !== ipv4.PROTO_UDP) {
      const host = this.#refused(batch, frame, ip, end, judgeAsHost(batch.view, ip, segment))
      if (host !== ON) return host
      if (protocol === ipv6.PROTO_NONE) return UNANSWERABLE
      return this.#unknownProtocol(batch, frame, ip, segment, end, PROTOCOL_UNREACHABLE)
    }
    return this.refuse(batch, i, frame, ip, segment, end, protocol, NO_SERVICE)
  }

  /** As for IPv4: the realserver of the connection at `slot` is this host itself. */
  local(
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    segment: number,
    end: number,
    protocol: number,
    slot: number,
  ): Verdict {
    const verdict = this.unserved(batch, i, frame, ip, segment, end, protocol)
    if (verdict === LEFT_TO_KERNEL) return LOCAL_DESTINATION
    const isTcp = protocol === ipv4.PROTO_TCP
    noteOwnAnswer(this.#state, batch.view, frame, ip, end, verdict, isTcp ? slot : NONE)
    return verdict
  }

  /** Hop-by-hop options, which every host on the way looks at; ON if they are in order. */
  hopByHop(batch: Batch, frame: number, ip: number, end: number): Verdict {
    const vip = this.#vip(batch.view, ip)
    if (vip < 0 || (vip & ON_KERNEL) !== 0) return ON
    return this.#refused(batch, frame, ip, end, judgeHopByHop(batch.view, ip, end))
  }

  #refused(batch: Batch, frame: number, ip: number, end: number, judgement: number): Verdict {
    if (judgement === ACCEPTED) return ON
    if (judgement === DISCARDED) return MALFORMED_EXTENSION
    const type = icmpv6.TYPE_PARAMETER_PROBLEM
    const code = refusalCode(judgement)
    const pointer = refusalPointer(judgement)
    const { answers } = this.#state
    const sent = answers.error6(batch.arm, batch.view, frame, ip, end, type, code, pointer)
    return sent > 0 ? EXTENSION_REFUSED : ANSWER_LIMITED
  }

  /** As for IPv4: the service has no destination to choose. */
  noDestination(batch: Batch, frame: number, ip: number, end: number): Verdict {
    const verdict = this.#portUnreachable(batch, frame, ip, end, NO_DESTINATION)
    if (verdict === NO_DESTINATION) noteLastAnswer(this.#state, batch.view, frame, ip, end)
    return verdict
  }

  /** Answers as a host on which nobody listens; `verdict` is what that is called here. */
  refuse(
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    segment: number,
    end: number,
    protocol: number,
    verdict: Verdict,
  ): Verdict {
    const { view } = batch
    if (this.#vip(view, ip) < 0) return NOT_VIP
    const host = this.#refused(batch, frame, ip, end, judgeAsHost(view, ip, segment))
    if (host !== ON) return host
    if (protocol === ipv4.PROTO_SCTP) {
      return this.#unknownProtocol(batch, frame, ip, segment, end, verdict)
    }
    const isTcp = protocol === ipv4.PROTO_TCP
    if (end - segment < (isTcp ? tcp.HEADER_BYTES_MIN : udp.HEADER_BYTES))
      return TRUNCATED_TRANSPORT
    if (batch.partialChecksum[i] === 0 && !isTransportGood6(view, ip, segment, end, protocol)) {
      return UNANSWERABLE
    }
    if (!isTcp) return this.#portUnreachable(batch, frame, ip, end, verdict)
    if (!tcp.isWellFormed(view, segment, end)) return UNANSWERABLE
    if ((tcp.flags(view, segment) & tcp.FLAG_RST) !== 0) return UNANSWERABLE
    const sent = this.#state.answers.reset6(batch.arm, view, frame, ip, segment, end)
    return sent ? verdict : ANSWER_LIMITED
  }

  #portUnreachable(
    batch: Batch,
    frame: number,
    ip: number,
    end: number,
    verdict: Verdict,
  ): Verdict {
    const type = icmpv6.TYPE_DESTINATION_UNREACHABLE
    const code = icmpv6.CODE_PORT_UNREACHABLE
    const sent = this.#state.answers.error6(batch.arm, batch.view, frame, ip, end, type, code, 0)
    return sent > 0 ? verdict : ANSWER_LIMITED
  }

  /** RFC 4443 section 3.4: the pointer tells where the header names the protocol nobody knows. */
  #unknownProtocol(
    batch: Batch,
    frame: number,
    ip: number,
    segment: number,
    end: number,
    verdict: Verdict,
  ): Verdict {
    const { view } = batch
    const type = icmpv6.TYPE_PARAMETER_PROBLEM
    const code = icmpv6.CODE_UNKNOWN_NEXT_HEADER
    const pointer = whereNamed(view, ip, segment)
    const sent = this.#state.answers.error6(batch.arm, view, frame, ip, end, type, code, pointer)
    return sent > 0 ? verdict : ANSWER_LIMITED
  }

  #vip(view: DataView, ip: number): number {
    return this.#state.vips.find(
      6,
      ipv6.destination(view, ip, 0),
      ipv6.destination(view, ip, 1),
      ipv6.destination(view, ip, 2),
      ipv6.destination(view, ip, 3),
    )
  }
}

/** An echo is answered at its source, so that has to be one. */
function isMartianAt(view: DataView, ip: number): boolean {
  return isMartian6(
    ipv6.source(view, ip, 0),
    ipv6.source(view, ip, 1),
    ipv6.source(view, ip, 2),
    ipv6.source(view, ip, 3),
  )
}
