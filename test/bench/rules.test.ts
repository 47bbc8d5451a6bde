/** Which rules can be raced under, and what the generator sends for them. */
import t from 'tap'
import { DEFAULT_RULES, UnfitRules, wireRules } from '../../src/bench/wire/rules.js'
import { readRules } from '../../src/cli/rules-file.js'

const of = (text: string) => wireRules(text, readRules(text, 'test'))

t.test('the default has one UDP service and three realservers', async (t) => {
  const { text, targets, vips, realservers } = of(DEFAULT_RULES)
  t.equal(text, DEFAULT_RULES)
  t.same(targets, [{ protocol: 'udp', address: '10.77.0.100', port: 9 }])
  t.same(vips, ['10.77.0.100'])
  t.same(realservers, ['10.78.0.2', '10.78.0.3', '10.78.0.4'])
})

t.test('several services: each is sent to, each address is named once', async (t) => {
  const { targets, vips, realservers } = of(
    [
      '-A -t 10.0.0.1:80 -s wlc',
      '-a -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 1',
      '-a -t 10.0.0.1:80 -r 10.1.0.2:80 -g -w 0',
      '-A -u 10.0.0.1:0 -s rr -p 60',
      '-a -u 10.0.0.1:0 -r 10.1.0.1:0 -g -w 1',
    ].join('\n'),
  )
  t.same(targets, [
    { protocol: 'tcp', address: '10.0.0.1', port: 80 },
    { protocol: 'udp', address: '10.0.0.1', port: 9 },
  ])
  t.same(vips, ['10.0.0.1'])
  t.same(realservers, ['10.1.0.1', '10.1.0.2'])
})

t.test('what nobody could be measured with is refused, and why', async (t) => {
  const realserver = (service: string, more = '-g -w 1') => `-a ${service} -r 10.1.0.1:80 ${more}`
  const web = '-t 10.0.0.1:80'
  const cases: [string, RegExp][] = [
    ['', /no service/],
    [`-A ${web} -s rr`, /tcp 10.0.0.1:80 has no realserver/],
    [`-A ${web} -s rr\n${realserver(web, '-g -w 0')}`, /has no realserver with a weight/],
    [`-A ${web} -s rr\n${realserver(web, '-m -w 1')}`, /10.1.0.1 is not for Direct Routing/],
    [`-A -f 5 -s rr\n-a -f 5 -r 10.1.0.1 -g`, /firewall mark/],
    [`-A -t [2001:db8::1]:80 -s rr`, /IPv6/],
    [`-A --sctp-service 10.0.0.1:80 -s rr`, /SCTP/],
    ['-C', /other than -A and -a/],
    [`-A ${web} -s rr\n-a ${web} -r 10.0.0.1:80 -g`, /both a VIP and a realserver/],
  ]
  for (const [text, message] of cases) {
    t.throws(() => of(text), Object.assign(new UnfitRules(''), { message }), text)
  }
})
