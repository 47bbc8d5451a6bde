/**
 * A capture and its rules, and what the director makes of each frame. All frames pass once when the
 * capture is opened, which gives the list; to explain one, a director is brought to the moment
 * before it, from the beginning if need be: a director can't step back, but it can start again, and
 * the same frames lead to the same tables.
 */

import type { Limits } from '../../balance/limits.js'
import { FileNames } from '../../cli/ipvsadm/names.js'
import { BadRuleLine, type RuleLine, readRuleLines } from '../../cli/ipvsadm/rule-lines.js'
import { realserverText } from '../../control/choice.js'
import type { Mode } from '../../engine/director-state.js'
import { FORWARDED, type Verdict } from '../../engine/verdict.js'
import { servedBy } from '../../offline/connection-of.js'
import { Explainer } from '../../offline/explain.js'
import type { Explanation } from '../../offline/explanation.js'
import { readFlow } from '../../offline/flow.js'
import { macForVip } from '../../offline/mac-for-vip.js'
import { RefusedRule } from '../../offline/offline-director.js'
import { DEFAULT_DIRECTOR_MAC, type Mac, vipKeysOf } from '../../offline/surroundings.js'
import { Capture } from '../../port/capture.js'
import { type CapturedFrame, LINK_ETHERNET } from '../../port/captured-frame.js'
import { PlainPcapReader } from './plain-pcap.js'
import { type Tables, tablesOf } from './tables.js'
import { type Call, traced } from './trace.js'

/** As much as a browser can well keep; the rest of a larger capture is left out, and it is said. */
export const FRAMES_MAX = 200_000
/** Frames between two breaths of the browser while a capture is opened. */
const CHUNK = 4000
/** Explanations that are kept, so that stepping back and forth is quick. */
const KEPT = 64

/** A page needs no room for a million connections; its tables work the same. */
export const LIMITS: Limits = {
  services: 4096,
  destinations: 16_384,
  connections4: 131_072,
  connections6: 32_768,
  templates: 32_768,
}

/** One frame of the list. */
export interface FrameRow {
  readonly captured: CapturedFrame
  /** Seconds since the first frame. */
  readonly seconds: number
  readonly verdict: Verdict
  /** Where it was forwarded to. */
  readonly realserver: string | null
}

/** Everything about one frame. */
export interface Moment {
  readonly explanation: Explanation
  /** What `forward()` did; null where nobody wrote it down (trace.ts). */
  readonly call: Call | null
  readonly tables: Tables
}

/** Why a capture or rules cannot be opened: for whom opened them. */
export class Unopenable extends Error {
  override readonly name = 'Unopenable'
}

export interface Sources {
  readonly capture: Uint8Array
  readonly rules: string
  readonly mode: Mode
  /** The function with which a journey begins, for trace.ts. */
  readonly entrance?: number
}

export class Session {
  readonly rows: readonly FrameRow[]
  readonly rules: readonly RuleLine[]
  /** What is wrong with the capture, behind the last row. */
  readonly problem: string | null
  readonly isCutShort: boolean
  readonly directorMac: Mac
  readonly #mode: Mode
  readonly #entrance: number
  readonly #kept = new Map<number, Moment>()
  #explainer: Explainer
  /** Frames that `#explainer` has seen. */
  #position = 0

  private constructor(
    rows: readonly FrameRow[],
    rules: readonly RuleLine[],
    { mode, entrance = -1 }: Sources,
    directorMac: Mac,
    { problem, isCutShort }: Read,
  ) {
    this.rows = rows
    this.rules = rules
    this.problem = problem
    this.isCutShort = isCutShort
    this.directorMac = directorMac
    this.#mode = mode
    this.#entrance = entrance
    this.#explainer = makeExplainer(rules, mode, directorMac)
  }

