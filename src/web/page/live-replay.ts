/**
 * What became of a frame of the wire, told by the same director here in the browser: its tables are
 * those of the running one at the last moment before (`offline/seed.ts`), and the frames that came
 * since then pass first. What the running director really did is seen on the wire, and compared.
 */
import { serviceText } from '../../balance/judge.js'
import { TCP } from '../../balance/rule.js'
import type { ConnectionListing } from '../../control/listing.js'
import type { TracedFrame } from '../../control/traced-frame.js'
import { Explainer } from '../../offline/explain.js'
import type { Explanation } from '../../offline/explanation.js'
import { addressText, protocolName, readFlow } from '../../offline/flow.js'
import { liveOptions, macsOf, rulesOf } from '../../offline/live-rules.js'
import { seed } from '../../offline/seed.js'
import type { Mac } from '../../offline/surroundings.js'
import { parseMac } from '../../wire/address.js'
import type { LabStateNow, Moment, WireEvent, WireFrame } from '../moment.js'
import { bytesOfHex } from './bytes.js'
import { LIMITS, type Moment as Replayed } from './session.js'
import { tablesOf } from './tables.js'
import { traced } from './trace.js'

/** Half a minute of moments, and frames to and from the director. */
const MOMENTS_KEPT = 60
const FRAMES_KEPT = 2000
/** A frame leaves so soon after it came, in ms; the clocks are one clock. */
const LEAVES_WITHIN_MS = 1000

export interface Outcome {
  readonly replayed: Replayed
  /** What the running director says of it, if it told of this frame. */
  readonly told: TracedFrame | null
  /** What left the running director because of this frame; null: nothing was seen. */
  readonly left: WireFrame | null
  /** Frames that the running director has ended with the same verdict, in about that second. */
  readonly counted: number | null
  /** Both did the same: null if it was not seen what the running one did. */
  readonly agrees: boolean | null
  /** Not if frames are missing before it, the tables were moving, or lots were drawn. */
  readonly isExact: boolean
  /** What was not told of the tables is taken from what the running director did. */
  readonly isAssumed: boolean
}

export class LiveReplay {
  readonly #moments: Moment[] = []
  readonly #arrived: WireFrame[] = []
  readonly #left: WireFrame[] = []
  readonly #told: TracedFrame[] = []
  readonly #entrance: number
  #isLab = false
  /** Those that the director is joined to. */
  #wires: ReadonlySet<string> = new Set()

  /** `entrance`: the function with which a journey begins, for trace.ts. */
  constructor(entrance: number) {
    this.#entrance = entrance
  }

  addLab({ hosts }: LabStateNow): void {
    this.#isLab = true
    this.#wires = new Set(hosts.find(({ name }) => name === 'director')?.wires)
  }

