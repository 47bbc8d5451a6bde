/**
 * Hands out aligned pieces of one buffer, one after the other.
 *
 * Tables do not ask whether their memory is an ArrayBuffer of their own, a SharedArrayBuffer or a
 * mapping that another process reads too: they take it from a Region. Whoever builds the same
 * tables in the same order over the same memory sees the same cells, and fresh memory, being all
 * zeros, is a valid empty table.
 */
const ALIGNMENT_BYTES = 64

export class Region {
  readonly buffer: ArrayBufferLike
  #next: number

  constructor(buffer: ArrayBufferLike, byteOffset = 0) {
    this.buffer = buffer
    this.#next = align(byteOffset)
  }

  /** Bytes handed out so far, with alignment. */
  get used(): number {
    return this.#next
  }

  int32(count: number): Int32Array {
    return new Int32Array(this.buffer, this.#take(count * 4), count)
  }

  float64(count: number): Float64Array {
    return new Float64Array(this.buffer, this.#take(count * 8), count)
  }

  uint8(count: number): Uint8Array {
    return new Uint8Array(this.buffer, this.#take(count), count)
  }

  #take(bytes: number): number {
    const at = this.#next
    if (at + bytes > this.buffer.byteLength) {
      throw new RangeError(
        `the region of ${this.buffer.byteLength} bytes has no room for ${bytes} more at ${at}`,
      )
    }
    this.#next = align(at + bytes)
    return at
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES
}

/** Bytes that a Region needs for pieces of these sizes, in any order. */
export function regionBytes(...pieces: number[]): number {
  return pieces.reduce((sum, bytes) => sum + align(bytes), 0)
}
