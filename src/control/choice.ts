/**
 * Who could have been chosen, who was, and why; or who would be chosen next, and nothing happens.
 * For explanations and for the page, of any director: it is read from tables and schedulers, which
 * decide by themselves.
 */
import { parseAddress } from '../balance/address.js'
import type { RuleBook } from '../balance/apply.js'
import { NONE } from '../balance/connection.js'
import { nextOf } from '../balance/preview.js'
import { PROTOCOL_NUMBER, type ServiceKey, TCP } from '../balance/rule.js'
import type { Clue, Flow } from '../balance/scheduler.js'
import { DEFAULT_KERNEL } from '../balance/thresholds.js'
import { formatIpv4, formatIpv6 } from '../wire/address.js'

export interface ExplainedCandidate {
  readonly realserver: string
  readonly weight: number
  readonly active: number
  readonly inactive: number
  /** Null if the scheduler has none. */
  readonly score: number | null
  readonly eligible: boolean
  /** Why it is not eligible; empty if it is. */
  readonly reason: string
  readonly isChosen: boolean
}

/** What decides beside the candidates: a number of so many, or realservers. */
export interface ExplainedClue extends Omit<Clue, 'destinations'> {
  readonly realservers?: readonly string[]
}

export interface ExplainedChoice {
  readonly scheduler: string
  /** In the order of the scheduler's list: last added first. */
  readonly candidates: readonly ExplainedCandidate[]
  /** Candidates beyond those: of a long list only the chosen one is told. */
  readonly omitted: number
  readonly clues: readonly ExplainedClue[]
  readonly chosen: string | null
  /** `template`: persistence decided, and the scheduler was not asked. */
  readonly by: 'scheduler' | 'template' | null
  readonly why: string
}

/** A candidate as it stood before the choice. */
export interface Standing extends Omit<ExplainedCandidate, 'isChosen'> {
  readonly slot: number
}

/** A destination as `192.168.1.2:80`, by its slot. */
export function realserverText(book: RuleBook, slot: number): string {
  const { destinations } = book.balancer
  const word = (i: number) => destinations.address(slot, i)
  const port = destinations.port(slot)
  return destinations.family(slot) === 4
    ? `${formatIpv4(word(0))}:${port}`
    : `[${formatIpv6(word(0), word(1), word(2), word(3))}]:${port}`
}

/** How each realserver of a service stands now: in all workers, as schedulers count. */
export function candidatesOf(book: RuleBook, service: number): Standing[] {
  const { destinations, schedulers, peers } = book.balancer
  peers?.look(service)
  const candidates = schedulers[service]?.candidates() ?? []
  return candidates.map(({ destination, eligible, score }) => ({
    slot: destination,
    realserver: realserverText(book, destination),
    weight: destinations.weight(destination),
    active: destinations.activeOfAll(destination),
    inactive: destinations.inactiveOfAll(destination),
    score,
    eligible,
    reason: eligible ? '' : reasonOf(book, destination),
  }))
}

