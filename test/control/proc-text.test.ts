/** Expected texts were written by hand from the printf formats of `ip_vs_ctl.c`. */
import t from 'tap'
import type { Rule } from '../../src/balance/rule.js'
import { sourceOf, type Totals } from '../../src/control/accounts.js'
import { Live } from '../../src/control/live.js'
import { perCpuText, rawCounts, servicesText, statisticsText } from '../../src/control/proc-text.js'
import { addDestination, addService, key, makeBook, VIP6 } from '../balance/rule-book.js'

function make(rules: readonly Rule[], destinations = 32) {
  const book = makeBook({ limits: { destinations } })
  for (const rule of rules) book.apply(rule)
  return sourceOf(book, new Live([book.balancer]))
}

const HEAD =
  'IP Virtual Server version 1.2.1 (size=4096)\n' +
  'Prot LocalAddress:Port Scheduler Flags\n' +
  '  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n'

function text(rules: readonly Rule[]): string {
  const all = [...servicesText(make(rules))].join('')
  return all.startsWith(HEAD) ? all.slice(HEAD.length) : all
}

t.test('ip_vs: no service', async (t) => t.equal([...servicesText(make([]))].join(''), HEAD))

t.test('ip_vs: IPv4, with destinations last added first, counts padded', async (t) => {
  const source = make([
    addService(key(80)),
    addDestination('10.0.0.1', { weight: 65_535 }),
    addDestination('10.0.0.171', { method: 'masq', weight: 0 }),
    addDestination('255.255.255.254', {
      method: 'tunnel',
      tunnel: { type: 'ipip', port: 0, checksum: 'nocsum' },
    }),
  ])
  source.book.balancer.destinations.addActive(0, 1234567890)
  source.book.balancer.destinations.addInactive(0, 7)
  t.equal(
    [...servicesText(source)].join(''),
    `${HEAD}TCP  C0A8016E:0050 rr  
  -> FFFFFFFE:0050      Tunnel  1      0          0         
  -> 0A0000AB:0050      Masq    0      0          0         
  -> 0A000001:0050      Route   65535  1234567890 7         
`,
  )
})

t.test('ip_vs: persistence in 1/250 s and its netmask; one-packet scheduling', async (t) => {
  t.equal(
    text([
      addService(key(443), { scheduler: 'wlc', persistent: 300, netmask: '255.255.255.0' }),
      addService(key(53, 'udp'), { scheduler: 'sh', ops: true }),
      addService(key(54, 'udp'), { scheduler: 'none', ops: true, persistent: 60 }),
      addService(key(5060, 'sctp'), { scheduler: 'mh' }),
    ]),
    `TCP  C0A8016E:01BB wlc  persistent 75000 FFFFFF00
UDP  C0A8016E:0035 sh ops  
UDP  C0A8016E:0036 none ops  persistent 15000 FFFFFFFF
SCTP  C0A8016E:13C4 mh  
`,
  )
})

t.test('ip_vs: IPv6 in lower case and without ops, prefixes in network order', async (t) => {
  const six = key(80, 'tcp', VIP6)
  const udp = key(53, 'udp', 'fe80::abcd')
  t.equal(
    text([
      addService(six, { persistent: 360, netmask: '64' }),
      addDestination('2001:db8:1:2:3:4:5:ffff', {}, six),
      addService(udp, { ops: true, persistent: 1, netmask: '128' }),
    ]),
    `TCP  [2001:0db8:0000:0000:0000:0000:0000:0110]:0050 rr persistent 90000 40000000
  -> [2001:0db8:0001:0002:0003:0004:0005:ffff]:0050      Route   1      0          0         
UDP  [fe80:0000:0000:0000:0000:0000:0000:abcd]:0035 rr persistent 250 80000000
`,
  )
})

t.test('ip_vs: services by mark come last, whatever the order they were made in', async (t) => {
  const mark = { fwmark: 0xffff_ffff, family: 'inet' } as const
  t.equal(
    text([
      addService(mark, { ops: true, persistent: 10 }),
      addDestination('10.0.0.1', {}, mark),
      addService({ fwmark: 10, family: 'inet6' }, { scheduler: 'wrr' }),
      addService(key(80)),
    ]),
    `TCP  C0A8016E:0050 rr  
FWM  FFFFFFFF rr ops persistent 2500 FFFFFFFF
  -> 0A000001:0000      Route   1      0          0         
FWM  0000000A wrr 
`,
  )
})

t.test('ip_vs in pieces: what is deleted between two of them ends its service', async (t) => {
  const many = (service = key(80)) =>
    Array.from({ length: 1000 }, (_, i) => addDestination(`10.0.${i >> 8}.${i & 255}`, {}, service))
  const rules = [addService(key(80)), ...many(), addService(key(81)), ...many(key(81))]
  const source = make(rules, 3000)
  t.equal([...servicesText(source)].join('').split('\n').length, 3 + 2 + 2000 + 1)
  const pieces = servicesText(source)
  const first = pieces.next().value as string
  t.ok(first.length < 64 * 1024, `${first.length}`)
  source.book.apply({ op: 'delete-service', service: key(80) })
  const rest = [...pieces].join('')
  t.match(rest, /^TCP {2}C0A8016E:0051 rr/, 'the next service is whole')
  t.equal(rest.split('\n').length, 1 + 1000 + 1)
})

const NOTHING: Totals = {
  statistics: { connections: 0, inPackets: 0, outPackets: 0, inBytes: 0, outBytes: 0 },
  rates: {
    connectionsPerSecond: 0,
    inPacketsPerSecond: 0,
    outPacketsPerSecond: 0,
    inBytesPerSecond: 0,
    outBytesPerSecond: 0,
  },
}
const MUCH: Totals = {
  statistics: {
    connections: 0x16aa370,
    inPackets: 0xe33656e5,
    outPackets: 1,
    inBytes: 0x51d8c8883ab3,
    outBytes: 0x1234567890,
  },
  rates: {
    connectionsPerSecond: 4,
    inPacketsPerSecond: 0x1fb3c,
    outPacketsPerSecond: 10,
    inBytesPerSecond: 0x1282a8f,
    outBytesPerSecond: 255,
  },
}

t.test('ip_vs_stats', async (t) => {
  t.equal(
    statisticsText(NOTHING),
    `   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
       0        0        0                0                0

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
       0        0        0                0                0
`,
  )
  t.equal(
    statisticsText(MUCH),
    `   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
 16AA370 E33656E5        1     51D8C8883AB3       1234567890

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
       4    1FB3C        A          1282A8F               FF
`,
  )
})

t.test('ip_vs_stats_percpu: a row for each worker, uncut by -Z', async (t) => {
  t.equal(
    perCpuText(MUCH, [
      [0xec76c, 0x2a6bb9, 0, 0xad77113, 0],
      [1, 2, 3, 4, 5],
    ]),
    `       Total Incoming Outgoing         Incoming         Outgoing
CPU    Conns  Packets  Packets            Bytes            Bytes
  0    EC76C   2A6BB9        0          AD77113                0
  1        1        2        3                4                5
  ~  16AA370 E33656E5        1     51D8C8883AB3       1234567890

     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
           4    1FB3C        A          1282A8F               FF
`,
  )
})

t.test('what a worker has counted: all services, also those that are gone', async (t) => {
  const { book } = make([addService(key(80)), addService(key(81))])
  const live = book.balancer
  live.services.countConnection(0)
  live.services.countInput(0, 100)
  live.services.countOutput(1, 7)
  book.apply({ op: 'delete-service', service: key(80) })
  t.same(rawCounts(live), [1, 1, 1, 100, 7])
})
