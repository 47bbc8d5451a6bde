/**
 * Which of the things that come by are taken, so that no more are than a budget allows: all of them
 * while they are few, else one of every k. k follows what came in the last tick. Distances vary
 * around k by chance, for traffic has rhythms of its own, and every fourth frame of four flows in
 * turn would be the same flow's.
 *
 * Each one taken knows how many it stands for, so the sums are exact whatever the rate did.
 */
import { Random } from '../balance/random.js'

/**
 * Which batches are taken, so that their frames are no more in a tick than a budget, on average:
 * all of them, or one of every so many.
 */
export class BatchSampler {
  isTaken = false
  /** One of how many is taken now. */
  every = 1
  readonly #frames: number
  readonly #random: Random
  #left = 1
  #seen = 0

  /** `frames`: so many a tick. */
  constructor(frames: number, seed: number) {
    this.#frames = frames
    this.#random = new Random(seed, 0xba7c)
  }

  tick(ticks: number): void {
    this.every = Math.max(1, Math.ceil(this.#seen / ticks / this.#frames))
    this.#seen = 0
    if (this.every === 1) this.#left = 1
  }

  /** A batch of so many frames comes by: is it taken? */
  takes(frames: number): boolean {
    this.#seen += frames
    this.isTaken = --this.#left <= 0
    if (this.isTaken) this.#left = distance(this.every, this.#random)
    return this.isTaken
  }
}

/** To the next one: `every` on average. */
function distance(every: number, random: Random): number {
  return every === 1 ? 1 : 1 + random.below(2 * every - 1)
}

export class Sampler {
  /** How many the one that was taken last stands for, itself among them. */
  weight = 0
  /** One of how many is taken now. */
  every = 1
  readonly #quota: number
  readonly #burst: number
  readonly #random: Random
  #credit: number
  #left = 1
  #seen = 0
  #passed = 0

  /** `quota` a tick on average, `burst` at once. */
  constructor(quota: number, burst: number, seed: number) {
    this.#quota = quota
    this.#burst = Math.max(1, burst)
    this.#credit = this.#burst
    this.#random = new Random(seed, 0x7ace)
  }

  /** So many ticks have passed. */
  tick(ticks: number): void {
    const perTick = this.#seen / ticks
    this.#seen = 0
    this.#credit = Math.min(this.#burst, this.#credit + this.#quota * ticks)
    this.every = this.#credit >= perTick ? 1 : Math.ceil(perTick / this.#quota)
    if (this.every === 1) this.#left = 1
  }

  /** Of those from `i` up to `count` the next that is taken, or `count` for none. */
  next(i: number, count: number): number {
    for (let from = i; ; ) {
      const left = this.#left
      if (left > count - from) {
        this.#pass(count - from)
        this.#left = left - (count - from)
        return count
      }
      this.#pass(left)
      this.#left = distance(this.every, this.#random)
      from += left
      if (this.#mayTake()) return from - 1
    }
  }

  /** One comes by that stands for `weight` already: is it taken? */
  takes(weight: number): boolean {
    this.#seen++
    this.#passed += weight
    if (--this.#left > 0) return false
    this.#left = distance(this.every, this.#random)
    return this.#mayTake()
  }

  #pass(count: number): void {
    this.#seen += count
    this.#passed += count
  }

  #mayTake(): boolean {
    if (this.#credit < 1) return false
    this.#credit--
    this.weight = this.#passed
    this.#passed = 0
    return true
  }
}