  /**
   * Opens a capture. `breathe` is awaited now and then, with how many frames have passed.
   * @throws Unopenable
   */
  static async open(
    sources: Sources,
    breathe: (frames: number) => Promise<void> = async () => {},
  ): Promise<Session> {
    const { mode } = sources
    const rules = readRules(sources.rules)
    const read = await readFrames(sources.capture)
    const { frames } = read
    const vips = vipKeysOf(rules.map(({ rule }) => rule))
    let mac: Mac | null = null
    for (const { bytes } of frames) {
      mac = macForVip(bytes, vips)
      if (mac !== null) break
    }
    const directorMac = mac ?? DEFAULT_DIRECTOR_MAC
    const explainer = makeExplainer(rules, mode, directorMac)
    const rows: FrameRow[] = []
    const firstMs = frames[0]?.timestampMs ?? 0
    for (const captured of frames) {
      const seconds = (captured.timestampMs - firstMs) / 1000
      rows.push({ captured, seconds, ...playOne(explainer, captured) })
      if (rows.length % CHUNK === 0) await breathe(rows.length)
    }
    return new Session(rows, rules, sources, directorMac, read)
  }

  /** What happened to the frame `index`, from 0, and how the tables stand after it. */
  at(index: number): Moment {
    const kept = this.#kept.get(index)
    if (kept !== undefined) return kept
    if (this.#position > index) {
      this.#explainer = makeExplainer(this.rules, this.#mode, this.directorMac)
      this.#position = 0
    }
    const explainer = this.#explainer
    while (this.#position < index) {
      const { bytes, timestampMs } = this.rows[this.#position++].captured
      explainer.play(bytes, timestampMs)
    }
    const { bytes, timestampMs } = this.rows[index].captured
    this.#position++
    const { result, call } = traced(this.#entrance, () => explainer.explain(bytes, timestampMs))
    const moment = { explanation: result, call, tables: tablesOf(explainer.offline) }
    if (this.#kept.size === KEPT) this.#kept.delete(this.#kept.keys().next().value ?? 0)
    this.#kept.set(index, moment)
    return moment
  }
}

function readRules(text: string): RuleLine[] {
  const names = new FileNames(
    () => '',
    () => '',
    null,
  )
  try {
    return readRuleLines(text, names)
  } catch (error) {
    if (!(error instanceof BadRuleLine)) throw error
    throw new Unopenable(`${error.message} (rules, line ${error.line}); ${error.advice}`)
  }
}

function makeExplainer(rules: readonly RuleLine[], mode: Mode, directorMac: Mac): Explainer {
  try {
    const list = rules.map(({ rule }) => rule)
    return new Explainer({ rules: list, mode, directorMac, limits: LIMITS })
  } catch (error) {
    if (!(error instanceof RefusedRule)) throw error
    throw new Unopenable(`${error.message} (rules, line ${rules[error.index]?.line ?? '?'})`)
  }
}

interface Read {
  readonly frames: CapturedFrame[]
  readonly problem: string | null
  readonly isCutShort: boolean
}

async function readFrames(bytes: Uint8Array): Promise<Read> {
  const capture = new Capture(once(bytes), () => new PlainPcapReader())
  const frames: CapturedFrame[] = []
  let isCutShort = false
  for await (const frame of capture) {
    if (frame.linkType !== LINK_ETHERNET) {
      const what = `only Ethernet (link type 1) can be read: record ${frame.index}`
      throw new Unopenable(`${what} has link type ${frame.linkType}`)
    }
    isCutShort = frames.length === FRAMES_MAX
    if (isCutShort) break
    frames.push(frame)
  }
  const problem = capture.problem?.message ?? null
  if (frames.length === 0) throw new Unopenable(problem ?? 'the capture holds no frame')
  return { frames, problem, isCutShort }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

function playOne(
  explainer: Explainer,
  { bytes, timestampMs }: CapturedFrame,
): Pick<FrameRow, 'verdict' | 'realserver'> {
  const verdict = explainer.play(bytes, timestampMs)
  if (verdict !== FORWARDED) return { verdict, realserver: null }
  const { director, book } = explainer.offline
  const left = explainer.left
  const view = new DataView(left.buffer, left.byteOffset, left.length)
  const destination = servedBy(director, view, readFlow(view, 0, left.length))
  return { verdict, realserver: destination < 0 ? null : realserverText(book, destination) }
}
