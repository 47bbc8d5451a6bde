/** What the live page is told, as values: shared by the server and the page, nothing of Node. */
import type { MarkRule } from '../balance/rule.js'
import type { ExplainedChoice } from '../control/choice.js'
import type {
  ConnectionListing,
  Counters,
  Status,
  SysctlValues,
  TableListing,
} from '../control/listing.js'

/** A director at one moment. */
export interface Moment {
  /** The director's machine's clock, ms; differences of it are what rates are made of. */
  readonly at: number
  readonly status: Status
  readonly table: TableListing
  readonly counters: Counters
  /** The first of them. */
  readonly connections: readonly ConnectionListing[]
  readonly marks: readonly MarkRule[]
  readonly sysctls: SysctlValues
  /** By service of the table, as many as are told: whom it would choose next. */
  readonly next: readonly (ExplainedChoice | null)[]
  /** When it was looked at, on the wall clock in ms; if it `isStill`, no frame came meanwhile. */
  readonly from: number
  readonly to: number
  readonly isStill: boolean
}

/** A host of a lab, for the figure. */
export interface LabHost {
  readonly name: string
  readonly address: string
  readonly mac: string
  /** The wires that it is joined to. */
  readonly wires: readonly string[]
  /** Where it has the VIP: `eth0:0`, `lo`, or nowhere. */
  readonly vip: string | null
  /** Its programs run. */
  readonly isAlive: boolean
  /** It keeps silent about the VIP; null where that is no question. */
  readonly isSilent: boolean | null
  /** `ip neigh`: whom it knows, as lines. */
  readonly neighbours: readonly string[]
}

export interface LabStateNow {
  readonly name: string
  readonly vip: string
  readonly hosts: readonly LabHost[]
}

/** Frames that were seen on the lab's wires: some of them. */
export interface WireEvent {
  readonly frames: readonly WireFrame[]
  /** Frames to and from the director beyond those: to know its tables by. */
  readonly more: readonly WireFrame[]
}

export interface WireFrame {
  /** Host that sent it, and the one that it is for; null: everybody. */
  readonly from: string
  readonly to: string | null
  readonly wire: string
  /** When it came, on the wall clock in ms. */
  readonly at: number
  /** Its beginning, in hex. */
  readonly hex: string
  readonly bytes: number
}

/** What an action of the lab ran, as a person would type it, and what came of it. */
export interface LabDone {
  readonly commands: readonly string[]
  readonly output: string
}
