/**
 * AH and ESP to a VIP hide what they carry. They go to the realserver that the key exchange of
 * their two ends has reached (IKE: UDP from port 500 to 500), and open nothing themselves
 * (`ip_vs_proto_ah_esp.c`). To a VIP that the director's kernel holds too they are left to it: it
 * would answer them as well, since only single ports are kept from it.
 */
import type { ConnectionTable } from '../balance/connection.js'
import { ON_KERNEL } from '../link/vips.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as transport from '../wire/transport.js'
import type { Batch } from './batch.js'
import type { DirectorState } from './director-state.js'
import { GONE, OVER, standing } from './standing.js'
import type { Transmitter } from './transmitter.js'
import { DESTINATION_GONE, type Verdict } from './verdict.js'

const NONE = -1
/** The ports of a key exchange (RFC 7296 section 2). */
export const IKE_PORTS = (500 << 16) | 500

export function isIpsec(protocol: number): boolean {
  return protocol === ipv4.PROTO_ESP || protocol === ipv4.PROTO_AH
}

function isOnKernel(vip: number): boolean {
  return vip > 0 && (vip & ON_KERNEL) !== 0
}

/** The protocol of the connection that a packet of this protocol belongs to. */
export function flowProtocol(protocol: number): number {
  return isIpsec(protocol) ? ipv4.PROTO_UDP : protocol
}

/** The ports of the connection that the packet with its transport at `segment` belongs to. */
export function flowPorts(protocol: number, view: DataView, segment: number): number {
  return isIpsec(protocol) ? IKE_PORTS : transport.ports(view, segment)
}

export class IpsecRoad {
  readonly #state: DirectorState
  readonly #transmitter: Transmitter

  constructor(state: DirectorState, transmitter: Transmitter) {
    this.#state = state
    this.#transmitter = transmitter
  }

  /** Sends the packet where its key exchange went; NONE if there was none. */
  follow4(batch: Batch, i: number, frame: number, ip: number, end: number): Verdict {
    const { view } = batch
    const table = this.#state.balancer.connections4
    const vip = ipv4.destination(view, ip)
    const slot = table.find4(ipv4.PROTO_UDP, ipv4.source(view, ip), vip, IKE_PORTS)
    if (slot !== NONE && isOnKernel(this.#state.vips.find(4, vip, 0, 0, 0))) return NONE
    return slot === NONE ? NONE : this.#follow(table, slot, batch, i, frame, ip, end)
  }

  follow6(batch: Batch, i: number, frame: number, ip: number, end: number): Verdict {
    const table = this.#state.balancer.connections6
    const { view } = batch
    const source = ip + ipv6.ADDRESSES_OFFSET
    const slot = table.find6(ipv4.PROTO_UDP, view, source, source + 16, IKE_PORTS)
    if (slot !== NONE && isOnKernel(this.#vip6(view, ip))) return NONE
    return slot === NONE ? NONE : this.#follow(table, slot, batch, i, frame, ip, end)
  }

  #vip6(view: DataView, ip: number): number {
    return this.#state.vips.find(
      6,
      ipv6.destination(view, ip, 0),
      ipv6.destination(view, ip, 1),
      ipv6.destination(view, ip, 2),
      ipv6.destination(view, ip, 3),
    )
  }

  #follow(
    table: ConnectionTable,
    slot: number,
    batch: Batch,
    i: number,
    frame: number,
    ip: number,
    end: number,
  ): Verdict {
    const { balancer } = this.#state
    const stands = standing(balancer, table, slot, ipv4.PROTO_UDP, 0)
    if (stands === GONE) return DESTINATION_GONE
    if (stands === OVER) return NONE
    const destination = table.destination(slot)
    balancer.account(table, slot, ipv4.PROTO_UDP, 0, end - ip)
    this.#state.lastDestination = destination
    return this.#transmitter.transmit(batch, i, frame, ip, end, destination, false)
  }
}
