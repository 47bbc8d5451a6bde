/** What an explanation says of frames that meet each part of the director. */
import t from 'tap'
import { SCHEDULERS } from '../../src/balance/schedulers/index.js'
import { ENDINGS } from '../../src/engine/verdict.js'
import { PLAIN } from '../../src/lab/paint.js'
import { explanationText } from '../../src/offline/print-explanation.js'
import { build, buildFragments } from '../../src/wire/build.js'
import { DIRECTOR, explainer, packet, RULES, VIP } from './harness.js'

const ethernet = { source: '02:00:00:00:00:fe', destination: DIRECTOR }
const ipv4 = { source: '10.0.0.1', destination: VIP }
const SYN = 'tcp 10.0.0.1:40000 192.168.1.110:80 S'
const ACK = 'tcp 10.0.0.1:40000 192.168.1.110:80 A'

t.test('an opening: candidates before, connection after', async (t) => {
  const explained = explainer().explain(packet(SYN), 0)
  t.equal(explained.verdict.name, 'forwarded')
  t.equal(explained.isForDirector, true)
  t.same(explained.destination, { address: VIP, isVip: true })
  t.match(explained.connection, {
    key: 'tcp 10.0.0.1:40000 > 192.168.1.110:80',
    isRelated: false,
    before: null,
    after: { state: 'SYN_RECV', isActive: true, realserver: '192.168.1.3:80', expires: 60 },
    outcome: 'created',
  })
  t.same(explained.service, { key: `tcp ${VIP}:80`, scheduler: 'wlc', persistent: 0 })
  t.match(explained.choice, { scheduler: 'wlc', chosen: '192.168.1.3:80', by: 'scheduler' })
  t.same(
    explained.choice?.candidates.map((each) => [
      each.realserver,
      each.weight,
      each.active,
      each.score,
      each.reason,
      each.isChosen,
    ]),
    [
      ['192.168.1.4:80', 0, 0, null, 'weight 0', false],
      ['192.168.1.3:80', 2, 0, 0, '', true],
      ['192.168.1.2:80', 1, 0, 0, '', false],
    ],
  )
  t.same(
    explained.changes.map(({ layer, field }) => `${layer} ${field}`),
    ['ethernet destination', 'ethernet source'],
  )
  t.equal(explained.isPacketUnchanged, true)
  t.equal(explained.hexBefore.slice(24), explained.hexAfter?.slice(24))
  const counted = explained.counters.map(({ of, name, before, after }) => [
    of,
    name,
    after - before,
  ])
  t.strictSame(counted.slice(0, 3), [
    ['director', 'connections', 1],
    ['director', 'packets in', 1],
    ['director', 'bytes in', 40],
  ])
  t.strictSame(counted.at(-1), ['verdict', 'forwarded', 1])
  t.ok(counted.some(([of, name]) => name === 'active' && String(of).includes('192.168.1.3:80')))
})

t.test('the scores are those before the choice, and the smallest wins', async (t) => {
  const one = explainer()
  for (let client = 1; client <= 20; client++) {
    const { choice } = one.explain(packet(`tcp 10.0.0.${client}:1 192.168.1.110:80 S`), client)
    const scores = choice?.candidates.flatMap(({ score }) => (score === null ? [] : [score])) ?? []
    const chosen = choice?.candidates.find((each) => each.isChosen)
    t.equal(chosen?.score, Math.min(...scores), `client ${client}`)
  }
})

t.test('every scheduler says why', async (t) => {
  for (const name of SCHEDULERS.keys()) {
    const { choice } = explainer(RULES.replace('-s wlc', `-s ${name}`)).explain(packet(SYN), 0)
    t.equal(choice?.scheduler, name)
    t.match(choice?.why, name)
    t.notMatch(choice?.why, 'chose it', `${name} has a sentence`)
  }
})

