/**
 * The fast port: AF_XDP sockets, behind an XDP program that gives them what the director serves
 * (`xdp-program.ts`) and leaves all else to the kernel. docs/af-xdp.md follows a frame through it.
 *
 *              XDP program            XskSocket, one for each queue of each arm
 *   wire --> +-------------+ rx ring  +-------+ receive() --> Batch
 *            | served?     |--------> | umem  |                 |
 *            +-----+-------+          |       | <-- settle() <--+
 *                  | else             +---+---+
 *                  v                      | tx ring of the arm that a frame leaves by
 *            kernel's stack               v
 *                  |                     wire
 *                  +--> packet sockets: copies of ARP and neighbour discovery --> Batch
 *
 * All sockets share one umem: a frame is sent from where it was received, by another arm too, and
 * this program copies no byte of it. (In copy mode the kernel does, once on each side; where the
 * driver has zero-copy, nobody does.) Frames of our own leave by the packet sockets.
 *
 * What the kernel tells a packet socket beside a frame's bytes, AF_XDP does not say:
 *
 *   partial checksums    A sender on veth, or in a virtual machine, leaves the transport checksum
 *                        to hardware. Those are recognised and completed, `partial-checksum.ts`.
 *   aggregates (GRO)     Native mode comes before GRO: there are none. In generic mode one that
 *                        exceeds a chunk is dropped: the daemon asks to switch gro off.
 *   tags in hardware     A tag that the card took out of the frame is put back, where its driver
 *                        can be asked: `xdp-tag.ts`. Tags in the frame's bytes stay there.
 */
import { Batch } from '../engine/batch.js'
import type { ArmMode, Outbox, Port, PortCounters, SharedVip } from '../engine/port.js'
import { ACTION, FORWARD } from '../engine/verdict.js'
import { mtuOfChunk } from '../native/if-xdp.js'
import { type AfPacketPort, openAfPacket } from './af-packet.js'
import { completeChecksum } from './partial-checksum.js'
import { PollSet } from './poll-set.js'
import { Umem } from './umem.js'
import { findArms, openArms, type XdpArm } from './xdp-arm.js'
import { attach, type XdpAttachment } from './xdp-attach.js'
import { XdpMaps } from './xdp-maps.js'
import { tagFunction } from './xdp-tag.js'
import type { XskSocket } from './xsk-socket.js'

export interface AfXdpOptions {
  /** The arms, by name, in the order of their indices. */
  readonly interfaces: readonly string[]
  /** A descriptor (`Wakeup.fd`) that ends `wait()` when it becomes readable. */
  readonly wakeFd?: number
  /** Frames in a batch, at most. */
  readonly batch?: number
  /** Entries of each ring, a power of two. */
  readonly ringEntries?: number
  /** Poll the device from our own calls, for so many microseconds, instead of by interrupts. */
  readonly busyPollMicroseconds?: number
  /** For tests and comparisons: no native mode, no zero-copy. */
  readonly isGeneric?: boolean
  readonly isCopying?: boolean
}

const BATCH = 256
const RING_ENTRIES = 4096
/** Frames of a socket: in its fill ring, in rx and batch, in tx and completion. */
const FRAMES_PER_ENTRY = 3
/** ARP and neighbour discovery are few. */
const LINK_BLOCK_BYTES = 64 * 1024
const LINK_BLOCKS = 8
/** The kernel's drop counters are read once in so many batches, and when nothing comes. */
const STATISTICS_EVERY = 1024

/** Opens the sockets and attaches the program. Nothing is taken until `serve()` is called. */
export function openAfXdp(options: AfXdpOptions): Port {
  return new AfXdpPort(options)
}

class AfXdpPort implements Port {
  readonly name = 'af_xdp'
  readonly arms: readonly XdpArm[]
  readonly outbox: Outbox
  readonly counters: PortCounters = { ringDrops: 0, sendErrors: 0 }
  readonly modes: readonly ArmMode[]
  /** Copies of ARP and neighbour discovery, and the way out for frames of our own. */
  readonly #link: AfPacketPort
  readonly #umem: Umem
  readonly #maps: XdpMaps
  readonly #attachments: XdpAttachment[] = []
  readonly #sockets: XskSocket[]
  /** Index of the arm that each socket belongs to. */
  readonly #armOf: Uint8Array
  readonly #batch: Batch
  readonly #sleep: PollSet
  readonly #isPolling: boolean
  /** The socket whose turn it was last; behind the last socket it is the link's turn. */
  #turn = 0
  /** The queue that the frames of the batch came in on. */
  #queue = 0
  #batchesUntilStatistics = STATISTICS_EVERY
  #isOpen = true

