/** Who could have been chosen, who was, and why: the part of an explanation about the scheduler. */
import type { RuleBook } from '../balance/apply.js'
import { NONE } from '../balance/connection.js'
import { DEFAULT_KERNEL } from '../balance/thresholds.js'
import type { ExplainedCandidate, ExplainedChoice } from './explanation.js'
import { realserverText } from './ledger.js'

/** A candidate as it stood before the choice. */
export interface Standing extends Omit<ExplainedCandidate, 'isChosen'> {
  readonly slot: number
}

/** How each realserver of a service stands now. */
export function candidatesOf(book: RuleBook, service: number): Standing[] {
  const { destinations, schedulers } = book.balancer
  const candidates = schedulers[service]?.candidates() ?? []
  return candidates.map(({ destination, eligible, score }) => ({
    slot: destination,
    realserver: realserverText(book, destination),
    weight: destinations.weight(destination),
    active: destinations.active(destination),
    inactive: destinations.inactive(destination),
    score,
    eligible,
    reason: eligible ? '' : reasonOf(book, destination),
  }))
}

function reasonOf(book: RuleBook, destination: number): string {
  const { destinations } = book.balancer
  if (destinations.weight(destination) === 0) return 'weight 0'
  return destinations.isOverloaded(destination) ? 'at its upper threshold' : 'not eligible'
}

/** The load that the least-connection schedulers compare; Linux 6.1.192 has 257 for 256. */
const LOAD = '256 for each active connection, 1 for each inactive one'
const LOAD_NEWER = LOAD.replace('256', '257')
const TIE = 'the first of the list wins a tie'

/** Why a scheduler chose; the score in the table is what it compares, if it compares. */
const REASONS: Readonly<Record<string, string>> = {
  rr: 'rr takes turns: the first eligible one after the one chosen last (score: places away)',
  wrr: 'wrr takes turns by weight: the next one whose weight reaches the level of this pass',
  lc: `lc takes the smallest load (score: ${LOAD}); ${TIE}`,
  wlc: `wlc takes the smallest load in relation to weight (score: ${LOAD}, by weight); ${TIE}`,
  sed: `sed takes the fewest active connections, with the new one, by weight (score); ${TIE}`,
  nq: `nq takes the first one without active connections, else as sed (score)`,
  fo: 'fo takes the greatest weight (score: its negative), whatever the load',
  ovf: 'ovf takes the greatest weight that its active connections do not exceed',
  lblc: 'lblc takes the one that this virtual address went to before, else as wlc (score)',
  lblcr: 'lblcr takes the least loaded (score) of those that this virtual address goes to',
  dh: "dh's table has it for this virtual address",
  sh: "sh's table has it for this client",
  mh: "mh's table has it for this client",
  twos: `twos draws two by lot, and takes the smaller load by weight (score: ${LOAD}, by weight)`,
}
/** Schedulers by a fixed table: if the one found there may not be chosen, nobody is. */
const BY_TABLE: ReadonlySet<string> = new Set(['dh', 'sh', 'mh'])

export function choiceOf(
  book: RuleBook,
  service: number,
  candidates: readonly Standing[],
  chosen: number,
  { isByTemplate }: { readonly isByTemplate: boolean },
): ExplainedChoice {
  const scheduler = book.serviceSettings[service]?.scheduler ?? ''
  const by = chosen === NONE ? null : isByTemplate ? 'template' : 'scheduler'
  const older = REASONS[scheduler] ?? `${scheduler} chose it`
  const reason = book.balancer.kernel === DEFAULT_KERNEL ? older : older.replace(LOAD, LOAD_NEWER)
  const why =
    by === 'template'
      ? 'the service is persistent, and the client has been sent there before'
      : by === 'scheduler'
        ? reason
        : whyNobody(scheduler, candidates)
  return {
    scheduler,
    candidates: candidates.map(({ slot, ...standing }) => ({
      ...standing,
      isChosen: slot === chosen,
    })),
    chosen: chosen === NONE ? null : realserverText(book, chosen),
    by,
    why,
  }
}

function whyNobody(scheduler: string, candidates: readonly Standing[]): string {
  if (scheduler === 'none') return 'the service has no scheduler'
  if (candidates.length === 0) return 'the service has no realservers'
  if (candidates.every((candidate) => !candidate.eligible)) return 'no realserver is eligible'
  if (BY_TABLE.has(scheduler)) return `the one in ${scheduler}'s table may not be chosen`
  return `${scheduler} found nobody`
}
