/**
 * Receives what `stamped-sender.ts` sends: how many came, which are lost, came twice or out of
 * order, and, where sender and receiver have one clock, how long each was under way.
 *
 * The first frame that comes decides whose run it is. It ends when the sender has said so and
 * nothing came for a while.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { build, type Histogram } from 'hdr-histogram-js'
import { ArrivalRing } from './arrival-ring.js'
import * as stamp from './stamp.js'
import { FRAME_BYTES_MIN, HEADERS_BYTES } from './stamped-sender.js'
import { Tally } from './tally.js'

const RING_BYTES = 64 << 20
/** Long, so that receiving takes a processor away from the measured ones only now and then. */
const LOOK_MS = 20
/** The end has been said, and whatever was under way has come. */
const QUIET_MS = 300
const IPV4_UDP = { version: 0x45, protocol: 17 } as const
/** One minute: what takes longer counts as that. */
const NANOSECONDS_MAX = 60e9

export interface Received {
  /** As the sender said at its end; null if its word did not come. */
  readonly sent: number | null
  readonly received: number
  readonly lost: number | null
  readonly reordered: number
  readonly duplicates: number
  readonly stale: number
  readonly flows: number
  /** Frames for which the receiver's own ring had no room: lost here, not on the way. */
  readonly ringDrops: number
  /** From the first frame to the last, by the clock of the receiving kernel. */
  readonly ms: number
  readonly framesPerSecond: number
  /** Times under way; null where sender and receiver have different clocks. */
  readonly latency: Histogram | null
  /** Frames that came before they left: a clock was set meanwhile. */
  readonly beforeSent: number
}

export class StampedReceiver {
  readonly #ring: ArrivalRing
  readonly #tally = new Tally()
  readonly #histogram = emptyHistogram()
  #run: number | null = null
  #end: stamp.RunEnd | null = null
  #drops = 0
  #beforeSent = 0
  #first = 0
  #last = 0
  #lookedAt = performance.now()

  constructor(interfaceName: string) {
    this.#ring = new ArrivalRing(interfaceName, RING_BYTES)
  }

  /** Receives one run, or what came of it until `isOver` says so. */
  async receive(isOver: (hasBegun: boolean) => boolean): Promise<Received> {
    for (;;) {
      const came = this.#ring.read(this.#take)
      const now = performance.now()
      if (came > 0) this.#lookedAt = now
      const isEnded = this.#end !== null && now - this.#lookedAt > QUIET_MS
      if (isEnded || isOver(this.#run !== null)) break
      await sleep(LOOK_MS)
    }
    this.#drops += this.#ring.takeDrops()
    return this.#result()
  }

  close(): void {
    this.#ring.close()
  }

  readonly #take = (
    view: DataView,
    at: number,
    bytes: number,
    seconds: number,
    nanoseconds: number,
  ): void => {
    if (bytes < FRAME_BYTES_MIN || view.getUint8(at + 14) !== IPV4_UDP.version) return
    if (view.getUint8(at + 23) !== IPV4_UDP.protocol) return
    const payload = at + HEADERS_BYTES
    const kind = stamp.kind(view, payload)
    if (kind !== stamp.KIND_FRAME && kind !== stamp.KIND_END) return
    const run = stamp.run(view, payload)
    this.#run ??= run
    if (run !== this.#run) return
    if (kind === stamp.KIND_END) {
      this.#end = stamp.readEnd(view, payload)
      return
    }
    this.#tally.count(stamp.flow(view, payload), stamp.sequence(view, payload))
    const took =
      (seconds - stamp.seconds(view, payload)) * 1e9 +
      (nanoseconds - stamp.nanoseconds(view, payload))
    if (took < 0) this.#beforeSent++
    else this.#histogram.recordValue(Math.min(took, NANOSECONDS_MAX))
    this.#last = seconds * 1e3 + nanoseconds / 1e6
    if (this.#first === 0) this.#first = this.#last
  }

  #result(): Received {
    const { received, reordered, duplicates, stale, flows } = this.#tally
    const sent = this.#end?.sent ?? null
    const ms = this.#last - this.#first
    const isOneClock = this.#end?.clock === stamp.clockOfThisMachine()
    return {
      sent,
      received,
      lost: sent === null ? null : sent - received,
      reordered,
      duplicates,
      stale,
      flows,
      ringDrops: this.#drops,
      ms,
      framesPerSecond: ms > 0 ? ((received - 1) * 1000) / ms : 0,
      latency: isOneClock ? this.#histogram : null,
      beforeSent: isOneClock ? this.#beforeSent : 0,
    }
  }
}

/** Three digits of every time, in ns. */
export function emptyHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: NANOSECONDS_MAX,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 64,
  })
}
