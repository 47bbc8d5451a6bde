/** What the program needs of its surroundings: a director to talk to, and where its words go. */
import type { Rule } from '../../balance/rule.js'
import type { ConnectionListing, TableListing } from '../../control/listing.js'

/** The part of `ControlClient` that is used here; tests have a director of their own. */
export interface DirectorClient {
  /** @throws Unreachable, at once, if no director answers or it must not be asked. */
  reach(): Promise<void>
  /**
   * Carries out rules in order, up to the first that is refused.
   * @throws RulesRefused for that one; those before it stay done unless `atomic`.
   */
  rules(rules: readonly Rule[], options: { readonly atomic: boolean }): Promise<void>
  /** With `isBrief` counters, rates and MAC addresses may be left out, as zeros. */
  table(isBrief?: boolean): Promise<TableListing>
  connectionBatches(): AsyncIterable<ConnectionListing[]>
}

export interface Io {
  out(text: string): void
  err(text: string): void
}
