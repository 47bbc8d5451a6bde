/**
 * A row of messages for one sendmmsg(2): the structures that the kernel wants, written once at
 * start, so that a frame costs three stores and a batch one call.
 *
 *   mmsghdr[i] --> iovec[i * parts], iovec[i * parts + 1] --> the frame's memory
 *
 * They lie in an ArrayBuffer, whose memory V8 does not move. A 64-bit address is written as two
 * 32-bit words: a BigUint64Array would cost more than everything else here.
 */
import { addressOf, errno, errnoOf, sendmmsg } from '../native/libc.js'
import { iovec, MSG_DONTWAIT, mmsghdr, msghdr, UIO_MAXIOV } from '../native/socket.js'

const EINTR = errnoOf('EINTR')
/** Errors that will meet the rest of the row just as well: no room to send, or no interface. */
const HOPELESS = [errnoOf('EAGAIN'), errnoOf('ENETDOWN'), errnoOf('ENXIO'), errnoOf('ENODEV')]

const TWO_TO_32 = 2 ** 32

export class SendVector {
  /** Messages prepared by `push`. */
  count = 0
  readonly capacity: number
  readonly #parts: number
  readonly #messages: Uint8Array
  /** The iovecs, as words. Their memory must live as long as the messages point to it. */
  readonly #words: Uint32Array

  /** Room for `capacity` messages of `parts` pieces of memory each. */
  constructor(capacity: number, parts: 1 | 2) {
    this.capacity = capacity
    this.#parts = parts
    this.#messages = new Uint8Array(capacity * mmsghdr.size)
    this.#words = new Uint32Array((capacity * parts * iovec.size) / 4)
    const vectorsAddress = addressOf(this.#words.buffer)
    const messages = new BigUint64Array(this.#messages.buffer)
    for (let i = 0; i < capacity; i++) {
      const message = i * mmsghdr.size
      const vectors = vectorsAddress + i * parts * iovec.size
      messages[(message + msghdr.msg_iov) >> 3] = BigInt(vectors)
      messages[(message + msghdr.msg_iovlen) >> 3] = BigInt(parts)
    }
  }

  /** Appends a message of one piece: `bytes` bytes at `address`. */
  push(address: number, bytes: number): void {
    this.set(this.count++, 0, address, bytes)
  }

  /** Says what piece `part` of message `i` is. */
  set(i: number, part: number, address: number, bytes: number): void {
    const word = ((i * this.#parts + part) * iovec.size) >> 2
    const low = address >>> 0
    this.#words[word] = low
    this.#words[word + 1] = (address - low) / TWO_TO_32
    this.#words[word + 2] = bytes
  }

  /**
   * Sends the messages from `first` up to `end`, without waiting, and returns how many the kernel
   * refused. It stops at the first that it refuses and says why only when asked for that one
   * alone; then we go on behind it.
   */
  send(fd: number, first: number, end: number): number {
    let at = first
    let refused = 0
    while (at < end) {
      const row = Math.min(end - at, UIO_MAXIOV)
      // A batch begins at 0: the smaller view is made behind a refused frame, and for an outbox.
      const messages = at === 0 ? this.#messages : this.#messages.subarray(at * mmsghdr.size)
      const sent = sendmmsg(fd, messages, row, MSG_DONTWAIT)
      if (sent > 0) {
        at += sent
        continue
      }
      const error = errno()
      if (error === EINTR) continue
      if (HOPELESS.includes(error)) return refused + end - at
      refused++
      at++
    }
    return refused
  }
}