  addMoment(moment: Moment): void {
    this.#moments.push(moment)
    if (this.#moments.length > MOMENTS_KEPT) this.#moments.shift()
  }

  addFrames({ frames, more }: WireEvent): void {
    for (const frame of [...frames, ...more]) {
      if (frame.from === 'director') this.#left.push(frame)
      else if (frame.to === 'director' || frame.to === null) this.#arrived.push(frame)
    }
    for (const list of [this.#arrived, this.#left]) {
      list.splice(0, Math.max(0, list.length - FRAMES_KEPT))
    }
  }

  /** Where there are no wires to look at, these are the frames that came. */
  addTraced(frames: readonly TracedFrame[]): void {
    this.#told.push(...frames)
    this.#told.splice(0, Math.max(0, this.#told.length - FRAMES_KEPT))
    if (this.#isLab) return
    this.#arrived.push(...frames.map(wireOf))
    this.#arrived.splice(0, Math.max(0, this.#arrived.length - FRAMES_KEPT))
  }

  /** The frame that came to the director and left it as this one; itself, if it came there. */
  arrivalOf(frame: WireFrame): WireFrame | null {
    if (frame.from !== 'director') {
      const isForAll = frame.to === null && this.#wires.has(frame.wire)
      return frame.to === 'director' || isForAll ? frame : null
    }
    return this.#arrived.findLast((each) => each.at <= frame.at && isSame(each, frame)) ?? null
  }

  /** Null for a frame that did not pass the director, or came before anything was known of it. */
  explain(frame: WireFrame): Outcome | null {
    const arrival = this.arrivalOf(frame)
    if (arrival === null) return null
    const before = this.#moments.filter(({ to }) => to <= arrival.at)
    const from = before.findLast(({ isStill }) => isStill) ?? before.at(-1)
    const mac = parseMac(macAt(arrival.hex, 0))
    if (from === undefined || mac === null) return null
    const left = this.#leftOf(arrival)
    const told = this.#toldOf(arrival)
    const judged = (replayed: Replayed) => {
      const { explanation } = replayed
      const counted = this.#counted(explanation.verdict.name, arrival.at)
      const agrees =
        told === null ? agreement(explanation, left, counted) : isSameVerdict(explanation, told)
      return { replayed, told, left, counted, agrees }
    }
    const found = judged(this.#replay(from, mac, arrival, this.#since(from, arrival)))
    const isFixed = from.table.services.every(({ settings }) => isFollowed(settings))
    const isExact = from.isStill && isFixed && this.#isWhole(from, told)
    if (found.agrees === false && !isExact) {
      const went = told?.realserver ?? (left === null ? null : realserverAt(from, left.hex))
      const assumed =
        went === null ? null : assumedFor(from, arrival.hex, found.replayed.explanation, went)
      const again = assumed === null ? null : judged(this.#replay(assumed, mac, arrival, []))
      if (again?.agrees === true) return { ...again, isExact, isAssumed: true }
    }
    return { ...found, isExact, isAssumed: false }
  }

  #replay(from: Moment, mac: Mac, arrival: WireFrame, since: readonly WireFrame[]): Replayed {
    const { table, marks, sysctls, status } = from
    const explainer = new Explainer({
      ...liveOptions(status),
      rules: rulesOf(table, marks, sysctls),
      macs: macsOf(table),
      directorMac: mac,
      limits: LIMITS,
    })
    explainer.offline.advanceTo(from.to)
    seed(explainer.offline, from)
    for (const each of since) explainer.play(bytesOf(each), each.at)
    const { result, call } = traced(this.#entrance, () =>
      explainer.explain(bytesOf(arrival), arrival.at),
    )
    return { explanation: result, call, tables: tablesOf(explainer.offline) }
  }

  /** Frames that came to the director after a moment and before this one, as far as was told. */
  #since(from: Moment, { at, hex }: WireFrame): WireFrame[] {
    const own = this.#arrived.findIndex((each) => each.at === at && each.hex === hex)
    return this.#arrived.filter(
      (each, i) =>
        this.#isHeard(each) && each.at > from.to && each.at <= at && (own < 0 || i < own),
    )
  }

  #isHeard({ to, wire }: WireFrame): boolean {
    return to !== null || this.#wires.has(wire)
  }

  /** Have all frames been told since a moment? The next moment says how many there were. */
  #isWhole(from: Moment, told: TracedFrame | null): boolean {
    if (told !== null && told.oneOf > 1) return false
    const after = this.#moments.find((moment) => moment.from > from.to && moment.isStill)
    if (after === undefined) return true
    const came = after.counters.engine.frames - from.counters.engine.frames
    const isBetween = (each: WireFrame) => each.at > from.to && each.at <= after.from
    return this.#arrived.filter((each) => this.#isHeard(each) && isBetween(each)).length >= came
  }

  #toldOf({ hex, at }: WireFrame): TracedFrame | null {
    const isIt = ({ before, time }: TracedFrame) =>
      Math.abs(time * 1000 - at) < LEAVES_WITHIN_MS &&
      (before.startsWith(hex) || hex.startsWith(before))
    return this.#told.find(isIt) ?? null
  }

  /** Frames with a verdict between the moments around a frame; null: the one after has not come. */
  #counted(verdict: string, at: number): number | null {
    const count = (moment: Moment) => moment.counters.verdicts[verdict] ?? 0
    const before = this.#moments.findLast(({ to }) => to <= at)
    const after = this.#moments.find(({ from }) => from >= at)
    return before === undefined || after === undefined ? null : count(after) - count(before)
  }

  #leftOf(arrival: WireFrame): WireFrame | null {
    const isIt = (frame: WireFrame) =>
      frame.at >= arrival.at - 1 &&
      frame.at < arrival.at + LEAVES_WITHIN_MS &&
      isSame(arrival, frame)
    return this.#left.find(isIt) ?? null
  }
}

