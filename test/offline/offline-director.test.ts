/** Time, neighbours and rules of a director that has no network. */
import t from 'tap'
import { ENDINGS } from '../../src/engine/verdict.js'
import { RefusedRule } from '../../src/offline/offline-director.js'
import { addressKey, parseMacs } from '../../src/offline/surroundings.js'
import { parseIpv4 } from '../../src/wire/address.js'
import { build } from '../../src/wire/build.js'
import { DIRECTOR, explainer, packet, RULES } from './harness.js'

const CLIENT = 'tcp 10.0.0.1:40000 192.168.1.110:80'

function verdictName(verdict: number): string {
  return ENDINGS[verdict].name
}

t.test('a connection lives as long as Linux lets it', async (t) => {
  const one = explainer()
  t.equal(verdictName(one.play(packet(`${CLIENT} S`), 0)), 'forwarded')
  t.equal(verdictName(one.play(packet(`${CLIENT} A`), 59_000)), 'forwarded', 'SYN_RECV: 60 s')
  t.equal(verdictName(one.play(packet(`${CLIENT} A`), 958_000)), 'forwarded', '900 s')
  t.equal(verdictName(one.play(packet(`${CLIENT} A`), 1_859_000)), 'not-an-opening')
  t.equal(one.offline.director.balancer.connections4.count, 0)
})

t.test('time may leap by centuries, and back', async (t) => {
  const one = explainer()
  const times = [0, 4e12, 8e12, 1, 8e12 + 1000, Number.MAX_SAFE_INTEGER]
  const verdicts = times.map((ms) => verdictName(one.play(packet(`${CLIENT} A`), ms)))
  t.same(new Set(verdicts), new Set(['not-an-opening']))
  t.equal(verdictName(one.play(packet(`${CLIENT} S`), 5)), 'forwarded')
  t.equal(verdictName(one.play(packet(`${CLIENT} A`), 4)), 'forwarded', 'back: no time passes')
  t.equal(one.offline.director.balancer.connections4.count, 1)
  t.equal(verdictName(one.play(packet(`${CLIENT} A`), 1e300)), 'not-an-opening')
  t.equal(one.offline.director.balancer.connections4.count, 0)
})

t.test('a template outlives its connections by its own time', async (t) => {
  const rules = RULES.replace('-s wlc', '-s rr -p 3600')
  const one = explainer(rules)
  const first = one.explain(packet('tcp 10.0.0.1:1 192.168.1.110:80 S'), 0)
  one.play(packet('tcp 10.0.0.9:1 192.168.1.110:80 S'), 1)
  const again = one.explain(packet('tcp 10.0.0.1:2 192.168.1.110:80 S'), 3_500_000)
  t.equal(again.choice?.by, 'template')
  t.equal(again.choice?.chosen, first.choice?.chosen)
  const late = one.explain(packet('tcp 10.0.0.1:3 192.168.1.110:80 S'), 3_500_000 + 7_300_000)
  t.equal(late.choice?.by, 'scheduler')
})

t.test('a scheduler that remembers for a day is left that day', async (t) => {
  const one = explainer(
    RULES.replace('-s wlc', '-s lblc').replace('.4:80 -g -w 0', '.4:80 -g -w 9'),
  )
  const syn = (client: number) => packet(`tcp 10.0.0.${client}:1 192.168.1.110:80 S`)
  const first = one.explain(syn(1), 0).choice?.chosen
  // Traffic keeps the memory alive; the clock runs on, however long each pause.
  for (let hour = 1; hour <= 30; hour++) {
    t.equal(one.explain(syn(hour + 1), hour * 3_600_000).choice?.chosen, first)
  }
  one.offline.advanceTo(100 * 3_600_000)
  t.equal(one.offline.now, 78 * 3_600_000 + 1_020_000, 'two days and what lives shorter')
})

t.test('MAC addresses: given, seen, made up; and they never grow old', async (t) => {
  const reply = build({
    ethernet: { source: '02:aa:00:00:00:03', destination: DIRECTOR },
    arp: {
      operation: 'reply',
      senderMac: '02:aa:00:00:00:03',
      sender: '192.168.1.3',
      target: '192.168.1.1',
    },
  })
  const syn = packet(`${CLIENT} S`)
  const one = explainer()
  const made = one.explain(syn, 0).realserver
  t.same(made, { address: '192.168.1.3', mac: '02:00:c0:a8:01:03', origin: 'made up' })
  t.equal(verdictName(one.play(reply, 1)), 'neighbour-learned')
  const seen = { address: '192.168.1.3', mac: '02:aa:00:00:00:03', origin: 'seen' }
  t.same(one.explain(syn, 2).realserver, seen)
  for (let s = 10; s < 600; s += 10) one.play(syn, s * 1000)
  t.same(one.explain(syn, 600_000).realserver, seen, 'after ten minutes')
  const macs = parseMacs(['192.168.1.3=02:bb:00:00:00:03'])
  if (typeof macs === 'string') throw new Error(macs)
  const other = explainer(RULES, { macs })
  other.play(reply, 0)
  const given = { address: '192.168.1.3', mac: '02:bb:00:00:00:03', origin: 'given' }
  t.same(other.explain(syn, 1).realserver, given, 'whatever the capture says')
})

t.test('MAC addresses of the command line', async (t) => {
  t.equal(parseMacs(['192.168.1.2=02:00:00:00:00:02', 'x=y']), 'x=y')
  t.equal(parseMacs(['192.168.1.2']), '192.168.1.2')
  const macs = parseMacs(['192.168.1.2=02-00-00-00-00-07'])
  const key = addressKey(4, Int32Array.of(parseIpv4('192.168.1.2') as number, 0, 0, 0))
  t.same(typeof macs !== 'string' && macs.get(key), { high: 0x0200, low: 7 })
})

t.test('VIPs are not announced: the director has stood for a while', async (t) => {
  const one = explainer()
  for (const ms of [0, 500, 5000]) t.same(one.explain(packet(`${CLIENT} S`), ms).answers, [])
})

t.test('127.0.0.1 is the director itself', async (t) => {
  const one = explainer('-A -t 1.2.3.4:80 -s rr\n-a -t 1.2.3.4:80 -r 127.0.0.1:80 -g')
  const explained = one.explain(packet('tcp 10.0.0.1:1 1.2.3.4:80'), 0)
  t.equal(explained.hexAfter, null, 'it does not leave')
  t.same(explained.realserver, { address: '127.0.0.1', mac: null, origin: 'itself' })
})

t.test('a rule that is refused is told by its number', async (t) => {
  const twice = `-A -t 1.2.3.4:80 -s rr\n-A -t 1.2.3.4:80 -s rr`
  t.throws(() => explainer(twice), { name: RefusedRule.name, index: 1, message: /exists already/ })
})
