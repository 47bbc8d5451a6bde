import t from 'tap'
import {
  parseNextQuestion,
  parseRulesRequest,
  type RulesRequest,
} from '../../src/control/schema.js'
import { BAD_REQUESTS } from './bad-requests.js'

const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 }
const settings = { netmask: '255.255.255.255' }
const destination = { address: '10.0.0.2', port: 80 }
const add = { op: 'add-service', service, settings }
const addDestination = { op: 'add-destination', service, destination, settings: {} }

t.test('defaults are filled in', async (t) => {
  const parsed = parseRulesRequest({ rules: [add, addDestination] }) as RulesRequest
  t.same(parsed, {
    rules: [
      {
        op: 'add-service',
        service,
        settings: {
          scheduler: 'wlc',
          persistent: 0,
          ...settings,
          ops: false,
          pe: '',
          schedulerFlags: 0,
        },
      },
      {
        op: 'add-destination',
        service,
        destination,
        settings: { method: 'route', weight: 1, upperThreshold: 0, lowerThreshold: 0 },
      },
    ],
    atomic: false,
  })
})

t.test('what makes sense is taken as it is', async (t) => {
  const mark = { fwmark: 7, family: 'inet6' }
  const daemon = {
    role: 'master',
    interface: 'eth0',
    syncid: 1,
    maxlen: 1460,
    group: '224.0.0.81',
    port: 8848,
    ttl: 1,
  }
  const rules = [
    { op: 'flush' },
    { op: 'zero' },
    { op: 'zero', service },
    { op: 'delete-service', service: mark },
    { op: 'delete-destination', service, destination },
    { op: 'set-timeouts', tcp: 0, tcpfin: 1, udp: 2_678_400 },
    { op: 'set-sysctl', name: 'sloppy_tcp', value: '1' },
    { op: 'add-mark', rule: { mark: 0 } },
    {
      op: 'delete-mark',
      rule: { mark: 4294967295, protocol: 'tcp', destination: '10.0.0.0/8', ports: [80, 89] },
    },
    { op: 'flush-marks' },
    { op: 'start-daemon', daemon },
    { op: 'stop-daemon', role: 'backup' },
  ]
  t.same(parseRulesRequest({ rules, atomic: true }), { rules, atomic: true })
  t.same(parseRulesRequest({ rules: [] }), { rules: [], atomic: false })
})

t.test('what makes no sense is answered by a sentence that says where', async (t) => {
  for (const [sentence, body, where] of BAD_REQUESTS) {
    const answer = parseRulesRequest(body)
    t.match(typeof answer, 'string', sentence)
    t.match(answer, where, sentence)
  }
})

t.test('questions about the next choice', async (t) => {
  t.same(parseNextQuestion({ service, client: '10.0.0.9' }), {
    service,
    client: '10.0.0.9',
    clientPort: 40_000,
  })
  const mark = { fwmark: 7, family: 'inet6' }
  const marked = { service: mark, client: '2001:db8::1', vip: '2001:db8::2', vport: 80 }
  t.same(parseNextQuestion(marked), { ...marked, clientPort: 40_000 })
  t.match(parseNextQuestion({ service, client: 'nobody' }), /no address/)
  t.match(parseNextQuestion({ service, client: '2001:db8::1' }), /not of the family/)
  t.match(parseNextQuestion({ ...marked, client: '10.0.0.9' }), /not of the family/)
  t.match(parseNextQuestion({ service }), /^client: /)
})
