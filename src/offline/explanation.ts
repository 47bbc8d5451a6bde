/**
 * What `uipvs explain` has to say about one frame, as a value: `--json` prints it as it is,
 * print-explanation.ts for people.
 */
import type { ExplainedChoice } from '../control/choice.js'
import type { Action } from '../engine/verdict.js'
import type { MacOrigin } from './offline-director.js'

export interface ExplainedField {
  readonly name: string
  readonly value: string
}

export interface ExplainedLayer {
  readonly name: string
  readonly bytes: number
  readonly fields: readonly ExplainedField[]
}

/** A connection at one moment. */
export interface ExplainedConnection {
  readonly state: string
  readonly isActive: boolean
  readonly realserver: string
  /** Seconds until it expires, rounded down. */
  readonly expires: number
  readonly packets: number
}

export interface ExplainedChange {
  readonly layer: string
  readonly field: string
  readonly before: string
  readonly after: string
}

export interface ExplainedCounter {
  /** Whose it is: a service, a realserver, the director, a verdict. */
  readonly of: string
  readonly name: string
  readonly before: number
  readonly after: number
}

export interface ExplainedAnswer {
  readonly summary: string
  readonly hex: string
  readonly layers: readonly ExplainedLayer[]
}

/** How the connection was looked for, and what became of it. */
export interface ExplainedLookup {
  readonly key: string
  /** The packet is an ICMP error; the key is that of the connection it quotes. */
  readonly isRelated: boolean
  readonly before: ExplainedConnection | null
  readonly after: ExplainedConnection | null
  /**
   * `replaced`: it was over, and a new one took its place. `passed over`: it was over, and no new
   * one could be had. `one-packet`: made and ended at once.
   */
  readonly outcome: 'hit' | 'created' | 'replaced' | 'passed over' | 'one-packet' | 'none'
}

export interface Explanation {
  /** The frame in a line. */
  readonly frame: string
  /** Its bytes as they came, and, if it was forwarded, as they left. */
  readonly hexBefore: string
  readonly hexAfter: string | null
  readonly mode: string
  readonly directorMac: string
  readonly layers: readonly ExplainedLayer[]
  readonly isForDirector: boolean
  /** Null if the frame holds no sound IP packet. */
  readonly destination: { readonly address: string; readonly isVip: boolean } | null
  readonly connection: ExplainedLookup | null
  readonly service: {
    readonly key: string
    readonly scheduler: string
    /** Persistence in seconds, 0: none. */
    readonly persistent: number
  } | null
  /** Null if nobody had to be chosen. */
  readonly choice: ExplainedChoice | null
  readonly realserver: {
    readonly address: string
    readonly mac: string | null
    /** `itself`: the realserver is the director. Null: no way leads there. */
    readonly origin: MacOrigin | 'itself' | null
  } | null
  /**
   * All behind the MAC addresses left byte for byte as it came; null if the frame did not leave.
   */
  readonly isPacketUnchanged: boolean | null
  readonly changes: readonly ExplainedChange[]
  readonly counters: readonly ExplainedCounter[]
  /** Frames of the director's own that left because of this one. */
  readonly answers: readonly ExplainedAnswer[]
  readonly verdict: {
    readonly name: string
    readonly action: Action
    readonly sentence: string
  }
}