/** The realserver that has the MAC address that a frame was sent to. */
function realserverAt({ table }: Moment, hex: string): string | null {
  const mac = macAt(hex, 0)
  const all = table.services.flatMap(({ destinations }) => destinations)
  return all.find((each) => each.mac === mac)?.address ?? null
}

/**
 * The tables as they must have been for this frame to go where it went: its connection stood, or it
 * was that realserver's turn. Null if that would not explain it.
 */
function assumedFor(
  from: Moment,
  hex: string,
  { choice, service }: Explanation,
  went: string,
): Moment | null {
  const bytes = bytesOfHex(hex)
  const flow = readFlow(new DataView(bytes.buffer), 0, bytes.length)
  if (flow === null || flow.ports === null) return null
  const address = went.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  if (choice === null) {
    const connection: ConnectionListing = {
      protocol: protocolName(flow.protocol),
      expires: 60,
      state: flow.protocol === TCP ? 'ESTABLISHED' : 'UDP',
      client: addressText(flow.family, flow.source),
      clientPort: flow.ports >>> 16,
      vip: addressText(flow.family, flow.destination),
      vport: flow.ports & 0xffff,
      destination: address,
      destinationPort: Number(/:(\d+)$/.exec(went)?.[1] ?? flow.ports & 0xffff),
      template: false,
    }
    return { ...from, connections: [...from.connections, connection] }
  }
  const { candidates, scheduler } = choice
  const i = candidates.findIndex(({ realserver }) => realserver.includes(address))
  if (scheduler !== 'rr' || i < 0) return null
  const realservers = i === 0 ? [] : [candidates[i - 1].realserver]
  const turned = { ...choice, clues: [{ name: 'last' as const, realservers }] }
  const next = from.table.services.map((listed, s) =>
    serviceText(listed.service) === service?.key ? turned : (from.next[s] ?? null),
  )
  return { ...from, next }
}

/** Lots that were drawn elsewhere are not known here. */
function isFollowed({ scheduler }: { readonly scheduler: string }): boolean {
  return scheduler !== 'twos'
}

/** A traced frame as if it had been seen on the wire of its interface. */
export function wireOf({ arm, time, before, length }: TracedFrame): WireFrame {
  return { from: '', to: 'director', wire: arm, at: time * 1000, hex: before, bytes: length }
}

function isSameVerdict({ verdict, hexAfter }: Explanation, told: TracedFrame): boolean {
  const isAfter = told.after === null || (hexAfter?.startsWith(told.after) ?? false)
  return verdict.name === told.verdict && isAfter
}

/** What left is compared byte for byte; what did not leave was counted with the same verdict. */
function agreement(
  { hexAfter, verdict }: Explanation,
  left: WireFrame | null,
  counted: number | null,
): boolean | null {
  if (left !== null) return hexAfter?.startsWith(left.hex) ?? false
  if (verdict.action === 'forward' || counted === null) return null
  return counted > 0
}

/** The same packet: the link header, and what kernel mode changes of IP, may differ. */
function isSame(a: WireFrame, b: WireFrame): boolean {
  return a.bytes === b.bytes && packetOf(a.hex) === packetOf(b.hex)
}

function packetOf(hex: string): string {
  const type = hex.slice(24, 28)
  // TTL and checksum, or the hop limit.
  if (type === '0800') return hex.slice(28, 44) + hex.slice(46, 48) + hex.slice(52)
  return type === '86dd' ? hex.slice(28, 42) + hex.slice(44) : hex.slice(28)
}

function macAt(hex: string, byte: number): string {
  return hex.slice(2 * byte, 2 * byte + 12).replace(/..(?=.)/g, '$&:')
}

/** Of a long frame only the headers are told: the rest is taken for zeros. */
function bytesOf({ hex, bytes }: WireFrame): Uint8Array {
  const whole = new Uint8Array(bytes)
  whole.set(bytesOfHex(hex))
  return whole
}
