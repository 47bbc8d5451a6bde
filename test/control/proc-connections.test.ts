/** Expected lines were written by hand from the printf formats of `ip_vs_conn.c`. */
import t from 'tap'
import { FLAG_BYPASS } from '../../src/balance/connection.js'
import type { Rule } from '../../src/balance/rule.js'
import { sourceOf } from '../../src/control/accounts.js'
import { Live } from '../../src/control/live.js'
import { ConnectionText, LINE_BYTES_MAX } from '../../src/control/proc-connections.js'
import { listConnections, type Source } from '../../src/control/readers.js'
import { parseIpv4 } from '../../src/wire/address.js'
import {
  addDestination,
  addService,
  deleteDestination,
  key,
  makeBook,
  VIP,
  VIP6,
} from '../balance/rule-book.js'

const ip = (address: string) => parseIpv4(address) as number
const TITLE = 'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n'

function make(rules: readonly Rule[], connections4 = 256): Source {
  const book = makeBook({ limits: { connections4 } })
  for (const rule of rules) book.apply(rule)
  return sourceOf(book, new Live([book.balancer]))
}

function pieces(source: Source, tick: number, bytes = 4096): string[] {
  const text = new ConnectionText(
    source.book,
    [{ tables: source.book.balancer, tick }],
    Buffer.alloc(bytes, 0xa5),
  )
  const all: string[] = []
  for (let piece = text.next(); piece; piece = text.next()) all.push(piece.toString('latin1'))
  return all
}

function lines(source: Source, tick = 0): string {
  const all = pieces(source, tick).join('')
  t.ok(all.startsWith(TITLE))
  return all.slice(TITLE.length)
}

t.test('no connections: the title alone', async (t) => t.same(pieces(make([]), 0), [TITLE]))

t.test('IPv4 connections of each protocol and state, bypass, and one of the trash', async (t) => {
  const sctp = key(5060, 'sctp')
  const source = make([
    addService(key(80)),
    addDestination('10.0.0.1'),
    addService(key(53, 'udp')),
    addDestination('10.0.0.2', {}, key(53, 'udp')),
    addService(sctp),
    addDestination('10.0.0.3', {}, sctp),
  ])
  const { connections4 } = source.book.balancer
  const insert = (protocol: number, cport: number, vport: number, d: number, flags = 0) =>
    connections4.insert4(
      protocol,
      ip('198.51.100.171'),
      ip(VIP),
      (cport << 16) | vport,
      d,
      flags,
      90_050,
    )
  connections4.setState(insert(6, 40_000, 80, 0), 1)
  connections4.setState(insert(6, 65_535, 80, 0), 4)
  insert(17, 5000, 53, 1)
  connections4.setState(insert(132, 1, 5060, 2), 1)
  insert(6, 7, 80, -1, FLAG_BYPASS)
  source.book.apply(deleteDestination('10.0.0.1'))
  t.equal(
    lines(source, 50),
    `TCP C63364AB 9C40 C0A8016E 0050 0A000001 0050 ESTABLISHED     900
TCP C63364AB FFFF C0A8016E 0050 0A000001 0050 FIN_WAIT        900
UDP C63364AB 1388 C0A8016E 0035 0A000002 0035 UDP             900
SCTP C63364AB 0001 C0A8016E 13C4 0A000003 13C4 INIT1           900
TCP C63364AB 0007 C0A8016E 0050 00000000 0000 NONE            900
`,
  )
})

t.test('IPv6 connections', async (t) => {
  const six = key(80, 'tcp', VIP6)
  const source = make([addService(six), addDestination('2001:db8::ab', {}, six)])
  const view = new DataView(new ArrayBuffer(32))
  view.setInt32(0, 0x20010db8)
  view.setInt32(12, 0xabcd0007 | 0)
  view.setInt32(16, 0x20010db8)
  view.setInt32(28, 0x110)
  source.book.balancer.connections6.insert6(6, view, 0, 16, (0xab << 16) | 80, 0, 0, 199)
  t.equal(
    lines(source),
    'TCP 2001:0db8:0000:0000:0000:0000:abcd:0007 00AB ' +
      '2001:0db8:0000:0000:0000:0000:0000:0110 0050 ' +
      '2001:0db8:0000:0000:0000:0000:0000:00ab 0050 NONE              1\n',
  )
})

t.test('templates: of a port, of a mark, of no use any more', async (t) => {
  const mark = { fwmark: 0xabcdef01, family: 'inet' } as const
  const source = make([
    addService(key(), { persistent: 60 }),
    addDestination('10.0.0.1'),
    addService(mark, { persistent: 60 }),
    addDestination('10.0.0.2', {}, mark),
  ])
  const live = source.book.balancer
  live.flow.client[0] = ip('198.51.100.7')
  live.flow.vip[0] = ip(VIP)
  live.flow.vipPort = 80
  live.flow.clientPort = 4000
  live.flow.protocol = 6
  for (const service of [0, 1]) live.choose(service)
  live.templates.assure(1)
  t.equal(
    lines(source),
    `TCP C6336407 0000 C0A8016E 0050 0A000001 0050 NONE             60
IP  C6336407 0000 ABCDEF01 0000 0A000002 0000 ASSURED          60
`,
  )
  live.templates.invalidate(0)
  t.match(lines(source), /^TCP C6336407 0000 C0A8016E FFFF 0A000001 FFFF NONE {13}60\n/)
})

t.test('seconds: none are left, seven digits, eight', async (t) => {
  const source = make([addService(), addDestination('10.0.0.1')])
  const expiring = (due: number) =>
    source.book.balancer.connections4.insert4(6, 1, ip(VIP), 0x1000_0050, 0, 0, due)
  for (const due of [-5, 99, 999_999_999, 2_147_483_600]) expiring(due)
  t.same(
    lines(source)
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(57)),
    ['       0', '       0', ' 9999999', ' 21474836'],
  )
})

t.test('a record that changes hands while it is read is left out', async (t) => {
  const source = make([addService(), addDestination('10.0.0.1')])
  const table = source.book.balancer.connections4
  table.insert4(6, 1, ip(VIP), 0x1000_0050, 0, 0, 100)
  table.insert4(6, 2, ip(VIP), 0x1000_0050, 0, 0, 100)
  const ports = table.ports.bind(table)
  table.ports = (slot) => {
    if (slot === 0) {
      table.remove(0)
      table.insert4(17, 3, ip(VIP), 0x2000_0050, 0, 0, 100)
    }
    return ports(slot)
  }
  t.match(lines(source), /^TCP 00000002 [^\n]*\n$/)
})

t.test('many connections, in pieces of whole lines, each once, as ipvsadm -Lnc has', async (t) => {
  const count = 20_000
  const source = make([addService(), addDestination('10.0.0.1')], 32_768)
  const { connections4 } = source.book.balancer
  for (let i = 0; i < count; i++) connections4.insert4(6, i, ip(VIP), 0x1000_0050, 0, 0, 100)
  for (let i = 0; i < count; i += 3) connections4.remove(i)
  const all = pieces(source, 0, 10 * LINE_BYTES_MAX)
  t.ok(all.every((piece) => piece === '' || piece.endsWith('\n')))
  const clients = all
    .join('')
    .split('\n')
    .slice(1, -1)
    .map((line) => Number.parseInt(line.split(' ')[1] as string, 16))
  const listed = [...listConnections(source.book, [{ tables: source.book.balancer, tick: 0 }])].map(
    (c) => ip(c.client),
  )
  t.same(clients, listed)
  t.equal(clients.length, count - Math.ceil(count / 3))
})
