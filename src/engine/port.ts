/**
 * The one interface through which frames enter and leave, whatever carries them: a packet socket's
 * ring, libpcap, a capture file, an array in a test, and AF_XDP.
 *
 * The rule of ownership: **a batch goes out of a port and the same batch goes back.** Between
 * `receive()` and `settle()` the frames belong to the director, which may rewrite their bytes in
 * place but not make them longer. `settle()` sends each frame whose verdict forwards it on
 * `batch.egress[i]`, and recycles all others; each frame exactly once. A frame of our own (an ARP
 * request, an ICMP error, a frame that waited for its neighbour) is written into the outbox, whose
 * memory the port provides too, and leaves with the next `settle()` or `flush()`.
 *
 *                 receive()                      forward()
 *   wire --> ring ---------> Batch ------------------------> verdicts
 *                              |                                |
 *   wire <-- ring <------------+------------- settle() <--------+
 *     ^                                                  Outbox |
 *     +------------------------------------------------- flush()+
 */
import type { Batch } from './batch.js'

/** One network interface of a port: an arm of the director. */
export interface Arm {
  /** Its name, `eth0`. */
  readonly name: string
  /** Its MAC address, as two numbers: the first 16 bits and the last 32 (an int32 bit pattern). */
  readonly macHigh: number
  readonly macLow: number
  /** Its MTU in bytes of IP packet. */
  readonly mtu: number
  /** Whether received frames longer than the MTU (GRO) can be sent on whole by this port. */
  readonly superframes: boolean
}

/** Frames of our own, waiting to leave. Slot `i` begins at `offset(i)` of `view`/`bytes`. */
export class Outbox {
  count = 0
  readonly view: DataView
  readonly bytes: Uint8Array
  readonly length: Int32Array
  readonly egress: Uint8Array
  readonly capacity: number
  readonly slotBytes: number
  /** Frames that found no free slot since the start. */
  overflows = 0

  constructor(arena: ArrayBufferLike, capacity: number, slotBytes: number, byteOffset = 0) {
    if (arena.byteLength < byteOffset + capacity * slotBytes) {
      throw new RangeError(
        `an outbox of ${capacity} slots of ${slotBytes} bytes needs a larger arena`,
      )
    }
    this.view = new DataView(arena, byteOffset, capacity * slotBytes)
    this.bytes = new Uint8Array(arena, byteOffset, capacity * slotBytes)
    this.length = new Int32Array(capacity)
    this.egress = new Uint8Array(capacity)
    this.capacity = capacity
    this.slotBytes = slotBytes
  }

  /**
   * Takes the next slot for a frame of `length` bytes that leaves by `egress`, and returns where in
   * `view`/`bytes` it begins; -1 if the outbox is full or the frame longer than a slot.
   */
  reserve(length: number, egress: number): number {
    if (this.count === this.capacity || length > this.slotBytes) {
      this.overflows++
      return -1
    }
    const slot = this.count++
    this.length[slot] = length
    this.egress[slot] = egress
    return slot * this.slotBytes
  }
}

/** What a port counts by itself. Frames that the kernel dropped never reached a batch. */
export interface PortCounters {
  /** Frames dropped before us because a ring was full. */
  ringDrops: number
  /** Frames that the kernel refused to send, or for which a transmit ring had no room. */
  sendErrors: number
}

/** How frames of an arm are taken, where the machine decides that. */
export interface ArmMode {
  readonly arm: string
  /** XDP: `native` in the driver, `generic` behind it. */
  readonly mode: 'native' | 'generic'
  /** Whether the kernel spares the frames a copy. */
  readonly isZeroCopy: boolean
  /** The longest IP packet that it can hold, in bytes. */
  readonly mtuMax: number
}

/** A VIP that the director's kernel holds too, and what of it the director takes. */
export interface SharedVip {
  readonly address: string
  readonly ports: readonly {
    readonly protocol: 'tcp' | 'udp' | 'sctp'
    /** 0: all ports. */
    readonly port: number
  }[]
}

/** The part of the frames that one of several workers takes: `port/share.ts`. */
export interface Share {
  /** Which worker, from 0 on, of how many. */
  readonly index: number
  readonly count: number
  /** Clients that are the same under this IPv4 mask (int32), this IPv6 prefix, stay together. */
  readonly mask4: number
  readonly prefix6: number
}

export interface Port {
  /** The engine's name: `af_packet`, `libpcap`, `replay`, `memory`, `af_xdp`. */
  readonly name: string
  readonly arms: readonly Arm[]
  readonly outbox: Outbox
  readonly counters: PortCounters
  /** How it takes frames here, by arm, where that depends on the machine. */
  readonly modes?: readonly ArmMode[]
  /** The batch that frames come in nearly always, if there is one: `Loop` is fastest with it. */
  readonly usual?: Batch | undefined
  /** The next frames, at most a batch; `count` is 0 when there are none. Never blocks. */
  receive(): Batch
  /** Takes the batch back: sends what is to be forwarded, recycles the rest, then flushes. */
  settle(batch: Batch): void
  /** Sends what is in the outbox. */
  flush(): void
  /** Sleeps until a frame comes, `wake()` is called from elsewhere, or `ms` have passed. */
  wait(ms: number): void
  /**
   * Tells the port which addresses are served, so that it can leave all other frames to the
   * kernel. `vips` are textual addresses of both families; `shared` are those among them that the
   * kernel holds too: a port that takes frames away from the kernel leaves it the rest of those.
   * With `share` it takes what is this worker's.
   */
  serve(vips: readonly string[], shared?: readonly SharedVip[], share?: Share): void
  /** How much of the fullest receive ring waits for us, 0 to 1. Not every port can tell. */
  occupancy?(): number
  close(): void
}

/**
 * A port that can't block (libpcap in Node's own event loop): it calls `onArrival` when there is
 * something to receive, and `wait` returns at once.
 */
export interface EventPort extends Port {
  onArrival(callback: () => void): void
}
