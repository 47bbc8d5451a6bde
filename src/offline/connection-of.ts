/** Whose a packet is: its connection in the director's tables, and the realserver it went to. */
import type { Balancer } from '../balance/balancer.js'
import { type ConnectionTable, NONE } from '../balance/connection.js'
import type { Director } from '../engine/forward.js'
import * as ethernet from '../wire/ethernet.js'
import { type Flow, quotedFlow } from './flow.js'

/** A connection, and how to tell later whether the slot still holds it. */
export interface Found {
  readonly table: ConnectionTable
  readonly slot: number
  readonly use: number
}

export function findConnection(balancer: Balancer, flow: Flow): Found | null {
  if (flow.ports === null) return null
  const { protocol, source, destination, ports } = flow
  const table = flow.family === 4 ? balancer.connections4 : balancer.connections6
  const slot =
    flow.family === 4
      ? table.find4(protocol, source[0], destination[0], ports)
      : table.find6(protocol, addressesView(source, destination), 0, 16, ports)
  return slot === NONE ? null : { table, slot, use: table.use(slot) }
}

/** Both addresses as the table reads them from a frame. */
function addressesView(source: Int32Array, destination: Int32Array): DataView {
  const view = new DataView(new ArrayBuffer(32))
  for (let word = 0; word < 4; word++) {
    view.setInt32(4 * word, source[word])
    view.setInt32(16 + 4 * word, destination[word])
  }
  return view
}

/** The destination with the MAC address that a frame leaves for; NONE if there is none. */
export function destinationByMac(director: Director, view: DataView): number {
  const { hops, neighbours } = director
  const low = ethernet.destinationLow(view, 0)
  const high = ethernet.destinationHigh(view, 0)
  return hops.findIndex(
    (hop) => hop >= 0 && neighbours.macLow[hop] === low && neighbours.macHigh[hop] === high,
  )
}

/**
 * The destination that the frame which was just forwarded went to, by slot; NONE if it can't be
 * told. `view` shows the frame as it left, `flow` its packet.
 */
export function servedBy(director: Director, view: DataView, flow: Flow | null): number {
  const asked = flow === null ? null : (quotedFlow(view, flow) ?? flow)
  const found = asked === null ? null : findConnection(director.balancer, asked)
  if (found !== null) return found.table.destination(found.slot)
  // A connection of one packet is over already; a later fragment has none of its own.
  return asked === null || asked.ports === null
    ? destinationByMac(director, view)
    : director.lastDestination
}