/** What decides beside them, about the flow that the balancer has. */
export function cluesOf(book: RuleBook, service: number): ExplainedClue[] {
  const { schedulers, flow } = book.balancer
  const clues = schedulers[service]?.clues(flow) ?? []
  return clues.map(({ destinations, ...clue }) => ({
    ...clue,
    ...(destinations && { realservers: destinations.map((d) => realserverText(book, d)) }),
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
  wrr: 'wrr takes turns by weight: the next one whose weight (score) reaches the level of this pass',
  lc: `lc takes the smallest load (score: ${LOAD}); ${TIE}`,
  wlc: `wlc takes the smallest load in relation to weight (score: ${LOAD}, by weight); ${TIE}`,
  sed: `sed takes the fewest active connections, with the new one, by weight (score); ${TIE}`,
  nq: `nq takes the first one without active connections, else as sed (score)`,
  fo: 'fo takes the greatest weight (score: its negative), whatever the load',
  ovf: 'ovf takes the greatest weight that its active connections do not exceed (score: its negative)',
  lblc: 'lblc takes the one that this virtual address went to before, else as wlc (score)',
  lblcr: 'lblcr takes the least loaded (score) of those that this virtual address goes to',
  dh: "dh's table has it for this virtual address",
  sh: "sh's table has it for this client",
  mh: "mh's table has it for this client",
  twos: `twos draws two by lot, and takes the smaller load by weight (score: ${LOAD}, by weight)`,
}
/** Schedulers by a fixed table: if the one found there may not be chosen, nobody is. */
const BY_TABLE: ReadonlySet<string> = new Set(['dh', 'sh', 'mh'])

export interface Before {
  readonly candidates: readonly Standing[]
  readonly omitted: number
  readonly clues: readonly ExplainedClue[]
}

export function choiceOf(
  book: RuleBook,
  service: number,
  { candidates, omitted, clues }: Before,
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
        : whyNobody(scheduler, candidates, omitted)
  return {
    scheduler,
    candidates: candidates.map(({ slot, ...standing }) => ({
      ...standing,
      isChosen: slot === chosen,
    })),
    omitted,
    clues: by === 'template' ? [] : clues,
    chosen: chosen === NONE ? null : realserverText(book, chosen),
    by,
    why,
  }
}

function whyNobody(scheduler: string, candidates: readonly Standing[], omitted: number): string {
  if (scheduler === 'none') return 'the service has no scheduler'
  if (omitted > 0) return `${scheduler} found nobody`
  if (candidates.length === 0) return 'the service has no realservers'
  if (candidates.every((candidate) => !candidate.eligible)) return 'no realserver is eligible'
  if (BY_TABLE.has(scheduler)) return `the one in ${scheduler}'s table may not be chosen`
  return `${scheduler} found nobody`
}

/** Candidates that are told of the next choice; of more, the chosen one. */
const CANDIDATES_MAX = 256

/** Who asks for whom: a new connection that has not come. */
export interface NextQuestion {
  readonly service: ServiceKey
  readonly client: string
  readonly clientPort: number
  /** The virtual address, for a service by firewall mark. */
  readonly vip?: string | undefined
  /** The virtual port, for a service of all ports or by firewall mark. */
  readonly vport?: number | undefined
}

/** Whom the director would choose for that connection; null if it has no such service. */
export function nextChoice(book: RuleBook, question: NextQuestion): ExplainedChoice | null {
  const service = book.findService(question.service)
  if (service === undefined || !fill(book.balancer.flow, question)) return null
  const { destination, isByTemplate } = nextOf(book.balancer, service)
  const before = beforeNext(book, service, destination)
  return choiceOf(book, service, before, destination, { isByTemplate })
}

/** A worker is asked between two breaths: a long list would keep its frames waiting. */
function beforeNext(book: RuleBook, service: number, chosen: number): Before {
  const { services, destinations } = book.balancer
  const count = services.destinations(service)
  const clues = cluesOf(book, service)
  if (count <= CANDIDATES_MAX) return { candidates: candidatesOf(book, service), omitted: 0, clues }
  if (chosen === NONE) return { candidates: [], omitted: count, clues }
  const only: Standing = {
    slot: chosen,
    realserver: realserverText(book, chosen),
    weight: destinations.weight(chosen),
    active: destinations.activeOfAll(chosen),
    inactive: destinations.inactiveOfAll(chosen),
    score: null,
    eligible: true,
    reason: '',
  }
  return { candidates: [only], omitted: count - 1, clues }
}

/** False if an address is none. */
function fill(flow: Flow, { service, client, clientPort, vip, vport }: NextQuestion): boolean {
  const isMarked = 'fwmark' in service
  const source = parseAddress(client)
  const target = parseAddress((isMarked ? vip : service.address) ?? client)
  if (source === null || target === null || source.family !== target.family) return false
  flow.family = source.family
  flow.protocol = isMarked ? TCP : PROTOCOL_NUMBER[service.protocol]
  flow.client.set(source.words)
  flow.vip.set(target.words)
  flow.clientPort = clientPort
  flow.vipPort = vport ?? (isMarked ? 0 : service.port)
  return true
}
