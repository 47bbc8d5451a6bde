/**
 * The side roads of IPv4: packets to a VIP that open no connection and belong to none. ICMP errors
 * follow the connection that they quote; the rest is answered as a Linux host without listeners
 * would, unless the kernel of the director holds the VIP too and answers by itself.
 */
import { PASS_FTP_DATA } from '../balance/balancer.js'
import { FLAG_ONE_PACKET } from '../balance/connection.js'
import { ON_KERNEL } from '../link/vips.js'
import { isTransportGood4 } from '../wire/checksum.js'
import * as icmp from '../wire/icmp.js'
import * as ipv4 from '../wire/ipv4.js'
import * as tcp from '../wire/tcp.js'
import * as transport from '../wire/transport.js'
import * as udp from '../wire/udp.js'
import type { Batch } from './batch.js'
import type { DirectorState } from './director-state.js'
import { isServed, turned } from './event.js'
import { flowPorts, flowProtocol, isIpsec } from './ipsec-road.js'
import { markOf4 } from './marked.js'
import { isMartian4 } from './martian.js'
import { noteLastAnswer, noteOwnAnswer } from './own-answer.js'
import type { Transmitter } from './transmitter.js'
import {
  ANSWER_LIMITED,
  ECHO_ANSWERED,
  ICMP_IGNORED,
  LEFT_TO_KERNEL,
  LOCAL_DESTINATION,
  MARTIAN_SOURCE,
  NO_DESTINATION,
  NO_SERVICE,
  NOT_VIP,
  PROTOCOL_UNREACHABLE,
  TRUNCATED_TRANSPORT,
  UNANSWERABLE,
  type Verdict,
} from './verdict.js'

const NONE = -1
/** The quoted packet is of a service, but has no connection and gets none. */
const REFUSED = -2

export class SideRoads4 {
  readonly #state: DirectorState
  readonly #transmitter: Transmitter

  constructor(state: DirectorState, transmitter: Transmitter) {
    this.#state = state
    this.#transmitter = transmitter
  }

  /** An ICMP message at `message` in the packet `[ip, end)`. */
  icmp(batch: Batch, i: number, frame: number, ip: number, message: number, end: number): Verdict {
    const { view } = batch
    const { answers, balancer, vips } = this.#state
    if (!icmp.isWellFormed(view, message, end)) return TRUNCATED_TRANSPORT
    const type = icmp.type(view, message)
    const vip = vips.find(4, ipv4.destination(view, ip), 0, 0, 0)
    const mark = markOf4(balancer, view, ip, NONE, end)
    if (vip < 0 && !balancer.marks.isLocal(mark)) return NOT_VIP
    if (icmp.isError(type) && !this.#countsAsOutput(view, message, end, end - ip)) {
      const slot = this.related(view, icmp.embedded(message), end, mark)
      if (slot === REFUSED) return ICMP_IGNORED
      if (slot !== NONE) {
        const table = balancer.connections4
        const destination = table.destination(slot)
        balancer.accountRelated(table, slot, end - ip)
        if (table.hasFlag(slot, FLAG_ONE_PACKET)) balancer.close(table, slot)
        return this.#transmitter.transmit(batch, i, frame, ip, end, destination, true)
      }
    }
    if (vip < 0) return NOT_VIP
    if ((vip & ON_KERNEL) !== 0) return LEFT_TO_KERNEL
    if (type !== icmp.TYPE_ECHO_REQUEST || !icmp.isChecksumGood(view, message, end))
      return ICMP_IGNORED
    if (isMartian4(ipv4.source(view, ip), vips)) return MARTIAN_SOURCE
    return answers.echo4(batch.arm, view, frame, ip, message, end) ? ECHO_ANSWERED : ANSWER_LIMITED
  }

  /**
   * The connection of the packet quoted in `[quoted, end)`: a reply, from the VIP to the client.
   * With `schedule_icmp` one is made where there is none, or REFUSED; `mark`: of the ICMP packet.
   */
  related(view: DataView, quoted: number, end: number, mark: number): number {
    const { balancer } = this.#state
    const segment = this.#quotedSegment(view, quoted, end)
    if (segment === NONE) return NONE
    const quotedProtocol = ipv4.protocol(view, quoted)
    const protocol = flowProtocol(quotedProtocol)
    const client = ipv4.destination(view, quoted)
    const vip = ipv4.source(view, quoted)
    const ports = turned(flowPorts(quotedProtocol, view, segment))
    const slot = balancer.connections4.find4(protocol, client, vip, ports)
    if (slot !== NONE || balancer.sysctls.schedule_icmp === 0) return slot
    if (!isServed(quotedProtocol)) return NONE

    const service = balancer.services.match(4, protocol, vip, 0, 0, 0, ports & 0xffff, mark)
    if (service === NONE) return NONE
    balancer.flow.set4(protocol, client, vip, ports)
    if (balancer.defence.sheds()) return REFUSED
    const destination = balancer.choose(service)
    if (destination < 0) return destination === PASS_FTP_DATA ? NONE : REFUSED
    const table = balancer.connections4
    const flags = balancer.connectionFlags(service, protocol)
    const made = table.insert4(protocol, client, vip, ports, destination, flags, balancer.firstDue)
    if (made === NONE) return REFUSED
    balancer.opened(table, made, service)
    return made
  }