t.test('a hit: state and timer move', async (t) => {
  const one = explainer()
  one.play(packet(SYN), 0)
  const hit = one.explain(packet(ACK), 1000)
  t.match(hit.connection, {
    before: { state: 'SYN_RECV', expires: 59, packets: 1 },
    after: { state: 'ESTABLISHED', expires: 900, packets: 2 },
    outcome: 'hit',
  })
  t.equal(hit.choice, null)
  t.same(hit.service?.key, `tcp ${VIP}:80`)
  one.play(packet('tcp 10.0.0.1:40000 192.168.1.110:80 R'), 2000)
  const again = one.explain(packet(SYN), 3000)
  t.match(again.connection, { before: { state: 'CLOSE' }, outcome: 'replaced' })
  t.not(again.choice, null)
})

t.test('one packet, and its realserver', async (t) => {
  const explained = explainer().explain(packet('udp 10.0.0.1:1 192.168.1.110:53'), 0)
  t.equal(explained.verdict.name, 'forwarded')
  t.match(explained.connection, { before: null, after: null, outcome: 'one-packet' })
  t.equal(explained.choice?.chosen, '192.168.1.2:53')
  t.equal(explained.realserver?.mac, '02:00:c0:a8:01:02')
})

t.test('nobody can be chosen', async (t) => {
  const none = RULES.replace(/^-a .*\n/gm, '')
  const quiesced = RULES.replace(/-w \d/g, '-w 0')
  const cases: [string, string][] = [
    [none, 'the service has no realservers'],
    [quiesced, 'no realserver is eligible'],
  ]
  for (const [rules, why] of cases) {
    const explained = explainer(rules).explain(packet(SYN), 0)
    t.equal(explained.verdict.name, 'no-destination')
    t.match(explained.choice, { chosen: null, by: null, why })
    t.match(explained.answers[0].summary, /^icmp 192.168.1.110 > 10.0.0.1 destination unreachable/)
    t.equal(explained.hexAfter, null)
  }
})

t.test('answers are told, with their layers', async (t) => {
  const reset = explainer().explain(packet('tcp 10.0.0.1:40000 192.168.1.110:81 S'), 0)
  t.equal(reset.verdict.name, 'no-service')
  t.equal(reset.service, null)
  t.match(reset.answers, [{ summary: 'tcp 192.168.1.110:81 > 10.0.0.1:40000 RA' }])
  t.same(
    reset.answers[0].layers.map((layer) => layer.name),
    ['ethernet', 'ipv4', 'tcp'],
  )
  const echo = explainer().explain(packet('icmp 10.0.0.1 192.168.1.110'), 0)
  t.match(echo.answers, [{ summary: 'icmp 192.168.1.110 > 10.0.0.1 echo reply' }])
  t.equal(echo.connection, null)
})

t.test('kernel mode changes more than the MAC addresses', async (t) => {
  const explained = explainer(RULES, { mode: 'kernel' }).explain(packet(SYN), 0)
  t.equal(explained.isPacketUnchanged, false)
  t.same(
    explained.changes.map(({ field, before, after }) => [
      field,
      before.slice(0, 2),
      after.slice(0, 2),
    ]),
    [
      ['destination', '02', '02'],
      ['source', '02', '02'],
      ['ttl', '64', '63'],
      ['checksum', '0x', '0x'],
    ],
  )
})

t.test('an ICMP error follows the connection that it quotes', async (t) => {
  const one = explainer()
  one.play(packet(SYN), 0)
  const reply = { source: VIP, destination: '10.0.0.1' }
  const quote = { ipv4: reply, tcp: { sport: 80, dport: 40000, flags: 'SA' } }
  const error = build({ ethernet, ipv4, icmp: { type: 3, code: 4, mtu: 1400, quote } })
  const explained = one.explain(error, 1)
  t.equal(explained.verdict.name, 'forwarded')
  t.match(explained.connection, { isRelated: true, outcome: 'hit' })
  t.equal(explained.realserver?.address, '192.168.1.3')
})

