/**
 * A descriptor by which one thread ends the `poll()` of another: `linux/eventfd.h`, eventfd(2).
 *
 * The main thread makes a `Wakeup` and tells the worker its descriptor; the worker polls that
 * descriptor beside its sockets. Wake-ups that come before the sleeper looks are one wake-up.
 */
import { check, close, eventfd, read, write } from './libc.js'

export const EFD_CLOEXEC = 0o2000000
export const EFD_NONBLOCK = 0o4000

const EVENT_BYTES = 8

export class Wakeup {
  readonly fd: number
  #isOpen = true

  constructor() {
    this.fd = check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd', 'wake-up')
  }

  /** Ends the sleep of whoever polls `fd`, or its next one. */
  wake(): void {
    wake(this.fd)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    close(this.fd)
  }
}

const one = new BigUint64Array([1n])

/** Ends the sleep of whoever polls `fd`, from a thread that was told its number. */
export function wake(fd: number): void {
  // The only failure is a counter at its end, which means that a wake-up is waiting anyway.
  write(fd, one, EVENT_BYTES)
}

const drained = new BigUint64Array(1)

/** Takes all wake-ups that wait in `fd`, in the thread that polls it. */
export function drain(fd: number): void {
  read(fd, drained, EVENT_BYTES)
}