  /**
   * An error about a packet of a client's, as if it came from the VIP: Linux counts it as a packet
   * that the connection's destination sent (`ip_vs_out_icmp`), and leaves it to its own stack.
   */
  #countsAsOutput(view: DataView, message: number, end: number, bytes: number): boolean {
    const { balancer } = this.#state
    const quoted = icmp.embedded(message)
    const segment = this.#quotedSegment(view, quoted, end)
    if (segment === NONE) return false
    const protocol = ipv4.protocol(view, quoted)
    const slot = balancer.connections4.find4(
      flowProtocol(protocol),
      ipv4.source(view, quoted),
      ipv4.destination(view, quoted),
      flowPorts(protocol, view, segment),
    )
    if (slot === NONE) return false
    if (icmp.isChecksumGood(view, message, end)) {
      balancer.accountAnswer(balancer.connections4.destination(slot), bytes)
    }
    return true
  }

  /** Where the ports of the packet quoted in `[quoted, end)` stand; NONE if that can't be told. */
  #quotedSegment(view: DataView, quoted: number, end: number): number {
    if (!ipv4.isQuoteWellFormed(view, quoted, end)) return NONE
    const segment = quoted + ipv4.headerBytes(view, quoted)
    const protocol = ipv4.protocol(view, quoted)
    if (!isServed(protocol) && !isIpsec(protocol)) return NONE
    if (ipv4.fragmentOffset(view, quoted) !== 0) return NONE
    if (isServed(protocol) && end - segment < transport.PORTS_BYTES) return NONE
    return this.#state.balancer.services.isServing(4) ? segment : NONE
  }

  /** Nothing is served there: the kernel answers if it holds the VIP, else the director does. */
  unserved(
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    segment: number,
    end: number,
  ): Verdict {
    const { view } = batch
    const vip = this.#state.vips.find(4, ipv4.destination(view, ip), 0, 0, 0)
    if (vip < 0) return NOT_VIP
    if ((vip & ON_KERNEL) !== 0) return LEFT_TO_KERNEL
    const protocol = ipv4.protocol(view, ip)
    if (protocol !== ipv4.PROTO_TCP && protocol !== ipv4.PROTO_UDP) {
      return this.#unreachable(
        batch,
        frame,
        ip,
        icmp.CODE_PROTOCOL_UNREACHABLE,
        PROTOCOL_UNREACHABLE,
      )
    }
    return this.refuse(batch, i, frame, ip, segment, end, NO_SERVICE)
  }

  /**
   * The realserver of the connection at `slot` is this host itself. Its kernel serves the client if
   * it holds the VIP; else nobody listens, and the answer is one of the connection's packets.
   */
  local(
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    segment: number,
    end: number,
    slot: number,
  ): Verdict {
    const verdict = this.unserved(batch, i, frame, ip, segment, end)
    if (verdict === LEFT_TO_KERNEL) return LOCAL_DESTINATION
    const { view } = batch
    const isTcp = ipv4.protocol(view, ip) === ipv4.PROTO_TCP
    noteOwnAnswer(this.#state, view, frame, ip, end, verdict, isTcp ? slot : NONE)
    return verdict
  }

  /**
   * The service has no destination to choose: port unreachable, to TCP as to UDP. It counts for a
   * connection that has ended with this packet, such as a SYN on one in CLOSE: that is still found.
   */
  noDestination(batch: Batch, frame: number, ip: number): Verdict {
    const verdict = this.#unreachable(batch, frame, ip, icmp.CODE_PORT_UNREACHABLE, NO_DESTINATION)
    const { view } = batch
    const end = ip + ipv4.totalLength(view, ip)
    if (verdict === NO_DESTINATION) noteLastAnswer(this.#state, view, frame, ip, end)
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
    verdict: Verdict,
  ): Verdict {
    const { view } = batch
    if (this.#state.vips.find(4, ipv4.destination(view, ip), 0, 0, 0) < 0) return NOT_VIP
    const protocol = ipv4.protocol(view, ip)
    // Linux has no SCTP socket here, hence no SCTP.
    if (protocol === ipv4.PROTO_SCTP) {
      return this.#unreachable(batch, frame, ip, icmp.CODE_PROTOCOL_UNREACHABLE, verdict)
    }
    const isTcp = protocol === ipv4.PROTO_TCP
    if (end - segment < (isTcp ? tcp.HEADER_BYTES_MIN : udp.HEADER_BYTES))
      return TRUNCATED_TRANSPORT
    // A stack checks the checksum before it answers; an unfinished one comes from this machine.
    if (batch.partialChecksum[i] === 0 && !isTransportGood4(view, ip, segment, end, protocol)) {
      return UNANSWERABLE
    }
    if (!isTcp) return this.#unreachable(batch, frame, ip, icmp.CODE_PORT_UNREACHABLE, verdict)
    if (!tcp.isWellFormed(view, segment, end)) return UNANSWERABLE
    if ((tcp.flags(view, segment) & tcp.FLAG_RST) !== 0) return UNANSWERABLE
    const sent = this.#state.answers.reset4(batch.arm, view, frame, ip, segment, end)
    return sent ? verdict : ANSWER_LIMITED
  }

  #unreachable(batch: Batch, frame: number, ip: number, code: number, verdict: Verdict): Verdict {
    const type = icmp.TYPE_DESTINATION_UNREACHABLE
    const sent = this.#state.answers.error4(batch.arm, batch.view, frame, ip, type, code, 0)
    return sent > 0 ? verdict : ANSWER_LIMITED
  }
}
