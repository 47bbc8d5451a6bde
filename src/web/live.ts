/**
 * A director as the live page sees it: the one in this process (`uipvs run --web`), or one behind a
 * control socket (`uipvs lab --web`).
 */
import type { MarkRule, Rule, RuleError } from '../balance/rule.js'
import type { ExplainedChoice, NextQuestion } from '../control/choice.js'
import { ControlClient, RulesRefused } from '../control/client.js'
import type {
  ConnectionListing,
  Counters,
  ServiceListing,
  Status,
  SysctlValues,
  TableListing,
} from '../control/listing.js'
import type { TracedFrame, TraceLine, TraceListener, TraceRequest } from '../control/trace.js'
import type { LabDone, LabStateNow, Moment, WireEvent } from './moment.js'

export type { Moment } from './moment.js'

/** Connections and services that are told; how many there are is told beside. */
const CONNECTIONS_TOLD = 100
const SERVICES_TOLD = 64
/** Services of which it is told whom they would choose next. */
const CHOICES_TOLD = 8
/** Frames a second that a page is told with their verdicts, and bytes of each: its headers. */
const TRACED: TraceRequest = { filter: '', rate: 200, bytes: 256 }
/** A client that nobody has, where a service has had none. */
const NOBODY = { inet: '192.0.2.1', inet6: '2001:db8::1' } as const

export interface Live {
  status(): Promise<Status>
  table(): Promise<TableListing>
  counters(): Promise<Counters>
  marks(): Promise<readonly MarkRule[]>
  sysctls(): Promise<SysctlValues>
  /** The first of the connections. */
  connections(most: number): Promise<readonly ConnectionListing[]>
  /** Carries out rules, all or none; the sentence of a refusal. */
  apply(rules: readonly Rule[]): Promise<string | null>
  /** Frames as it decides them, some of them; what is returned ends it. */
  trace(listener: (frames: readonly TracedFrame[]) => void): Promise<() => void>
  /** Whom it would choose next; null if it has no such service. */
  next(question: NextQuestion): Promise<ExplainedChoice | null>
}

/** What a lab offers beside its director. */
export interface LabFeed {
  state(): LabStateNow
  onWire(listener: (event: WireEvent) => void): void
  /** Does what a button says; a sentence if that makes no sense. */
  act(wanted: unknown): Promise<LabDone | string>
}

export async function momentOf(live: Live): Promise<Moment> {
  const from = Date.now()
  const before = await live.counters()
  const [status, whole, connections, marks, sysctls] = await Promise.all([
    live.status(),
    live.table(),
    live.connections(CONNECTIONS_TOLD),
    live.marks(),
    live.sysctls(),
  ])
  const table = { ...whole, services: whole.services.slice(0, SERVICES_TOLD) }
  const next = await Promise.all(
    table.services
      .slice(0, CHOICES_TOLD)
      .map((listed) => live.next(questionOf(listed, connections))),
  )
  const counters = await live.counters()
  const isStill = before.engine.frames === counters.engine.frames
  const to = Date.now()
  const seen = { status, table, counters, connections, marks, sysctls, next }
  return { at: performance.now(), ...seen, from, to, isStill }
}

/** About the client that was seen last, or one that nobody is. */
function questionOf(
  { service }: ServiceListing,
  connections: readonly ConnectionListing[],
): NextQuestion {
  const isIpv6 = 'address' in service ? service.address.includes(':') : service.family === 'inet6'
  const seen = connections.find(
    ({ vip, vport }) => 'address' in service && vip === service.address && vport === service.port,
  )
  return {
    service,
    client: seen?.client ?? (isIpv6 ? NOBODY.inet6 : NOBODY.inet),
    clientPort: seen?.clientPort ?? 40_000,
  }
}

/** What DirectorDaemon offers. */
export interface DirectorHere {
  status(): Status
  table(): Promise<TableListing>
  counters(): Counters
  marks(): readonly MarkRule[]
  sysctls(): SysctlValues
  connections(): Iterable<ConnectionListing>
  next(question: NextQuestion): Promise<ExplainedChoice | null>
  trace(request: TraceRequest, listener: TraceListener): Promise<() => void>
  apply(rules: readonly Rule[], atomic: boolean): Promise<{ readonly error: RuleError } | null>
}

/** The director in this process. */
export function liveHere(director: DirectorHere): Live {
  return {
    status: async () => director.status(),
    next: (question) => director.next(question),
    trace: (listener) =>
      director.trace(TRACED, (lines) => {
        listener(framesOf(lines))
        return true
      }),
    table: () => director.table(),
    counters: async () => director.counters(),
    marks: async () => director.marks(),
    sysctls: async () => director.sysctls(),
    connections: async (most) => {
      const first: ConnectionListing[] = []
      for (const connection of director.connections()) {
        if (first.push(connection) === most) break
      }
      return first
    },
    apply: async (rules) => (await director.apply(rules, true))?.error.message ?? null,
  }
}

/** The director behind a control socket. */
export function liveThere(client: ControlClient): Live {
  return {
    status: () => client.status(),
    trace: async (listener) => {
      // A connection of its own: what it brings never ends.
      const own = new ControlClient(client.path)
      const lines = await own.trace(TRACED)
      const read = async () => {
        for await (const some of lines) listener(framesOf(some))
      }
      // That it ends is told by the moments as well.
      read().catch(() => {})
      return () => own.close()
    },
    next: (question) =>
      client.next(question).catch((error: unknown) => {
        if (error instanceof RulesRefused) return null
        throw error
      }),
    table: () => client.table(),
    counters: () => client.counters(),
    marks: () => client.marks(),
    sysctls: () => client.sysctls(),
    connections: async (most) => {
      const first: ConnectionListing[] = []
      for await (const batch of client.connectionBatches()) {
        first.push(...batch.slice(0, most - first.length))
        if (first.length === most) break
      }
      return first
    },
    apply: async (rules) => {
      try {
        await client.rules(rules, { atomic: true })
        return null
      } catch (error) {
        if (error instanceof RulesRefused) return error.message
        throw error
      }
    },
  }
}

function framesOf(lines: readonly TraceLine[]): TracedFrame[] {
  return lines.flatMap((line) => (line.type === 'frame' ? [line] : []))
}
