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
 * Several workers have a port each, on common ground (`xdp-ground.ts`): a socket on every queue, of
 * which the program chooses the one whose client it is; a chunk that is at home with another worker
 * is given back to it (`umem-returns.ts`).
 *
 * What the kernel tells a packet socket beside a frame's bytes, AF_XDP does not say:
 *
 *   partial checksums    A sender on veth, or in a virtual machine, leaves the transport checksum
 *                        to hardware. Those are recognised and completed by the loop,
 *                        `engine/glance.ts`.
 *   aggregates (GRO)     Native mode comes before GRO: there are none. In generic mode one that
 *                        exceeds a chunk is dropped: the daemon asks to switch gro off.
 *   tags in hardware     A tag that the card took out of the frame is put back, where its driver
 *                        can be asked: `xdp-tag.ts`. Tags in the frame's bytes stay there.
 */
import { Batch } from '../engine/batch.js'
import type { ArmMode, Outbox, Port, PortCounters, Share, SharedVip } from '../engine/port.js'
import { ACTION, FORWARD } from '../engine/verdict.js'
import { wake } from '../native/eventfd.js'
import { type AfPacketPort, openAfPacket } from './af-packet.js'
import { PollSet } from './poll-set.js'
import { Umem } from './umem.js'
import { XdpArm } from './xdp-arm.js'
import { XdpGround, type XdpPlan } from './xdp-ground.js'
import type { XskSocket } from './xsk-socket.js'

/** What a worker's port is opened with, the first one's or another's. */
export interface WorkerOptions {
  /** A descriptor (`Wakeup.fd`) that ends `wait()` when it becomes readable. */
  readonly wakeFd?: number
  /** Those of all workers, if there are several. */
  readonly wakeFds?: readonly number[]
  /** Frames in a batch, at most. */
  readonly batch?: number
}

export interface AfXdpOptions extends WorkerOptions {
  /** The arms, by name, in the order of their indices. */
  readonly interfaces: readonly string[]
  /** How many share the frames, if more than one: `joinAfXdp` is for the others. */
  readonly workers?: number
  /** Entries of each ring, a power of two; if left out, see `receiveEntriesFor`. */
  readonly ringEntries?: number
  /** Poll the device from our own calls, for so many microseconds, instead of by interrupts. */
  readonly busyPollMicroseconds?: number
  /** For tests and comparisons: no native mode, no zero-copy. */
  readonly isGeneric?: boolean
  readonly isCopying?: boolean
}

const BATCH = 256
/** ARP and neighbour discovery are few. */
const LINK_BLOCK_BYTES = 64 * 1024
const LINK_BLOCKS = 8
/** The kernel's drop counters are read once in so many batches, and when nothing comes. */
const STATISTICS_EVERY = 1024

/** A worker that sleeps is woken when a quarter of a tx ring's chunks waits for it. */
const WAITING_SHIFT = 2

/** Opens the sockets and attaches the program. Nothing is taken until `serve()` is called. */
export function openAfXdp(options: AfXdpOptions): AfXdpPort {
  const { workers = 1, busyPollMicroseconds = 0 } = options
  const ground = new XdpGround({
    interfaces: options.interfaces,
    workers,
    entries: options.ringEntries,
    busyPollMicroseconds,
    isGeneric: options.isGeneric ?? false,
    isCopying: options.isCopying ?? false,
  })
  try {
    return new AfXdpPort(ground.plan, 0, options, ground)
  } catch (error) {
    ground.close()
    throw error
  }
}

/** The port of another worker than the first, whose port must be closed after it. */
export function joinAfXdp(plan: XdpPlan, worker: number, options: WorkerOptions): AfXdpPort {
  return new AfXdpPort(plan, worker, options)
}

export class AfXdpPort implements Port {
  readonly name = 'af_xdp'
  readonly arms: readonly XdpArm[]
  readonly outbox: Outbox
  readonly counters: PortCounters = { ringDrops: 0, sendErrors: 0 }
  readonly modes: readonly ArmMode[]
  readonly plan: XdpPlan
  readonly usual: Batch
  /** Of the first worker. */
  readonly #ground: XdpGround | undefined
  /** Copies of ARP and neighbour discovery, and the way out for frames of our own. */
  readonly #link: AfPacketPort
  readonly #umem: Umem
  readonly #sockets: XskSocket[]
  /** Index of the arm that each socket belongs to. */
  readonly #armOf: Uint8Array
  readonly #sleep: PollSet
  readonly #isPolling: boolean
  readonly #isShared: boolean
  readonly #worker: number
  readonly #wakeFds: readonly number[]
  /** Chunks that may wait for a worker that sleeps. */
  readonly #waitingMax: number
  /** The socket whose turn it was last; behind the last socket it is the link's turn. */
  #turn = 0
  /** The queue that the frames of the batch came in on. */
  #queue = 0
  #batchesUntilStatistics = STATISTICS_EVERY
  #isOpen = true

