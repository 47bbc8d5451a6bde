/**
 * Frames on their way through the figure: which ones fly now, and how far they are. Time is told by
 * whoever draws, so that it can be slowed down, stopped, and advanced by one frame. Pure.
 */
import type { WireFrame } from '../moment.js'

/** How long a frame flies at full speed, and the pause between two departures, in ms. */
const FLIGHT_MS = 900
const PAUSE_MS = 70
/** How much slower slow motion is. */
const SLOW = 6
/** Frames that wait for their departure; of more only the newest are kept, as time goes on. */
const WAITING_MAX = 120
const FLYING_MAX = 24

export interface Flight {
  readonly id: number
  readonly frame: WireFrame
  /** 0: with its sender, 1: arrived. */
  part: number
}

export type Speed = 'full' | 'slow' | 'stopped'

export class Flights {
  speed: Speed = 'full'
  readonly flying: Flight[] = []
  readonly #waiting: WireFrame[] = []
  #nextId = 1
  #untilNextMs = 0
  /** Departures that are allowed though time stands still. */
  #steps = 0

  get waiting(): number {
    return this.#waiting.length
  }

  add(frames: readonly WireFrame[]): void {
    // While time stands still one wants to see what comes next, not what comes last.
    const room = this.speed === 'stopped' ? WAITING_MAX - this.#waiting.length : frames.length
    this.#waiting.push(...frames.slice(0, Math.max(0, room)))
    if (this.#waiting.length > WAITING_MAX) {
      this.#waiting.splice(0, this.#waiting.length - WAITING_MAX)
    }
  }

  /** Lets one frame fly while time stands still. */
  step(): void {
    this.speed = 'stopped'
    if (this.#steps < this.#waiting.length) this.#steps++
  }

  /** Lets time pass; the frames that have departed meanwhile. */
  advance(ms: number): WireFrame[] {
    const passed = this.speed === 'slow' ? ms / SLOW : ms
    // A single step flies to its end, at a speed that the eye can follow.
    const share = (this.speed === 'stopped' ? ms / 2 : passed) / FLIGHT_MS
    for (const flight of this.flying) flight.part += share
    while (this.flying.length > 0 && this.flying[0].part >= 1) this.flying.shift()
    const departed: WireFrame[] = []
    if (this.speed === 'stopped') {
      for (; this.#steps > 0 && this.#waiting.length > 0; this.#steps--)
        departed.push(this.#depart())
      return departed
    }
    this.#untilNextMs -= passed
    while (this.#untilNextMs <= 0 && this.#waiting.length > 0 && this.flying.length < FLYING_MAX) {
      departed.push(this.#depart())
      this.#untilNextMs += PAUSE_MS
    }
    if (this.#waiting.length === 0) this.#untilNextMs = Math.max(0, this.#untilNextMs)
    return departed
  }

  #depart(): WireFrame {
    const frame = this.#waiting.shift() as WireFrame
    this.flying.push({ id: this.#nextId++, frame, part: 0 })
    return frame
  }
}
