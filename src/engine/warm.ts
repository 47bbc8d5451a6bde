/**
 * Asks memory for the table lines that the frames of a batch will need, all at once, before the
 * batch is decided: `forward` would wait for them one after the other. With 100,000 flows and more,
 * waiting for memory is most of what a frame costs (`uipvs bench micro`).
 *
 * Where the fields of a frame are is guessed (no VLAN tag, no options or extension headers). A
 * wrong guess costs a read that nobody needed, and nothing else.
 *
 * Of IPv4 the batch keeps where each look ended, so that `forward` need not hash again. What it
 * finds there is right if the key is: a record lies in the chain of its own key only.
 */
import type { ConnectionTable } from '../balance/connection.js'
import * as ethernet from '../wire/ethernet.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as transport from '../wire/transport.js'
import type { Batch } from './batch.js'

/** Smaller tables are in the cache anyway; a chain looked up here saves `forward` the look. */
const CONNECTIONS_MIN4 = 256
const CONNECTIONS_MIN6 = 8192
/** As far as the ports. */
const FRAME_BYTES_MIN4 = ethernet.HEADER_BYTES + ipv4.HEADER_BYTES_MIN + transport.PORTS_BYTES
const FRAME_BYTES_MIN6 = ethernet.HEADER_BYTES + ipv6.HEADER_BYTES + transport.PORTS_BYTES
const ADDRESS6_BYTES = 16
const BATCH_FRAMES_MAX = 4096

export class TableWarmer {
  /** Keeps the reads from being optimised away; means nothing. */
  touched = 0
  readonly #table4: ConnectionTable
  readonly #table6: ConnectionTable
  readonly #buckets = new Int32Array(BATCH_FRAMES_MAX)

  constructor(table4: ConnectionTable, table6: ConnectionTable) {
    this.#table4 = table4
    this.#table6 = table6
  }

  warm(batch: Batch): void {
    if (this.#table4.count >= CONNECTIONS_MIN4) this.#warm4(batch)
    if (this.#table6.count >= CONNECTIONS_MIN6) this.#warm6(batch)
  }

  #warm4(batch: Batch): void {
    const { view, count, chain } = batch
    for (let i = 0; i < count; i++) {
      chain[i] = batch.length[i] < FRAME_BYTES_MIN4 ? 0 : this.#bucket4(view, batch.offset[i])
    }
    this.touched = this.#table4.touch(chain, count)
    batch.chainsAt = this.#table4.changes
  }

  #bucket4(view: DataView, frame: number): number {
    const ip = frame + ethernet.HEADER_BYTES
    const ports = transport.ports(view, ip + ipv4.HEADER_BYTES_MIN)
    const client = ipv4.source(view, ip)
    return this.#table4.bucket4(ipv4.protocol(view, ip), client, ipv4.destination(view, ip), ports)
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
