import fc from 'fast-check'
import t from 'tap'
import { parseAddress } from '../../src/balance/address.js'
import { MarkBook } from '../../src/balance/mark-rules.js'
import { MarkTable } from '../../src/balance/marks.js'
import type { MarkRule } from '../../src/balance/rule.js'
import { Flow } from '../../src/balance/scheduler.js'

const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132, icmp: 1 } as const

interface Packet {
  readonly protocol: keyof typeof PROTOCOLS
  readonly client: string
  readonly vip: string
  /** -1: none. */
  readonly port: number
}

function flowOf({ protocol, client, vip, port }: Packet): Flow {
  const flow = new Flow()
  const from = parseAddress(client)
  const to = parseAddress(vip)
  flow.family = from?.family ?? 0
  flow.protocol = PROTOCOLS[protocol]
  flow.client.set(from?.words ?? [])
  flow.vip.set(to?.words ?? [])
  flow.vipPort = port
  return flow
}

function markOf(rules: readonly MarkRule[], packet: Packet): number {
  const table = new MarkTable()
  const book = new MarkBook(table)
  for (const rule of rules) book.add(rule)
  return table.of(flowOf(packet)) >>> 0
}

const PACKET: Packet = { protocol: 'tcp', client: '10.1.2.3', vip: '192.168.1.110', port: 80 }
const PACKET_6: Packet = { ...PACKET, client: '2001:db8::9', vip: '2001:db8:1::110' }

t.test('a rule applies to what has all that it asks for', async (t) => {
  const cases: [rule: Omit<MarkRule, 'mark'>, applies: boolean, applies6: boolean][] = [
    [{}, true, true],
    [{ protocol: 'tcp' }, true, true],
    [{ protocol: 'udp' }, false, false],
    [{ protocol: 'tcp', ports: [80, 80] }, true, true],
    [{ protocol: 'tcp', ports: [0, 79] }, false, false],
    [{ protocol: 'tcp', ports: [81, 65535] }, false, false],
    [{ protocol: 'tcp', ports: [79, 81] }, true, true],
    [{ destination: '192.168.1.110' }, true, false],
    [{ destination: '192.168.1.111' }, false, false],
    [{ destination: '192.168.1.96/28' }, true, false],
    [{ destination: '192.168.1.112/28' }, false, false],
    [{ source: '10.0.0.0/8' }, true, false],
    [{ source: '11.0.0.0/8' }, false, false],
    [{ source: '0.0.0.0/0' }, true, false],
    [{ source: '::/0' }, false, true],
    [{ destination: '2001:db8:1::110' }, false, true],
    [{ destination: '2001:db8:1::/64' }, false, true],
    [{ destination: '2001:db8:1::100/124' }, false, false],
    [{ source: '10.0.0.0/8', destination: '192.168.1.0/24', protocol: 'tcp' }, true, false],
    [{ source: '10.0.0.0/8', destination: '192.168.2.0/24', protocol: 'tcp' }, false, false],
  ]
  for (const [rule, applies, applies6] of cases) {
    const found = [PACKET, PACKET_6].map((packet) => markOf([{ mark: 7, ...rule }], packet))
    t.same(found, [applies ? 7 : 0, applies6 ? 7 : 0], JSON.stringify(rule))
  }
})

t.test('the last rule that applies decides, also one that takes the mark away', async (t) => {
  const rules: MarkRule[] = [
    { mark: 4294967295 },
    { mark: 2, protocol: 'tcp', ports: [80, 90] },
    { mark: 3, protocol: 'tcp', ports: [85, 85] },
    { mark: 0, protocol: 'tcp', ports: [90, 90] },
  ]
  const marks = [79, 80, 85, 86, 90].map((port) => markOf(rules, { ...PACKET, port }))
  t.same(marks, [4294967295, 2, 3, 2, 0])
})

t.test('what has no ports matches no rule with ports', async (t) => {
  const rules: MarkRule[] = [{ mark: 1, protocol: 'udp', ports: [0, 65535] }]
  t.equal(markOf(rules, { ...PACKET, protocol: 'udp' }), 1)
  t.equal(markOf(rules, { ...PACKET, protocol: 'udp', port: -1 }), 0)
})

t.test('local marks', async (t) => {
  const table = new MarkTable()
  const book = new MarkBook(table)
  t.notOk(table.hasLocal)
  book.addLocal(4294967295)
  book.addLocal(5)
  t.same(
    [-1, 5, 6, 0].map((mark) => table.isLocal(mark)),
    [true, true, false, false],
  )
  book.deleteLocal(4294967295)
  t.same([table.isLocal(-1), table.hasLocal], [false, true])
  book.deleteLocal(5)
  t.notOk(table.hasLocal)
})

t.test('as a list of rules searched by text would say', async (t) => {
  const bits = (address: string) =>
    address
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('')
  const address = fc.tuple(fc.nat(3), fc.nat(3)).map(([a, b]) => `10.0.${a * 85}.${b * 64}`)
  const prefix = fc.tuple(address, fc.nat(32)).map(([text, length]) => `${text}/${length}`)
  const port = fc.nat(9)
  const rule = fc.record(
    {
      mark: fc.integer({ min: 0, max: 9 }),
      protocol: fc.constantFrom('tcp' as const, 'udp' as const),
      source: prefix,
      destination: prefix,
    },
    { requiredKeys: ['mark'] },
  )
  const packet = fc.record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    client: address,
    vip: address,
    port,
  })
  const inside = (text: string | undefined, whole: string) => {
    const [network = '', length = '0'] = (text ?? '0.0.0.0/0').split('/')
    return bits(whole).startsWith(bits(network).slice(0, Number(length)))
  }
  const list = fc.uniqueArray(rule, { maxLength: 6, selector: (each) => JSON.stringify(each) })
  const property = fc.property(list, packet, (rules, one) => {
    const last = rules.findLast(
      ({ protocol = one.protocol, source, destination }) =>
        protocol === one.protocol && inside(source, one.client) && inside(destination, one.vip),
    )
    return markOf(rules, one) === (last?.mark ?? 0)
  })
  const found = fc.check(property, { numRuns: 500 })
  t.notOk(found.failed, `seed ${found.seed}: ${JSON.stringify(found.counterexample)}`)
})
