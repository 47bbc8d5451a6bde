/**
 * Asks memory for the table lines that the frames of a batch will need, all at once, before the
 * batch is decided: `forward` would wait for them one after the other. With 100,000 flows and more,
 * waiting for memory is most of what a frame costs (`bench/micro.ts`).
 *
 * Where the fields of a frame are is guessed (IPv4, no VLAN tag, no options). A wrong guess costs a
 * read that nobody needed, and nothing else.
 */
import type { ConnectionTable } from '../balance/connection.js'
import * as ethernet from '../wire/ethernet.js'
import * as ipv4 from '../wire/ipv4.js'
import * as transport from '../wire/transport.js'
import type { Batch } from './batch.js'

/** Smaller tables are in the cache anyway. */
const CONNECTIONS_MIN = 8192
/** As far as the ports. */
const FRAME_BYTES_MIN = ethernet.HEADER_BYTES + ipv4.HEADER_BYTES_MIN + transport.PORTS_BYTES
const BATCH_FRAMES_MAX = 4096

export class TableWarmer {
  /** Keeps the reads from being optimised away; means nothing. */
  touched = 0
  readonly #table: ConnectionTable
  readonly #buckets = new Int32Array(BATCH_FRAMES_MAX)

  constructor(table: ConnectionTable) {
    this.#table = table
  }

  warm(batch: Batch): void {
    const table = this.#table
    if (table.count < CONNECTIONS_MIN) return
    const { view } = batch
    const count = Math.min(batch.count, BATCH_FRAMES_MAX)
    const buckets = this.#buckets
    for (let i = 0; i < count; i++) {
      buckets[i] = batch.length[i] < FRAME_BYTES_MIN ? 0 : this.#bucket(view, batch.offset[i])
    }
    this.touched = table.touch(buckets, count)
  }

  #bucket(view: DataView, frame: number): number {
    const ip = frame + ethernet.HEADER_BYTES
    const ports = transport.ports(view, ip + ipv4.HEADER_BYTES_MIN)
    const client = ipv4.source(view, ip)
    return this.#table.bucket4(ipv4.protocol(view, ip), client, ipv4.destination(view, ip), ports)
  }
}
