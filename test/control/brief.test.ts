import t from 'tap'
import { brief, NO_RATES, NO_STATISTICS, whole } from '../../src/control/brief.js'
import type { TableListing } from '../../src/control/listing.js'

const table = (statistics: typeof NO_STATISTICS, mac: string | null): TableListing => ({
  version: '1.2.1',
  size: 4096,
  services: [
    {
      service: { protocol: 'tcp', address: '10.0.0.1', port: 80 },
      settings: {
        scheduler: 'rr',
        persistent: 0,
        netmask: '255.255.255.255',
        ops: false,
        pe: '',
        schedulerFlags: 0,
      },
      statistics,
      rates: NO_RATES,
      destinations: [
        {
          address: '10.0.0.2',
          port: 80,
          method: 'tunnel',
          weight: 3,
          upperThreshold: 9,
          lowerThreshold: 2,
          tunnel: { type: 'gue', port: 6080, checksum: 'nocsum' },
          active: 4,
          inactive: 5,
          persistent: 6,
          statistics,
          rates: NO_RATES,
          mac,
        },
      ],
    },
  ],
  timeouts: { tcp: 900, tcpfin: 120, udp: 300 },
  daemons: [],
})

t.test('nothing is lost but counters, rates and MAC addresses', async (t) => {
  const counted = table({ ...NO_STATISTICS, connections: 7 }, '02:00:00:00:00:02')
  const text = JSON.stringify(brief(counted))
  t.notMatch(text, /statistics|rates|mac"/)
  t.same(whole(JSON.parse(text)), table(NO_STATISTICS, null))
})
