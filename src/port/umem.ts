/**
 * The memory that frames lie in, from their arrival until they have left, and the chunks of it that
 * belong to nobody at the moment: a stack, so that what was used last, and is in the processor's
 * cache, is used next.
 *
 * Several workers share the memory, and each chunk has a home among them: the worker whose fill
 * rings it goes into. What another worker has done with, it gives back (`umem-returns.ts`).
 */
import { viewOf } from '../native/libc.js'
import { mapPrivate, unmap } from '../native/mapping.js'
import { CHUNK, mtuOfChunk } from '../native/umem-chunk.js'
import { Returns } from './umem-returns.js'
import type { ConsumerRing, ProducerRing } from './xsk-ring.js'

const UMEM_BYTES_MAX = 2 ** 31

/** The chunk for frames of an interface with this MTU; undefined if there is none. */
export function chunkBytesFor(mtu: number): number | undefined {
  return CHUNK.bytes.find((bytes) => mtu <= mtuOfChunk(bytes))
}

/** Where the memory lies and how it is divided: plain data, for all threads of the process. */
export interface UmemPlan {
  readonly address: number
  readonly chunkBytes: number
  /** How many workers have chunks of their own: the first ones; and how many each of them has. */
  readonly homes: number
  readonly chunksPerHome: number
  /** How many of its chunks each of them has in hand: those at the begin of its part. */
  readonly inHand: readonly number[]
  /** How the others give chunks back; nothing, if there is only one worker. */
  readonly returns: SharedArrayBuffer | undefined
}

/** Memory for so many chunks, which are all in hand. */
export function mapUmem(
  plan: Pick<UmemPlan, 'chunkBytes' | 'homes' | 'chunksPerHome'>,
  workers: number,
): UmemPlan {
  const { chunkBytes, homes, chunksPerHome } = plan
  const bytes = umemBytes(plan)
  // Addresses are int32 numbers everywhere here, and the upper half of a ring's is never written.
  if (bytes > UMEM_BYTES_MAX) {
    throw new RangeError(
      `${homes * chunksPerHome} frames of ${chunkBytes} bytes exceed 2 GiB; use fewer queues`,
    )
  }
  const { address } = mapPrivate(bytes, 'umem')
  const returns =
    workers === 1 ? undefined : new SharedArrayBuffer(Returns.bytes(homes, chunksPerHome))
  return { ...plan, address, inHand: Array<number>(homes).fill(chunksPerHome), returns }
}

/** No thread may touch it after this. */
export function unmapUmem({ address, ...plan }: UmemPlan): void {
  const bytes = umemBytes(plan)
  unmap({ address, bytes, buffer: new ArrayBuffer(0) })
}

export function umemBytes(plan: Pick<UmemPlan, 'chunkBytes' | 'homes' | 'chunksPerHome'>): number {
  return plan.homes * plan.chunksPerHome * plan.chunkBytes
}

/** The memory as one worker has it. */
export class Umem {
  readonly buffer: ArrayBuffer
  /** Addresses of free chunks: the first `freeCount` entries. */
  readonly #free: Int32Array
  /** `buffer`, by 16-bit words. */
  readonly #halves: Int16Array
  /** What is on its way to other workers. */
  readonly #few = new Int32Array(64)
  /** Chunks at home here: from this address on, so many bytes. */
  readonly #first: number
  readonly #span: number
  readonly #returns: Returns | undefined
  freeCount: number

  constructor(plan: UmemPlan, worker: number) {
    const { address, chunkBytes, chunksPerHome, homes, returns } = plan
    this.buffer = viewOf(address, umemBytes(plan))
    this.#halves = new Int16Array(this.buffer)
    const isHome = worker < homes
    this.#span = isHome ? chunksPerHome * chunkBytes : 0
    this.#first = worker * this.#span
    this.#free = new Int32Array(isHome ? chunksPerHome : 0)
    for (let i = 0; i < this.#free.length; i++) this.#free[i] = this.#first + i * chunkBytes
    this.freeCount = isHome ? plan.inHand[worker] : 0
    this.#returns =
      returns && new Returns(returns, homes, chunksPerHome, chunksPerHome * chunkBytes, worker)
  }

  /** A chunk is nobody's any more. Any address within it will do: the kernel rounds it down. */
  give(address: number): void {
    if ((address - this.#first) >>> 0 < this.#span) this.#free[this.freeCount++] = address
    else this.#returns?.send(address)
  }

  /** The chunks of the next `count` entries of a completion ring are nobody's any more. */
  giveFrom(ring: ConsumerRing, count: number): void {
    if (this.#returns === undefined) {
      ring.takeAddresses(count, this.#free, this.freeCount)
      this.freeCount += count
      return
    }
    for (let left = count; left > 0; ) {
      const few = Math.min(left, this.#few.length)
      ring.takeAddresses(few, this.#few, 0)
      for (let i = 0; i < few; i++) this.give(this.#few[i])
      left -= few
    }
  }

  /** `count` free chunks, of which there must be so many, go into a fill ring. */
  takeTo(ring: ProducerRing, count: number): void {
    ring.pushAddresses(this.#free, this.freeCount - count, this.freeCount)
    this.freeCount -= count
  }

  /**
   * Has the cache lines that frames begin in brought here from the processor that wrote them, all
   * at once, by writing into the two bytes before each frame. A write need not wait for its line,
   * and brings one that the MAC addresses can be written into; a read does neither.
   */
  claim(offset: Int32Array, count: number): void {
    const halves = this.#halves
    for (let i = 0; i < count; i++) halves[(offset[i] >> 1) - 1] = 0
  }

  /** Takes back what other workers gave back, and hands over what is theirs. */
  exchange(): void {
    const returns = this.#returns
    if (returns === undefined) return
    returns.deliver()
    for (;;) {
      const address = returns.take()
      if (address < 0) return
      this.#free[this.freeCount++] = address
    }
  }

  /** Chunks that wait for that worker to take them back, about. */
  waitingFor(home: number): number {
    return this.#returns === undefined ? 0 : this.#returns.waiting(home)
  }
}
