/** The descriptors on which a port sleeps: its sockets, and one by which others end its sleep. */
import { drain } from '../native/eventfd.js'
import { poll } from '../native/libc.js'
import { POLLERR, POLLIN, pollfd, takeError } from '../native/socket.js'

const WORDS = pollfd.size >> 2
const HALVES = pollfd.size >> 1

export class PollSet {
  readonly #words: Int32Array
  readonly #halves: Int16Array
  readonly #count: number
  readonly #wakeFd: number | undefined

  constructor(sockets: readonly number[], wakeFd?: number) {
    const all = wakeFd === undefined ? sockets : [...sockets, wakeFd]
    this.#count = all.length
    this.#wakeFd = wakeFd
    this.#words = new Int32Array(all.length * WORDS)
    this.#halves = new Int16Array(this.#words.buffer)
    for (const [i, fd] of all.entries()) {
      this.#words[i * WORDS + (pollfd.fd >> 2)] = fd
      this.#halves[i * HALVES + (pollfd.events >> 1)] = POLLIN
    }
  }

  /** Sleeps until there is something to read, or `ms` have passed; whether there is. */
  wait(ms: number): boolean {
    if (poll(this.#words, this.#count, Math.ceil(ms)) <= 0) return false
    for (let i = 0; i < this.#count; i++) {
      const events = this.#halves[i * HALVES + (pollfd.revents >> 1)]
      const fd = this.#words[i * WORDS + (pollfd.fd >> 2)]
      if (fd === this.#wakeFd) {
        if ((events & POLLIN) !== 0) drain(fd)
      } else if ((events & POLLERR) !== 0) {
        // The interface went down. The error is taken, or poll would report it for ever; frames
        // come again by themselves when it is up.
        takeError(fd)
      }
    }
    return true
  }
}
