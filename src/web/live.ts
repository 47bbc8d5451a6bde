/**
 * A director as the live page sees it: the one in this process (`uipvs run --web`), or one behind a
 * control socket (`uipvs lab --web`).
 */
import type { Rule, RuleError } from '../balance/rule.js'
import type { ExplainedChoice, NextQuestion } from '../control/choice.js'
import { type ControlClient, RulesRefused } from '../control/client.js'
import type { ConnectionListing, Counters, Status, TableListing } from '../control/listing.js'
import type { LabDone, LabStateNow, Moment, WireEvent } from './moment.js'

export type { Moment } from './moment.js'

/** Connections and services that are told; how many there are is told beside. */
const CONNECTIONS_TOLD = 100
const SERVICES_TOLD = 64

export interface Live {
  status(): Promise<Status>
  table(): Promise<TableListing>
  counters(): Promise<Counters>
  /** The first of the connections. */
  connections(most: number): Promise<readonly ConnectionListing[]>
  /** Carries out rules, all or none; the sentence of a refusal. */
  apply(rules: readonly Rule[]): Promise<string | null>
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
  const [status, table, counters, connections] = await Promise.all([
    live.status(),
    live.table(),
    live.counters(),
    live.connections(CONNECTIONS_TOLD),
  ])
  const services = table.services.slice(0, SERVICES_TOLD)
  return { at: performance.now(), status, table: { ...table, services }, counters, connections }
}

/** What DirectorDaemon offers. */
export interface DirectorHere {
  status(): Status
  table(): Promise<TableListing>
  counters(): Counters
  connections(): Iterable<ConnectionListing>
  next(question: NextQuestion): Promise<ExplainedChoice | null>
  apply(rules: readonly Rule[], atomic: boolean): Promise<{ readonly error: RuleError } | null>
}

/** The director in this process. */
export function liveHere(director: DirectorHere): Live {
  return {
    status: async () => director.status(),
    next: (question) => director.next(question),
    table: () => director.table(),
    counters: async () => director.counters(),
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
    next: (question) =>
      client.next(question).catch((error: unknown) => {
        if (error instanceof RulesRefused) return null
        throw error
      }),
    table: () => client.table(),
    counters: () => client.counters(),
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
