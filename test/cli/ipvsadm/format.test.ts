import t from 'tap'
import { amount, daemonLines, serviceLines } from '../../../src/cli/ipvsadm/format.js'
import { connectionLine, connectionsTitle } from '../../../src/cli/ipvsadm/format-connections.js'
import type { ServiceListing } from '../../../src/control/listing.js'
import { NO_RATES, NO_STATISTICS } from './model-director.js'
import { recordedNames } from './recorded-names.js'

t.test('amounts are cut at their unit, in nine columns', async (t) => {
  const cases: [number, string][] = [
    [0, '        0'],
    [99_999_999, ' 99999999'],
    [100_000_000, '  100000K'],
    [999_999_999, '  999999K'],
    [1_000_000_000, '    1000M'],
    [1_083_031_794, '    1083M'],
    [99_999_999_999, '   99999M'],
    [100_000_000_000, '     100G'],
    [99_999_999_999_999, '   99999G'],
    [100_000_000_000_000, '     100T'],
  ]
  for (const [value, text] of cases) t.equal(amount(value, false), text)
})

t.test('exact amounts take a tenth column and more from nine digits on', async (t) => {
  t.equal(amount(99_999_999, true), ' 99999999')
  t.equal(amount(100_006_794, true), ' 100006794')
  t.equal(amount(1_083_031_794, true), ' 1083031794')
})

const LISTING: ServiceListing = {
  service: { protocol: 'tcp', address: '192.168.1.110', port: 22 },
  settings: {
    scheduler: 'sh',
    persistent: 360,
    netmask: '255.255.255.0',
    ops: true,
    pe: 'sip',
    schedulerFlags: 0x38,
  },
  statistics: NO_STATISTICS,
  rates: { ...NO_RATES, connectionsPerSecond: 123_456_789 },
  destinations: [
    {
      address: '192.168.1.2',
      port: 22,
      method: 'tunnel',
      weight: 12345678,
      upperThreshold: 0,
      lowerThreshold: 0,
      tunnel: { type: 'gue', port: 65535, checksum: 'remcsum' },
      active: 12345678901,
      inactive: 7,
      persistent: 0,
      statistics: NO_STATISTICS,
      rates: { ...NO_RATES, connectionsPerSecond: 123_456_789, inBytesPerSecond: 123_456_789 },
      mac: null,
    },
  ],
}

t.test('a value wider than its column pushes the rest to the right', async (t) => {
  t.equal(
    serviceLines(LISTING, { view: 'tun-info', exact: false, names: null }),
    'TCP  192.168.1.110:22 sh (sh-fallback,sh-port) persistent 360 mask 255.255.255.0 pe sip ops\n' +
      '  -> 192.168.1.2:22               Tunnel  gue:65535:r+c 12345678 12345678901 7         \n',
  )
})

t.test('the first three rates of a server are never shortened', async (t) => {
  t.equal(
    serviceLines(LISTING, { view: 'rate', exact: false, names: null }),
    'TCP  192.168.1.110:22              123456K        0        0        0        0\n' +
      '  -> 192.168.1.2:22               123456789        0        0  123456K        0\n',
  )
})

t.test('the master is listed before the backup', async (t) => {
  const daemon = { interface: 'd0', syncid: 1, maxlen: 9, group: 'ff05::1', port: 2, ttl: 3 }
  const lines = daemonLines([
    { role: 'backup', ...daemon },
    { role: 'master', ...daemon },
  ])
  t.match(lines, /^master .*\nbackup sync daemon \(mcast=d0, syncid=1, maxlen=9, group=ff05::1, /)
})

t.test('a template of a mark has no protocol, so its ports have no names', async (t) => {
  const connection = {
    protocol: 'ip',
    expires: 6000,
    state: 'NONE',
    client: '192.168.7.2',
    clientPort: 0,
    vip: '192.168.7.110',
    vport: 80,
    destination: '10.0.0.1',
    destinationPort: 80,
    template: true,
  }
  t.equal(
    connectionLine(connection, false, recordedNames()),
    'IP  100:00 NONE        rs-two:0           vip-seven:80       10.0.0.1:80\n',
  )
  t.equal(
    connectionLine({ ...connection, pe: { name: 'sip', data: 'call 1' } }, true, null),
    'IP  100:00 NONE        192.168.7.2:0      192.168.7.110:80   10.0.0.1:80      sip                call 1\n',
  )
  t.match(connectionsTitle(true), / destination {8}pe name {10}pe_data\n$/)
})
