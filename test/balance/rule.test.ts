import t from 'tap'
import { PROTOCOL_NUMBER, RuleError, SCTP, TCP, UDP } from '../../src/balance/rule.js'
import { PROTO_SCTP, PROTO_TCP, PROTO_UDP } from '../../src/wire/ipv4.js'

t.test('protocol numbers are those of the codec', async (t) => {
  t.same([TCP, UDP, SCTP], [PROTO_TCP, PROTO_UDP, PROTO_SCTP])
  t.same(PROTOCOL_NUMBER, { tcp: TCP, udp: UDP, sctp: SCTP })
})

t.test('a refusal has a stable code, what it is about, and a sentence', async (t) => {
  const error = new RuleError('EEXIST', 'service', 'it is there')
  t.ok(error instanceof Error)
  t.match(error, { name: 'RuleError', code: 'EEXIST', subject: 'service', message: 'it is there' })
})
