/**
 * A window onto a stream of bytes, for readers of files that nobody vouches for.
 *
 *        consumed        available          not read yet
 *   ....................|==========|................................
 *                       ^ offset   ^ offset + available
 *
 * A reader asks for `fill(n)` with an `n` that it has checked, looks at `bytes`/`view` from `begin`
 * on, and calls `consume(n)`, or `skip(n)` for bytes that it does not want to see: those may be
 * more than the memory of the machine, and are dropped as they come. Memory grows only to the
 * largest `n` asked for, and never past `LARGEST_FILL`. Bytes that come one by one cost no more
 * than bytes that come in large pieces: they are gathered in place, not concatenated.
 */

/** The largest part of a file that a reader may ask to see at once, in bytes. */
export const LARGEST_FILL = 1 << 20

const SMALLEST_BUFFER = 4096
/** Once much is read, larger pieces save calls. */
const USUAL_BUFFER = 1 << 18

export class ByteWindow {
  bytes = new Uint8Array(0)
  view = new DataView(this.bytes.buffer)
  /** Where the next byte stands in `bytes`. */
  begin = 0
  /** Where the next byte stood in the stream. */
  offset = 0
  readonly #source: AsyncIterator<Uint8Array>
  #end = 0
  #pending: Uint8Array = new Uint8Array(0)
  #ended = false
  /** Bytes to be dropped that have not come yet. */
  #debt = 0

  constructor(source: AsyncIterator<Uint8Array>) {
    this.#source = source
  }

  get available(): number {
    return this.#end - this.begin
  }

  /** Whether nothing is left, not even bytes that were to be skipped and never came. */
  get isExhausted(): boolean {
    return this.#ended && this.available === 0 && this.#debt === 0
  }

  consume(count: number): void {
    if (count > this.available) throw new RangeError('more bytes consumed than available')
    this.begin += count
    this.offset += count
  }

  skip(count: number): void {
    const now = Math.min(count, this.available)
    this.consume(now)
    this.#debt += count - now
  }

  /** Makes at least `count` bytes available; false if the stream ends before. */
  async fill(count: number): Promise<boolean> {
    if (count > LARGEST_FILL) throw new RangeError(`${count} bytes are too many to look at at once`)
    while (this.available < count || this.#debt > 0) {
      if (this.#pending.length === 0 && !(await this.#read())) return false
      if (this.#debt > 0) this.#pay()
      else this.#gather(count)
    }
    return true
  }

  async #read(): Promise<boolean> {
    if (this.#ended) return false
    const next = await this.#source.next()
    if (next.done === true) this.#ended = true
    else this.#pending = next.value
    return !this.#ended
  }

  #pay(): void {
    const paid = Math.min(this.#debt, this.#pending.length)
    this.#pending = this.#pending.subarray(paid)
    this.#debt -= paid
    this.offset += paid
  }

  #gather(count: number): void {
    if (this.bytes.length - this.begin < count || this.#end === this.bytes.length) {
      this.#makeRoom(count)
    }
    const taken = Math.min(this.#pending.length, this.bytes.length - this.#end)
    this.bytes.set(this.#pending.subarray(0, taken), this.#end)
    this.#end += taken
    this.#pending = this.#pending.subarray(taken)
  }

  /** Moves what is available to the front of a buffer that holds `count` bytes. */
  #makeRoom(count: number): void {
    const held = this.bytes.subarray(this.begin, this.#end)
    if (this.bytes.length < count || this.bytes.length < USUAL_BUFFER) {
      const wanted = Math.max(count, this.bytes.length * 4, SMALLEST_BUFFER)
      const grown = new Uint8Array(Math.min(wanted, Math.max(count, USUAL_BUFFER)))
      grown.set(held)
      this.bytes = grown
      this.view = new DataView(grown.buffer)
    } else {
      this.bytes.copyWithin(0, this.begin, this.#end)
    }
    this.#end = held.length
    this.begin = 0
  }

  /** Lets go of the source: a file is closed. */
  async close(): Promise<void> {
    this.#ended = true
    await this.#source.return?.()
  }
}