t.test('a later fragment goes where the first one went', async (t) => {
  const one = explainer()
  const udp = { ipv4: { ...ipv4, id: 7 }, udp: { sport: 1, dport: 53 }, payload: 40 }
  const [first, second] = buildFragments({ ethernet, ...udp }, 24)
  t.equal(one.explain(first, 0).realserver?.address, '192.168.1.2')
  const later = one.explain(second, 1)
  t.equal(later.verdict.name, 'forwarded')
  t.equal(later.connection, null)
  t.equal(later.realserver?.address, '192.168.1.2')
})

t.test('IPv6 takes the same steps', async (t) => {
  const one = explainer()
  const text = 'tcp [2001:db8::1]:40000 [2001:db8::110]:80'
  const opened = one.explain(packet(`${text} S`), 0)
  t.equal(opened.verdict.name, 'forwarded')
  t.equal(opened.connection?.outcome, 'created')
  t.same(opened.realserver, {
    address: '2001:db8::2',
    mac: '02:00:00:00:00:02',
    origin: 'made up',
  })
  t.match(one.explain(packet(`${text} A`), 1).connection, {
    key: 'tcp [2001:db8::1]:40000 > [2001:db8::110]:80',
    outcome: 'hit',
  })
})

t.test('frames that are nobody’s', async (t) => {
  const other = build({
    ethernet: { destination: '02:00:00:00:00:77' },
    ipv4,
    tcp: { sport: 1, dport: 80 },
  })
  t.match(explainer().explain(other, 0), { isForDirector: false, verdict: { name: 'other-host' } })
  const elsewhere = explainer().explain(packet('tcp 10.0.0.1:1 8.8.8.8:80'), 0)
  t.match(elsewhere, { destination: { isVip: false }, verdict: { name: 'not-vip' } })
  const short = explainer().explain(new Uint8Array(5), 0)
  t.match(short, {
    destination: null,
    isForDirector: false,
    verdict: { name: 'truncated-ethernet' },
  })
  t.same(explainer().explain(new Uint8Array(0), 0).layers.length <= 1, true)
})

t.test('every explanation can be printed, in lines of a terminal', async (t) => {
  const frames = [
    packet(SYN),
    packet(ACK),
    packet('tcp [2001:db8::1]:40000 [2001:db8::110]:80'),
    packet('icmp 10.0.0.1 192.168.1.110'),
    packet('udp 10.0.0.1:1 192.168.1.110:53'),
    new Uint8Array(3),
    new Uint8Array(90),
    ...Array.from({ length: 60 }, (_, length) => packet(SYN).slice(0, length)),
  ]
  for (const mode of ['textbook', 'kernel'] as const) {
    const one = explainer(RULES, { mode })
    for (const [i, frame] of frames.entries()) {
      const text = explanationText(one.explain(frame, i), PLAIN)
      const wide = text.split('\n').filter((line) => line.length > 100)
      t.same(wide, [], `frame ${i}, ${mode} mode`)
      t.ok(ENDINGS.some(({ name }) => text.includes(name)))
    }
  }
})

t.test('a service by mark, whose address only the mark rule names', async (t) => {
  const address = '192.168.1.120'
  const service = { fwmark: 7, family: 'inet' } as const
  const settings = {
    scheduler: 'rr',
    persistent: 0,
    netmask: '255.255.255.255',
    ops: false,
    pe: '',
    schedulerFlags: 0,
  }
  const explained = explainer('', {
    rules: [
      { op: 'add-mark', rule: { mark: 7, protocol: 'tcp', destination: address, ports: [80, 89] } },
      { op: 'add-service', service, settings },
      {
        op: 'add-destination',
        service,
        destination: { address: '192.168.1.5', port: 0 },
        settings: { method: 'route', weight: 1, upperThreshold: 0, lowerThreshold: 0 },
      },
    ],
  }).explain(packet(`tcp 10.0.0.1:40000 ${address}:85 S`), 0)
  t.equal(explained.verdict.name, 'forwarded')
  t.same(explained.service, { key: 'fwm 7 inet', scheduler: 'rr', persistent: 0 })
  t.same(explained.destination, { address, isVip: true })
  t.match(explained.choice, { chosen: /^192\.168\.1\.5:/, by: 'scheduler' })
})
