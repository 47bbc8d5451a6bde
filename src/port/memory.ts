/**
 * A port without a wire: frames are put in with `inject()` and come out in `sent`. For tests, for
 * benchmarks and for the page in the browser, so nothing of Node is used here.
 *
 * It is also the port that proves the rule of ownership (engine/port.ts). Every misuse is a mistake
 * of the program around it, and throws:
 *
 *   receive() while a batch with frames is out     the frames of that batch would be lost
 *   settle() of a batch that is not out            a frame would be sent or recycled twice
 *   settle() with another count, another offset    frames were lost, invented or exchanged
 *   settle() of a frame made longer                it would run into its neighbour's slot
 *   forwarding to an arm that does not exist
 *
 * A batch without frames owes nothing: it may be settled, or not.
 *
 * With `discard: true` nothing is copied or kept, only counted; and with `preload()` the same
 * frames come again and again from a ring. Together the two allocate nothing, which benchmarks
 * need.
 */
import { Batch } from '../engine/batch.js'
import { type Arm, Outbox, type Port, type PortCounters } from '../engine/port.js'
import { ACTION, FORWARD } from '../engine/verdict.js'

export interface MemoryPortOptions {
  /** Default: one arm, `mem0`, 02:00:00:00:ff:01, MTU 1500, which sends superframes. */
  readonly arms?: readonly Partial<Arm>[]
  /** Frames that can wait in one arm's queue. Default 1024. */
  readonly slots?: number
  /** Bytes of the longest frame. Default 2048. */
  readonly slotBytes?: number
  /** Frames in the largest batch. Default 64. */
  readonly batch?: number
  /** Count what is sent, and keep nothing. */
  readonly discard?: boolean
}

/** What the kernel would say of a frame beside its bytes (see `Batch`). */
export interface FrameNotes {
  readonly partialChecksum?: boolean
  readonly segmentBytes?: number
}

export interface SentFrame {
  readonly arm: number
  readonly bytes: Uint8Array
  readonly origin: 'forwarded' | 'own'
}

/** One arm's queue: a ring of slots in the arena of its batch. `head` and `tail` only ever grow. */
interface Queue {
  readonly batch: Batch
  readonly base: number
  readonly length: Int32Array
  readonly partialChecksum: Uint8Array
  readonly segmentBytes: Int32Array
  head: number
  tail: number
}

/** The ring of `preload()`. */
interface Ring {
  readonly batch: Batch
  readonly frames: readonly Uint8Array[]
  readonly offset: Int32Array
  readonly length: Int32Array
  next: number
}

const DEFAULT_MAC_HIGH = 0x0200
const DEFAULT_MAC_LOW = 0xff01
/** Frames of a preloaded ring begin on cache lines, as they do in the rings of a kernel. */
const CACHE_LINE = 64

export class MemoryPort implements Port {
  readonly name = 'memory'
  readonly arms: readonly Arm[]
  readonly outbox: Outbox
  readonly counters: PortCounters = { ringDrops: 0, sendErrors: 0 }
  /** Frames that have left, oldest first, as copies. Empty with `discard`. */
  readonly sent: SentFrame[] = []
  /** The verdict of every frame settled, oldest first. Empty with `discard`. */
  readonly verdicts: number[] = []
  /** Frames settled, those of them that were forwarded, and frames of our own that left. */
  settledFrames = 0
  forwardedFrames = 0
  ownFrames = 0
  /** What `serve()` was told last. */
  served: readonly string[] = []
  readonly #slots: number
  readonly #slotBytes: number
  readonly #batch: number
  readonly #discard: boolean
  readonly #queues: Queue[]
  readonly #handedLength: Int32Array
  readonly #handedOffset: Int32Array
  #ring: Ring | null = null
  #out: Batch | null = null
  #outCount = 0
  #queueOut: Queue | null = null
  #nextArm = 0
  #closed = false