  constructor(options: AfXdpOptions) {
    const entries = options.ringEntries ?? RING_ENTRIES
    this.#isPolling = (options.busyPollMicroseconds ?? 0) > 0
    const { interfaces } = options
    const found = findArms(interfaces)
    this.#link = openAfPacket({
      interfaces,
      isLinkOnly: true,
      blockBytes: LINK_BLOCK_BYTES,
      blocks: LINK_BLOCKS,
    })
    const opened: { close(): void }[] = [this.#link]
    try {
      const queues = found.arms.reduce((sum, arm) => sum + arm.queues, 0)
      this.#umem = new Umem(queues * entries * FRAMES_PER_ENTRY, found.chunkBytes)
      opened.push(this.#umem)
      this.#maps = new XdpMaps()
      opened.push(this.#maps)
      this.arms = openArms(found.arms, this.#umem, {
        entries,
        busyPollMicroseconds: options.busyPollMicroseconds ?? 0,
        copy: options.isCopying ?? false,
      })
      opened.push(...this.arms)
      const isGeneric = options.isGeneric ?? false
      const how = {
        isGeneric,
        tagFunction: isGeneric ? undefined : tagFunction(),
        mtuMax: mtuOfChunk(found.chunkBytes),
      }
      for (const arm of this.arms) {
        const attachment = attach(arm, this.#maps, how)
        this.#attachments.push(attachment)
        opened.push(attachment)
      }
    } catch (error) {
      for (const each of opened.reverse()) each.close()
      throw error
    }
    this.outbox = this.#link.outbox
    this.#sockets = this.arms.flatMap((arm) => arm.sockets)
    this.#armOf = Uint8Array.from(this.arms.flatMap((arm, i) => arm.sockets.map(() => i)))
    this.#batch = new Batch(this.#umem.buffer, options.batch ?? BATCH)
    const fds = [...this.#sockets.map((socket) => socket.fd), ...this.#link.descriptors]
    this.#sleep = new PollSet(fds, options.wakeFd)
    this.modes = this.#attachments.map((each) => each.mode)
  }

  receive(): Batch {
    const sockets = this.#sockets
    for (let tried = 0; tried <= sockets.length; tried++) {
      // A busy queue does not starve the others, nor the link.
      this.#turn = this.#turn === sockets.length ? 0 : this.#turn + 1
      if (this.#turn === sockets.length) {
        const batch = this.#link.receive()
        if (batch.count > 0) return batch
      } else if (this.#take(sockets[this.#turn])) return this.#batch
    }
    this.#batch.count = 0
    return this.#batch
  }

  /** Describes the next frames of a socket to the batch. */
  #take(socket: XskSocket): boolean {
    if (this.#isPolling) socket.poll()
    const batch = this.#batch
    const { view, offset, length } = batch
    const count = socket.take(batch.capacity, offset, length)
    if (count === 0) return false
    for (let i = 0; i < count; i++) completeChecksum(view, offset[i], length[i])
    batch.count = count
    batch.arm = this.#armOf[this.#turn]
    this.#queue = socket.queue
    return true
  }

  settle(batch: Batch): void {
    if (batch !== this.#batch) {
      this.#link.settle(batch)
      return
    }
    const umem = this.#umem
    const arms = this.arms
    const { count, offset, length, verdict, egress } = batch
    for (let i = 0; i < count; i++) {
      if (ACTION[verdict[i]] !== FORWARD) {
        umem.give(offset[i])
        continue
      }
      // The frames of a flow come by one queue, and leave by one: in order.
      const out = arms[egress[i]].wayOut(this.#queue)
      if (out.push(offset[i], length[i])) continue
      this.counters.sendErrors++
      umem.give(offset[i])
    }
    batch.count = 0
    for (let i = 0; i < this.#sockets.length; i++) this.#sockets[i].send()
    for (let i = 0; i < this.#sockets.length; i++) this.#sockets[i].refillIfNeeded()
    if (this.outbox.count > 0) this.#link.flush()
    if (--this.#batchesUntilStatistics === 0) this.#readStatistics()
  }

  flush(): void {
    for (let i = 0; i < this.#sockets.length; i++) {
      const socket = this.#sockets[i]
      if (socket.isDown) socket.retry()
      socket.send()
    }
    for (let i = 0; i < this.#sockets.length; i++) this.#sockets[i].refill()
    this.#link.flush()
  }

  wait(ms: number): void {
    if (!this.#sleep.wait(ms)) this.#readStatistics()
  }

  occupancy(): number {
    let fullest = 0
    for (let i = 0; i < this.#sockets.length; i++) {
      fullest = Math.max(fullest, this.#sockets[i].rx.occupancy)
    }
    return fullest
  }

  serve(vips: readonly string[], shared: readonly SharedVip[] = []): void {
    this.#link.serve(vips)
    this.#maps.serve(vips, shared)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    // Whoever still holds the batch finds it empty instead of reading unmapped memory.
    const nothing = new ArrayBuffer(0)
    this.#batch.count = 0
    this.#batch.view = new DataView(nothing)
    this.#batch.bytes = new Uint8Array(nothing)
    for (const attachment of this.#attachments) attachment.close()
    for (const arm of this.arms) arm.close()
    this.#maps.close()
    this.#umem.close()
    this.#link.close()
  }

  #readStatistics(): void {
    this.#batchesUntilStatistics = STATISTICS_EVERY
    const { counters } = this
    for (let i = 0; i < this.#sockets.length; i++) {
      const socket = this.#sockets[i]
      counters.ringDrops += socket.takeDrops()
      counters.sendErrors += socket.sendErrors
      socket.sendErrors = 0
    }
    counters.ringDrops += this.#link.counters.ringDrops
    counters.sendErrors += this.#link.counters.sendErrors
    this.#link.counters.ringDrops = 0
    this.#link.counters.sendErrors = 0
  }
}
