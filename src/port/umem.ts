/**
 * The memory that frames lie in, from their arrival until they have left, and the chunks of it that
 * belong to nobody at the moment: a stack, so that what was used last, and is in the processor's
 * cache, is used next.
 */
import { mtuOfChunk } from '../native/if-xdp.js'
import { madvise } from '../native/libc.js'
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  type Mapping,
  map,
  unmap,
} from '../native/mapping.js'

/** The kernel takes chunks of 2048 bytes, or of a page. */
const CHUNK_BYTES = [2048, 4096] as const
const UMEM_BYTES_MAX = 2 ** 31

/** The chunk for frames of an interface with this MTU; undefined if there is none. */
export function chunkBytesFor(mtu: number): number | undefined {
  return CHUNK_BYTES.find((bytes) => mtu <= mtuOfChunk(bytes))
}

export class Umem {
  readonly chunkBytes: number
  readonly bytes: number
  readonly buffer: ArrayBuffer
  readonly address: number
  /** Addresses of free chunks: the first `freeCount` entries. */
  readonly #free: Int32Array
  readonly #mapping: Mapping
  freeCount = 0

  constructor(chunks: number, chunkBytes: number) {
    this.chunkBytes = chunkBytes
    this.bytes = chunks * chunkBytes
    // Addresses are int32 numbers everywhere here, and the upper half of a ring's is never written.
    if (this.bytes > UMEM_BYTES_MAX) {
      throw new RangeError(`${chunks} frames of ${chunkBytes} bytes exceed 2 GiB; use fewer queues`)
    }
    this.#mapping = map(-1, this.bytes, MAP_PRIVATE | MAP_ANONYMOUS, 'umem')
    this.buffer = this.#mapping.buffer
    this.address = this.#mapping.address
    madvise(this.address, this.bytes, MADV_HUGEPAGE) // a wish
    this.#free = new Int32Array(chunks)
    this.reset()
  }

  /** All chunks are free: nobody has any. */
  reset(): void {
    for (let i = 0; i < this.#free.length; i++) this.#free[i] = i * this.chunkBytes
    this.freeCount = this.#free.length
  }

  /** A chunk is nobody's any more. Any address within it will do: the kernel rounds it down. */
  give(address: number): void {
    this.#free[this.freeCount++] = address
  }

  /** A free chunk. There must be one. */
  take(): number {
    return this.#free[--this.freeCount]
  }

  close(): void {
    unmap(this.#mapping)
  }
}
