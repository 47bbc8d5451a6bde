/**
 * A director in this process, as ipvsadm sees one: what `uipvs run` offers on its control socket,
 * for the rules and the listings of a recording. One table serves as the copy that judges and as
 * the one that frames change.
 */
import { type Rule, RuleError } from '../balance/rule.js'
import type { DirectorClient } from '../cli/ipvsadm/director-client.js'
import { accountFor, estimateAll, sourceOf } from '../control/accounts.js'
import { RulesRefused } from '../control/client.js'
import {
  type ConnectionListing,
  TABLE_SIZE,
  TABLE_VERSION,
  type TableListing,
} from '../control/listing.js'
import { Live } from '../control/live.js'
import { listConnections, listServices, type Source } from '../control/readers.js'
import type { Director } from '../engine/forward.js'

const TICKS_PER_S = 100
const ESTABLISHED = 1
const FIN_WAIT = 4

export class InProcessDirector implements DirectorClient {
  readonly #director: Director
  readonly #source: Source
  readonly #applied: () => void

  /** `applied` is called after each rule that was carried out. */
  constructor(director: Director, applied: () => void) {
    this.#director = director
    this.#applied = applied
    const { balancer, rules } = director
    this.#source = sourceOf(rules, new Live([balancer]))
  }

  async reach(): Promise<void> {}

  async rules(rules: readonly Rule[]): Promise<void> {
    for (const [index, rule] of rules.entries()) {
      try {
        this.#director.apply(rule)
      } catch (error) {
        if (!(error instanceof RuleError)) throw error
        const { code, subject, message } = error
        throw new RulesRefused({ code, subject, message, index, applied: index })
      }
      accountFor(this.#source, rule)
      this.#applied()
    }
  }

  async table(): Promise<TableListing> {
    const { tcpTimeouts, udpTimeout } = this.#director.balancer
    return {
      version: TABLE_VERSION,
      size: TABLE_SIZE,
      services: listServices(this.#source, new Map()),
      timeouts: {
        tcp: tcpTimeouts[ESTABLISHED] / TICKS_PER_S,
        tcpfin: tcpTimeouts[FIN_WAIT] / TICKS_PER_S,
        udp: udpTimeout / TICKS_PER_S,
      },
      daemons: this.#source.book.daemons,
    }
  }

  async *connectionBatches(): AsyncGenerator<ConnectionListing[]> {
    const { book, live } = this.#source
    yield [...listConnections(book, live.parts)]
  }

  /** To be called every ESTIMATION_MS. */
  estimate(): void {
    estimateAll(this.#source)
  }
}
