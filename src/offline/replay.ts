/**
 * A whole capture through a director, with the capture's clock, as fast as it goes. One frame a
 * breath, so that what becomes of a frame depends on nothing but the frames before it: `uipvs
 * explain --frame N` says the same of frame N.
 */

import { STAT_CONNECTIONS, STAT_IN_BYTES, STAT_IN_PACKETS } from '../balance/destination.js'
import { serviceText } from '../balance/judge.js'
import { realserverText } from '../control/choice.js'
import { type Action, ENDINGS, FORWARDED } from '../engine/verdict.js'
import type { CapturedFrame, CaptureProblem } from '../port/captured-frame.js'
import { ReplayPort, readCapture, type SettledFrame } from '../port/replay.js'
import { servedBy } from './connection-of.js'
import { lookForDirector } from './director-mac.js'
import { frameText, readFlow } from './flow.js'
import { OfflineDirector, type OfflineOptions } from './offline-director.js'
import {
  DEFAULT_DIRECTOR_MAC,
  DEFAULT_MTU,
  type Mac,
  macText,
  offlineArm,
  vipKeysOf,
} from './surroundings.js'

export interface ReplayOptions extends OfflineOptions {
  /** Default: where the capture's first frame for a VIP was sent. */
  readonly directorMac?: Mac
  readonly mtu?: number
}

/** What became of one frame. */
export interface ReplayedFrame {
  /** From 1, as tcpdump and Wireshark count. */
  readonly number: number
  readonly captured: CapturedFrame
  /** Seconds since the first frame. */
  readonly seconds: number
  readonly verdict: number
  /** Its bytes as they left; valid during the call only. */
  readonly after: Uint8Array
}

/** Hears what happens, frame by frame. */
export interface ReplayWatcher {
  frame?(frame: ReplayedFrame, offline: OfflineDirector): void
  /** A frame of the director's own leaves; `bytes` are valid during the call only. */
  own?(bytes: Uint8Array, timestampMs: number): void
  /** Asked after each frame: a promise to wait for, where what was told is not yet written. */
  behind?(): Promise<void> | undefined
}

export interface RealserverSummary {
  readonly realserver: string
  readonly weight: number
  readonly connections: number
  readonly packets: number
  readonly bytes: number
  /** Connections at the end of the capture. */
  readonly active: number
  readonly inactive: number
}

export interface ReplaySummary {
  readonly frames: number
  /** Between the first frame and the last, as the capture has it. */
  readonly seconds: number
  readonly mode: string
  readonly directorMac: string
  /** Frames of the director's own: resets, ICMP, ARP and neighbour discovery answers. */
  readonly ownFrames: number
  /** Frames of which the capture holds only the beginning. */
  readonly cutFrames: number
  /** Those that occurred, in the order of the journey. */
  readonly verdicts: readonly {
    readonly name: string
    readonly action: Action
    readonly frames: number
  }[]
  readonly services: readonly {
    readonly service: string
    readonly scheduler: string
    readonly realservers: readonly RealserverSummary[]
  }[]
  /** Why reading ended before the end of the capture. */
  readonly problem: CaptureProblem | null
}

/** @throws RefusedRule. What is wrong with the capture is told in the summary. */
export async function replay(
  capture: AsyncIterable<Uint8Array>,
  options: ReplayOptions,
  watcher: ReplayWatcher = {},
): Promise<ReplaySummary> {
  const looked =
    options.directorMac === undefined
      ? await lookForDirector(capture, vipKeysOf(options.rules))
      : { mac: options.directorMac, source: capture }
  const mac = looked.mac ?? DEFAULT_DIRECTOR_MAC
  let frames = 0
  let ownFrames = 0
  let firstMs = Number.NaN
  let seconds = 0
  const onSettled = ({ frame, verdict, after }: SettledFrame) => {
    if (frames === 0) firstMs = frame.timestampMs
    frames++
    seconds = (frame.timestampMs - firstMs) / 1000
    watcher.frame?.({ number: frame.index + 1, captured: frame, seconds, verdict, after }, offline)
  }
  const onOwn = (bytes: Uint8Array, _egress: number, clockMs: number) => {
    ownFrames++
    watcher.own?.(bytes, clockMs)
  }
  const arms = [offlineArm(mac, options.mtu ?? DEFAULT_MTU)]
  const port = new ReplayPort(readCapture(looked.source), { arms, onSettled, onOwn, batch: 1 })
  const offline = new OfflineDirector(port, options)
  while (await port.fill()) {
    offline.advanceTo(port.clockMs)
    offline.breathe()
    const behind = watcher.behind?.()
    if (behind !== undefined) await behind
  }
  return {
    frames,
    seconds,
    mode: options.mode,
    directorMac: macText(mac),
    ownFrames,
    cutFrames: port.cutFrames,
    verdicts: verdictsOf(offline.loop.counts),
    services: servicesOf(offline),
    problem: port.problem,
  }
}

/** The frame in a line, and the realserver it was forwarded to. */
export function tellFrame(
  { captured, verdict, after }: ReplayedFrame,
  { book, director }: OfflineDirector,
): { frame: string; realserver: string | null } {
  const view = viewOf(captured.bytes)
  const frame = frameText(view, 0, captured.bytes.length)
  if (verdict !== FORWARDED) return { frame, realserver: null }
  const left = viewOf(after)
  const destination = servedBy(director, left, readFlow(left, 0, after.length))
  return { frame, realserver: destination < 0 ? null : realserverText(book, destination) }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

function verdictsOf(counts: Float64Array): ReplaySummary['verdicts'] {
  return ENDINGS.flatMap(({ name, action }, i) =>
    counts[i] === 0 ? [] : [{ name, action, frames: counts[i] }],
  )
}

function servicesOf({ book }: OfflineDirector): ReplaySummary['services'] {
  const { services, destinations } = book.balancer
  return [...book.services()].flatMap((slot) => {
    const key = book.serviceKeys[slot]
    const settings = book.serviceSettings[slot]
    if (key === undefined || settings === undefined) return []
    const realservers: RealserverSummary[] = []
    for (let d = services.head(slot); d >= 0; d = destinations.next(d)) {
      realservers.push({
        realserver: realserverText(book, d),
        weight: destinations.weight(d),
        connections: destinations.statistic(d, STAT_CONNECTIONS),
        packets: destinations.statistic(d, STAT_IN_PACKETS),
        bytes: destinations.statistic(d, STAT_IN_BYTES),
        active: destinations.active(d),
        inactive: destinations.inactive(d),
      })
    }
    return [{ service: serviceText(key), scheduler: settings.scheduler, realservers }]
  })
}
