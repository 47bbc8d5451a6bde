/**
 * The port on libpcap, through the `cap` package: slower than `af_packet.ts`, with no need of
 * structures of the kernel's. What `cap` is made of dictates how it works (libpcap-arm.ts):
 *
 * - `cap` lives in libuv's default loop, so the port works only in the main thread of a process:
 *   the daemon runs it in a forked child. It can't block; it announces frames (`EventPort`).
 * - Frames come in bursts, one event each. The director is called when the burst is over, or when a
 *   batch is full. A burst lasts until the ring of the kernel is empty: under overload the event
 *   loop turns late (0.7 s were seen). The director still ticks, but commands to the process wait.
 * - No virtio header: partial checksums are recognised and completed (partial-checksum.ts), and a
 *   frame longer than the MTU, an aggregate of GRO, can't be sent: it counts as a send error. The
 *   offloads gro, lro and tso must be off where this port is used; `uipvs doctor` says so.
 */
import { isMainThread } from 'node:worker_threads'
import type { Batch } from '../engine/batch.js'
import { type EventPort, Outbox, type PortCounters } from '../engine/port.js'
import { ACTION, FORWARD } from '../engine/verdict.js'
import { readInterface } from '../native/interfaces.js'
import { LibpcapArm, loadCap } from './libpcap-arm.js'

export interface LibpcapOptions {
  /** The arms, by name, in the order of their indices. */
  readonly interfaces: readonly string[]
  /** Frames in the largest batch. Default 64. */
  readonly batch?: number
}

const OUTBOX_SLOTS = 64
const OUTBOX_SLOT_BYTES = 2048

/** Opens all interfaces. Until `serve()` only ARP and neighbour discovery come in. */
export function openLibpcap(options: LibpcapOptions): EventPort {
  if (!isMainThread) throw new Error('the engine libpcap works only in the main thread')
  if (options.interfaces.length === 0) throw new RangeError('a port needs at least one interface')
  return new LibpcapPort(options)
}

class LibpcapPort implements EventPort {
  readonly name = 'libpcap'
  readonly arms: readonly LibpcapArm[]
  readonly outbox = new Outbox(
    new ArrayBuffer(OUTBOX_SLOTS * OUTBOX_SLOT_BYTES),
    OUTBOX_SLOTS,
    OUTBOX_SLOT_BYTES,
  )
  readonly counters: PortCounters = { ringDrops: 0, sendErrors: 0 }
  #onArrival: () => void = () => {}
  #isAnnounced = false
  #out: LibpcapArm | null = null
  #nextArm = 0

  constructor(options: LibpcapOptions) {
    const Cap = loadCap()
    const frames = options.batch ?? 64
    const found = options.interfaces.map(readInterface)
    this.arms = found.map((one, i) => new LibpcapArm(Cap, one, i, frames, this.counters))
    try {
      for (const arm of this.arms) {
        arm.onFrames = this.#arrived
        arm.serve([])
      }
    } catch (error) {
      this.close()
      throw error
    }
  }

  onArrival(callback: () => void): void {
    this.#onArrival = callback
  }

  /** Frames have come: the director is called when the burst is over, or now if a batch is full. */
  readonly #arrived = (isFull: boolean): void => {
    if (isFull) {
      this.#onArrival()
    } else if (!this.#isAnnounced) {
      this.#isAnnounced = true
      setImmediate(this.#announce)
    }
  }

  readonly #announce = (): void => {
    this.#isAnnounced = false
    this.#onArrival()
  }

  receive(): Batch {
    if (this.#out !== null) throw new Error('receive() before the last batch was settled')
    for (let tried = 0; tried < this.arms.length; tried++) {
      const arm = this.arms[this.#nextArm]
      this.#nextArm = (this.#nextArm + 1) % this.arms.length
      if (arm.batch.count === 0) continue
      this.#out = arm
      arm.isOut = true
      return arm.batch
    }
    return this.arms[0].batch
  }

  settle(batch: Batch): void {
    const from = this.#out
    if (from !== null) {
      if (batch !== from.batch) throw new Error('settle() of another batch than the one received')
      for (let i = 0; i < batch.count; i++) {
        if (ACTION[batch.verdict[i]] !== FORWARD) continue
        this.#send(batch.egress[i], batch.bytes, batch.offset[i], batch.length[i])
      }
      this.#out = null
      from.recycle()
    }
    this.flush()
  }

  flush(): void {
    const outbox = this.outbox
    for (let slot = 0; slot < outbox.count; slot++) {
      this.#send(outbox.egress[slot], outbox.bytes, slot * outbox.slotBytes, outbox.length[slot])
    }
    outbox.count = 0
  }

  #send(egress: number, bytes: Uint8Array, offset: number, length: number): void {
    const arm = this.arms[egress]
    if (arm === undefined || !arm.send(bytes, offset, length)) this.counters.sendErrors++
  }

  wait(_ms: number): void {}

  serve(vips: readonly string[]): void {
    for (const arm of this.arms) arm.serve(vips)
  }

  close(): void {
    for (const arm of this.arms) arm.close()
  }
}
