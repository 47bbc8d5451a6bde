import t from 'tap'
import { isSameListing, isSameOut } from '../../src/conform/compare.js'

const TITLE = 'IPVS connection entries\npro expire state       source virtual destination\n'
const line = (time: string, port = 1000) =>
  `TCP ${time}  ESTABLISHED 10.0.0.1:${port}      192.168.1.110:80   192.168.1.3:80\n`

t.test('connections in any order, their time within two seconds', async (t) => {
  const recorded = TITLE + line('14:59', 1) + line('01:00', 2)
  t.ok(isSameListing('Lnc', TITLE + line('01:02', 2) + line('14:57', 1), recorded))
  t.notOk(isSameListing('Lnc', TITLE + line('01:03', 2) + line('14:59', 1), recorded))
  t.notOk(isSameListing('Lnc', TITLE + line('14:59', 1), recorded), 'one is missing')
  t.notOk(isSameListing('Lnc', TITLE + line('14:59', 1) + line('01:00', 3), recorded))
})

t.test('services in any order, their servers in theirs', async (t) => {
  const one = 'TCP  192.168.1.110:80 rr\n  -> 192.168.1.2:80 1\n  -> 192.168.1.3:80 2\n'
  const turned = 'TCP  192.168.1.110:80 rr\n  -> 192.168.1.3:80 2\n  -> 192.168.1.2:80 1\n'
  const other = 'UDP  192.168.1.110:80 rr\n  -> 192.168.1.2:80 1\n'
  t.ok(isSameListing('Ln', other + one, one + other))
  t.notOk(isSameListing('Ln', other + turned, one + other))
  t.notOk(isSameListing('Ln', one, one + other))
  t.ok(isSameListing('timeout', 'a\n', 'a\n'))
  t.notOk(isSameListing('timeout', 'a\n', 'b\n'))
})

t.test('outcomes are the same or not', async (t) => {
  t.ok(isSameOut({ to: 'icmp:3/4', mtu: 1500 }, { mtu: 1500, to: 'icmp:3/4' }))
  t.notOk(isSameOut({ to: 'icmp:3/4', mtu: 1500 }, { to: 'icmp:3/4' }))
})
