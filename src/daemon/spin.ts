/**
 * How long a worker looks in vain for frames before it sleeps: what it has learned from its sleeps.
 *
 *      frames come every ...    it looks for        so a frame finds it
 *      few µs                   few µs              awake
 *      60 µs, or less           60 µs, or less      awake: sleeping and waking would cost as much
 *      longer, or not at all    4 µs                asleep: a processor is not kept busy for that
 *
 * By the clock, since an empty breath takes 80 ns with one packet socket and several times as much
 * with a socket for each queue of several arms.
 */

/** About what going to sleep and waking cost. */
export const SPIN_MS_MIN = 0.004
/** With frames that come this far apart, a worker keeps a processor busy; with none, never. */
export const SPIN_MS_MAX = 0.064

export class Spin {
  ms = SPIN_MS_MIN

  /** It looked in vain for `ms`, then slept so long: until it was woken, or the time was up. */
  slept(sleptMs: number): void {
    if (this.ms + sleptMs <= SPIN_MS_MAX) this.ms = Math.min(SPIN_MS_MAX, this.ms * 2)
    else this.ms = Math.max(SPIN_MS_MIN, this.ms / 2)
  }
}