  constructor(plan: XdpPlan, worker: number, options: WorkerOptions, ground?: XdpGround) {
    this.plan = plan
    this.#ground = ground
    this.#worker = worker
    this.#isPolling = plan.isPolling
    this.#isShared = plan.workers > 1
    this.#wakeFds = options.wakeFds ?? []
    this.#waitingMax = plan.arms[0].queues[0][0].sendEntries >> WAITING_SHIFT
    this.#link = openAfPacket({
      interfaces: plan.arms.map((arm) => arm.name),
      isLinkOnly: true,
      blockBytes: LINK_BLOCK_BYTES,
      blocks: LINK_BLOCKS,
    })
    this.#umem = new Umem(plan.umem, worker)
    const arms: XdpArm[] = []
    try {
      for (const arm of plan.arms) arms.push(new XdpArm(arm, this.#umem, worker))
    } catch (error) {
      for (const arm of arms) arm.close()
      this.#link.close()
      throw error
    }
    this.arms = arms
    this.outbox = this.#link.outbox
    this.#sockets = arms.flatMap((arm) => arm.sockets)
    this.#armOf = Uint8Array.from(arms.flatMap((arm, i) => arm.sockets.map(() => i)))
    this.usual = new Batch(this.#umem.buffer, options.batch ?? BATCH)
    this.usual.hasUnknownChecksums = true
    const fds = [...this.#sockets.map((socket) => socket.fd), ...this.#link.descriptors]
    this.#sleep = new PollSet(fds, options.wakeFd)
    this.modes = ground?.modes ?? []
  }

  receive(): Batch {
    const sockets = this.#sockets
    for (let tried = 0; tried <= sockets.length; tried++) {
      // A busy queue does not starve the others, nor the link.
      this.#turn = this.#turn === sockets.length ? 0 : this.#turn + 1
      if (this.#turn === sockets.length) {
        const batch = this.#link.receive()
        if (batch.count > 0) return batch
      } else if (this.#take(sockets[this.#turn])) return this.usual
    }
    this.usual.count = 0
    return this.usual
  }

  /** Describes the next frames of a socket to the batch. */
  #take(socket: XskSocket): boolean {
    if (this.#isPolling) socket.poll()
    const batch = this.usual
    const { offset, length } = batch
    const count = socket.take(batch.capacity, offset, length)
    if (count === 0) return false
    this.#umem.claim(offset, count)
    batch.count = count
    batch.arm = this.#armOf[this.#turn]
    this.#queue = socket.queue
    return true
  }

  settle(batch: Batch): void {
    if (batch !== this.usual) {
      this.#link.settle(batch)
      return
    }
    const { count, offset, verdict, egress } = batch
    // Frames in a row that leave by the same arm are pushed together: nearly always all of them.
    let from = 0
    for (let i = 0; i < count; i++) {
      if (ACTION[verdict[i]] !== FORWARD) {
        this.#push(batch, from, i)
        this.#umem.give(offset[i])
        from = i + 1
      } else if (egress[i] !== egress[from]) {
        this.#push(batch, from, i)
        from = i
      }
    }
    this.#push(batch, from, count)
    batch.count = 0
    for (let i = 0; i < this.#sockets.length; i++) this.#sockets[i].send()
    if (this.#isShared) this.#exchange()
    else for (let i = 0; i < this.#sockets.length; i++) this.#sockets[i].refillIfNeeded()
    if (this.outbox.count > 0) this.#link.flush()
    if (--this.#batchesUntilStatistics === 0) this.#readStatistics()
  }

  /** Puts frames `from` to `to`, which leave by the arm of the first, into its tx ring. */
  #push({ offset, length, egress }: Batch, from: number, to: number): void {
    if (from === to) return
    // The frames of a flow come by one queue, and leave by one: in order.
    const out = this.arms[egress[from]].wayOut(this.#queue)
    for (let i = from + out.push(offset, length, from, to); i < to; i++) {
      this.counters.sendErrors++
      this.#umem.give(offset[i])
    }
  }

  /**
   * Chunks go home: those of others, and ours from the others and from what they sent by our
   * queues. A worker that sleeps while others use its queues up is woken.
   */
  #exchange(): void {
    const umem = this.#umem
    for (let i = 0; i < this.#sockets.length; i++) this.#sockets[i].reap()
    umem.exchange()
    for (let i = 0; i < this.#sockets.length; i++) this.#sockets[i].refillIfWorthwhile()
    for (let home = 0; home < this.plan.umem.homes; home++) {
      if (home !== this.#worker && umem.waitingFor(home) > this.#waitingMax) this.#wake(home)
    }
    for (let i = 0; i < this.#sockets.length; i++) {
      const socket = this.#sockets[i]
      if (socket.hasSentAway(this.#waitingMax)) this.#wake(socket.queue % this.plan.umem.homes)
    }
  }

  #wake(worker: number): void {
    if (worker < this.#wakeFds.length) wake(this.#wakeFds[worker])
  }

  flush(): void {
    if (this.#isShared) this.#exchange()
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
    // Perhaps it was another worker that woke us, for its chunks.
    if (this.#isShared) this.#exchange()
  }

  occupancy(): number {
    let fullest = 0
    for (let i = 0; i < this.#sockets.length; i++) {
      fullest = Math.max(fullest, this.#sockets[i].rx.occupancy)
    }
    return fullest
  }

  serve(vips: readonly string[], shared: readonly SharedVip[] = [], share?: Share): void {
    this.#link.serve(vips, shared, share)
    this.#ground?.serve(vips, shared, share)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    // Whoever still holds the batch finds it empty instead of reading unmapped memory.
    const nothing = new ArrayBuffer(0)
    this.usual.count = 0
    this.usual.view = new DataView(nothing)
    this.usual.bytes = new Uint8Array(nothing)
    for (const arm of this.arms) arm.close()
    this.#ground?.close()
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
