/** CLOCK_REALTIME in whole nanoseconds, which Date does not give: clock_gettime(2). */
import { clock_gettime } from '../native/libc.js'

const CLOCK_REALTIME = 0

export class WallClock {
  /** The low 32 bits of the seconds, and what is above them, as `read` found them. */
  seconds = 0
  nanoseconds = 0
  /** `struct timespec`: two 64-bit words, of which the low halves tell enough. */
  readonly #time = new Uint32Array(4)

  read(): void {
    clock_gettime(CLOCK_REALTIME, this.#time)
    this.seconds = this.#time[0]
    this.nanoseconds = this.#time[2]
  }
}