  constructor(options: MemoryPortOptions = {}) {
    const given = options.arms ?? [{}]
    this.#slots = options.slots ?? 1024
    this.#slotBytes = options.slotBytes ?? 2048
    this.#batch = options.batch ?? 64
    this.#discard = options.discard ?? false
    this.arms = given.map((arm, i) => ({
      name: arm.name ?? `mem${i}`,
      macHigh: arm.macHigh ?? DEFAULT_MAC_HIGH,
      macLow: arm.macLow ?? DEFAULT_MAC_LOW + i,
      mtu: arm.mtu ?? 1500,
      superframes: arm.superframes ?? true,
    }))
    const arena = new ArrayBuffer(this.arms.length * this.#slots * this.#slotBytes)
    this.#queues = this.arms.map((_, arm) => this.#makeQueue(arena, arm))
    this.outbox = new Outbox(
      new ArrayBuffer(this.#batch * this.#slotBytes),
      this.#batch,
      this.#slotBytes,
    )
    this.#handedLength = new Int32Array(this.#batch)
    this.#handedOffset = new Int32Array(this.#batch)
  }

  #makeQueue(arena: ArrayBuffer, arm: number): Queue {
    const batch = new Batch(arena, this.#batch)
    batch.arm = arm
    return {
      batch,
      base: arm * this.#slots * this.#slotBytes,
      length: new Int32Array(this.#slots),
      partialChecksum: new Uint8Array(this.#slots),
      segmentBytes: new Int32Array(this.#slots),
      head: 0,
      tail: 0,
    }
  }

  /**
   * A copy of `bytes` arrives on `arm`. Returns false if that arm's queue is full: the frame is
   * counted in `counters.ringDrops`, as a kernel's ring would do.
   */
  inject(bytes: Uint8Array, arm = 0, notes: FrameNotes = {}): boolean {
    const queue = this.#queues[arm]
    if (queue === undefined) throw new RangeError(`the port has no arm ${arm}`)
    if (bytes.length > this.#slotBytes) {
      throw new RangeError(
        `a frame of ${bytes.length} bytes needs a port with slotBytes >= ${bytes.length}`,
      )
    }
    if (queue.tail - queue.head === this.#slots) {
      this.counters.ringDrops++
      return false
    }
    const slot = queue.tail++ % this.#slots
    queue.batch.bytes.set(bytes, queue.base + slot * this.#slotBytes)
    queue.length[slot] = bytes.length
    queue.partialChecksum[slot] = notes.partialChecksum === true ? 1 : 0
    queue.segmentBytes[slot] = notes.segmentBytes ?? 0
    return true
  }

  /**
   * From now on `receive()` always returns a full batch of these frames, in a ring without end,
   * after whatever was injected. They are copied once, here. What the director writes into a frame
   * stays in it for the next lap: harmless for MAC addresses; for a TTL there is `rewind()`.
   */
  preload(frames: readonly Uint8Array[], arm = 0): void {
    if (frames.length === 0) throw new RangeError('a ring needs at least one frame')
    if (this.#out !== null) throw new Error('preload() while a batch is out')
    const offset = new Int32Array(frames.length)
    const length = Int32Array.from(frames, (frame) => frame.length)
    let end = 0
    for (let i = 0; i < frames.length; i++) {
      offset[i] = end
      end += Math.ceil(frames[i].length / CACHE_LINE) * CACHE_LINE
    }
    const batch = new Batch(new ArrayBuffer(end), this.#batch)
    batch.arm = arm
    this.#ring = { batch, frames: [...frames], offset, length, next: 0 }
    this.rewind()
  }

  /** Gives the preloaded frames the bytes that they had at first. */
  rewind(): void {
    const ring = this.#ring
    if (ring === null) return
    for (let i = 0; i < ring.frames.length; i++) {
      ring.batch.bytes.set(ring.frames[i], ring.offset[i])
    }
  }

  /** That of the preloaded frames. */
  get usual(): Batch | undefined {
    return this.#ring?.batch
  }

  receive(): Batch {
    if (this.#closed) throw new Error('receive() from a closed port')
    if (this.#out !== null) throw new Error('receive() before the last batch was settled')
    this.#queueOut = this.#nextQueue()
    if (this.#queueOut !== null) return this.#handOut(this.#fromQueue(this.#queueOut))
    if (this.#ring !== null) return this.#handOut(this.#fromRing(this.#ring))
    return this.#handOut(this.#fromQueue(this.#queues[0]))
  }

  /** The arms take turns, so that a busy one does not starve another. */
  #nextQueue(): Queue | null {
    for (let tried = 0; tried < this.#queues.length; tried++) {
      const queue = this.#queues[this.#nextArm]
      this.#nextArm = this.#nextArm + 1 === this.#queues.length ? 0 : this.#nextArm + 1
      if (queue.tail !== queue.head) return queue
    }
    return null
  }

  #fromQueue(queue: Queue): Batch {
    const batch = queue.batch
    const count = Math.min(queue.tail - queue.head, batch.capacity)
    for (let i = 0; i < count; i++) {
      const slot = (queue.head + i) % this.#slots
      batch.offset[i] = queue.base + slot * this.#slotBytes
      batch.length[i] = queue.length[slot]
      batch.partialChecksum[i] = queue.partialChecksum[slot]
      batch.segmentBytes[i] = queue.segmentBytes[slot]
    }
    batch.count = count
    return batch
  }

  #fromRing(ring: Ring): Batch {
    const { batch, offset, length } = ring
    const { offset: offsets, length: lengths, capacity } = batch
    const end = length.length
    let next = ring.next
    for (let i = 0; i < capacity; i++) {
      offsets[i] = offset[next]
      lengths[i] = length[next]
      next = next + 1 === end ? 0 : next + 1
    }
    ring.next = next
    batch.count = capacity
    return batch
  }

  #handOut(batch: Batch): Batch {
    this.#out = batch.count === 0 ? null : batch
    this.#outCount = batch.count
    if (!this.#discard) {
      for (let i = 0; i < batch.count; i++) {
        this.#handedOffset[i] = batch.offset[i]
        this.#handedLength[i] = batch.length[i]
      }
    }
    return batch
  }

  settle(batch: Batch): void {
    if (this.#out === null) {
      if (batch.count !== 0) throw new Error('settle() of a batch that is not out')
    } else {
      if (batch !== this.#out) throw new Error('settle() of another batch than the one received')
      if (batch.count !== this.#outCount) {
        throw new Error(`a batch of ${this.#outCount} frames came back with ${batch.count}`)
      }
      if (this.#discard) this.#count(batch)
      else this.#keep(batch)
      this.#out = null
      if (this.#queueOut !== null) this.#queueOut.head += this.#outCount
    }
    this.flush()
  }

  #count(batch: Batch): void {
    let forwarded = 0
    for (let i = 0; i < batch.count; i++) {
      if (ACTION[batch.verdict[i]] === FORWARD) forwarded++
    }
    this.settledFrames += batch.count
    this.forwardedFrames += forwarded
  }

  #keep(batch: Batch): void {
    for (let i = 0; i < batch.count; i++) {
      this.#verify(batch, i)
      this.verdicts.push(batch.verdict[i])
      if (ACTION[batch.verdict[i]] !== FORWARD) continue
      const arm = batch.egress[i]
      const bytes = batch.bytes.slice(batch.offset[i], batch.offset[i] + batch.length[i])
      this.sent.push({ arm, bytes, origin: 'forwarded' })
    }
    this.#count(batch)
  }

  #verify(batch: Batch, i: number): void {
    if (batch.offset[i] !== this.#handedOffset[i]) throw new Error(`frame ${i} has moved`)
    if (batch.length[i] < 0 || batch.length[i] > this.#handedLength[i]) {
      throw new Error(
        `frame ${i} had ${this.#handedLength[i]} bytes and came back with ${batch.length[i]}`,
      )
    }
    if (ACTION[batch.verdict[i]] === FORWARD && batch.egress[i] >= this.arms.length) {
      throw new Error(`frame ${i} leaves by arm ${batch.egress[i]}, which the port does not have`)
    }
  }

  flush(): void {
    const outbox = this.outbox
    this.ownFrames += outbox.count
    if (!this.#discard) {
      for (let slot = 0; slot < outbox.count; slot++) {
        const arm = outbox.egress[slot]
        if (arm >= this.arms.length) throw new Error(`a frame of our own leaves by arm ${arm}`)
        const begin = slot * outbox.slotBytes
        const bytes = outbox.bytes.slice(begin, begin + outbox.length[slot])
        this.sent.push({ arm, bytes, origin: 'own' })
      }
    }
    outbox.count = 0
  }

  wait(_ms: number): void {}

  serve(vips: readonly string[]): void {
    this.served = [...vips]
  }

  close(): void {
    this.#closed = true
  }
}
