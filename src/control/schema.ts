/**
 * What a request to the control socket may contain, checked before anything looks at it. The types
 * in `balance/rule.ts` say the same to the compiler; `satisfies` keeps the two together.
 */
import { z } from 'zod'
import { parseAddress } from '../balance/address.js'
import type { Rule } from '../balance/rule.js'
import type { NextQuestion } from './choice.js'

const port = z.int().min(0).max(65_535)
const seconds = z.int().min(0).max(2_678_400)
const address = z.string().min(2).max(45)
/** Names that nobody has are refused by the rules, with the sentence that ipvsadm's users know. */
const name = z.string().max(255)

const service = z.union([
  z.strictObject({ protocol: z.enum(['tcp', 'udp', 'sctp']), address, port }),
  z.strictObject({ fwmark: z.int().min(1).max(0xffff_ffff), family: z.enum(['inet', 'inet6']) }),
])

const serviceSettings = z.strictObject({
  scheduler: name.default('wlc'),
  persistent: seconds.default(0),
  netmask: z.string().max(39),
  ops: z.boolean().default(false),
  pe: name.default(''),
  schedulerFlags: z.int().min(0).max(0x38).default(0),
})

const tunnel = z.strictObject({
  type: z.enum(['ipip', 'gue', 'gre']),
  port,
  checksum: z.enum(['nocsum', 'csum', 'remcsum']),
})

const destination = z.strictObject({ address, port })

const destinationSettings = z.strictObject({
  method: z.enum(['route', 'tunnel', 'masq']).default('route'),
  weight: z.int().min(0).max(2_147_483_647).default(1),
  upperThreshold: z.int().min(0).default(0),
  lowerThreshold: z.int().min(0).default(0),
  tunnel: tunnel.optional(),
})

const daemon = z.strictObject({
  role: z.enum(['master', 'backup']),
  interface: z.string().max(15),
  syncid: z.int().min(0).max(255),
  maxlen: z.int().min(1).max(65_507),
  group: address,
  port,
  ttl: z.int().min(1).max(255),
})

const prefix = z.string().min(2).max(49)

const markRule = z.strictObject({
  mark: z.int().min(0).max(0xffff_ffff),
  protocol: z.enum(['tcp', 'udp', 'sctp', 'icmp', 'icmpv6']).optional(),
  source: prefix.optional(),
  destination: prefix.optional(),
  ports: z.tuple([port, port]).optional(),
})

const rule = z.discriminatedUnion('op', [
  z.strictObject({
    op: z.enum(['add-service', 'edit-service']),
    service,
    settings: serviceSettings,
  }),
  z.strictObject({ op: z.literal('delete-service'), service }),
  z.strictObject({ op: z.literal('flush') }),
  z.strictObject({
    op: z.enum(['add-destination', 'edit-destination']),
    service,
    destination,
    settings: destinationSettings,
  }),
  z.strictObject({ op: z.literal('delete-destination'), service, destination }),
  z.strictObject({ op: z.enum(['add-mark', 'delete-mark']), rule: markRule }),
  z.strictObject({ op: z.literal('flush-marks') }),
  z.strictObject({ op: z.literal('zero'), service: service.optional() }),
  z.strictObject({ op: z.literal('set-timeouts'), tcp: seconds, tcpfin: seconds, udp: seconds }),
  z.strictObject({
    op: z.literal('set-sysctl'),
    name: z.string().max(64),
    value: z.string().max(64),
  }),
  z.strictObject({ op: z.literal('start-daemon'), daemon }),
  z.strictObject({ op: z.literal('stop-daemon'), role: z.enum(['master', 'backup']) }),
])

const rulesRequest = z.strictObject({
  rules: z.array(rule),
  /** All rules or none. */
  atomic: z.boolean().default(false),
})

export interface RulesRequest {
  readonly rules: Rule[]
  readonly atomic: boolean
}

const nextQuestion = z.strictObject({
  service,
  client: address,
  clientPort: port.default(40_000),
  vip: address.optional(),
  vport: port.optional(),
})

/** The question, or a sentence about what is wrong with it and where. */
export function parseNextQuestion(body: unknown): NextQuestion | string {
  const parsed = nextQuestion.safeParse(body)
  if (!parsed.success) return sentenceOf(parsed.error)
  const question: NextQuestion = parsed.data
  const target = 'fwmark' in question.service ? question.vip : question.service.address
  const families = [question.client, target ?? question.client].map(
    (text) => parseAddress(text)?.family,
  )
  if (families.includes(undefined)) return 'client, vip: no address'
  return families[0] === families[1] ? question : 'client: not of the family of the service'
}

function sentenceOf(error: z.ZodError): string {
  const issue = error.issues[0]
  return `${issue.path.length === 0 ? 'the request' : issue.path.join('.')}: ${issue.message}`
}

/** The request, or a sentence about what is wrong with it and where. */
export function parseRulesRequest(body: unknown): RulesRequest | string {
  const parsed = rulesRequest.safeParse(body)
  if (parsed.success) return parsed.data satisfies RulesRequest
  return sentenceOf(parsed.error)
}
