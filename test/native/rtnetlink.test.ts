/** Which changes of a network a watch hears of, and that it hears of nothing else. */
import t from 'tap'
import { NetworkWatch } from '../../src/native/rtnetlink.js'
import { makeNamespaces } from '../namespaces.js'

t.test('changes of a namespace', async (t) => {
  const lab = makeNamespaces(t, { hosts: ['a', 'b'], links: [['a:eth0', 'b:eth0']] })
  if (lab === undefined) return
  const watch = lab.inside('a', () => new NetworkWatch())
  t.teardown(() => watch.close())
  watch.takeChange()
  t.notOk(watch.takeChange(), 'nothing yet')
  for (const command of [
    'ip addr add 192.0.2.1/24 dev eth0',
    'ip route add 198.51.100.0/24 via 192.0.2.9',
    'ip route add 203.0.113.0/24 via 192.0.2.9 table 77',
    'ip -6 addr add 2001:db8::1/64 dev eth0 nodad',
    'ip -6 route add default via 2001:db8::9',
    'ip route del 198.51.100.0/24',
    'ip addr del 192.0.2.1/24 dev eth0',
    'ip link set eth0 mtu 1400',
    'ip link set eth0 down',
    'ip link add new0 type veth peer name new1',
  ]) {
    lab.run('a', command)
    t.ok(watch.takeChange(), command)
    t.notOk(watch.takeChange(), 'told once')
  }
  lab.run('a', 'ip neigh replace 192.0.2.7 lladdr 02:00:00:00:00:07 dev new0')
  lab.run('b', 'ip addr add 192.0.2.2/24 dev eth0')
  t.notOk(watch.takeChange(), 'neither neighbours nor other namespaces')
})

t.test('more than the socket has room for', async (t) => {
  const lab = makeNamespaces(t, { hosts: ['a'], links: [] })
  if (lab === undefined) return
  const watch = lab.inside('a', () => new NetworkWatch())
  t.teardown(() => watch.close())
  const adding = `{ for (i = 0; i < 3000; i++) print "route add blackhole 10.1." int(i / 256) "." i % 256 }`
  lab.run('a', `awk 'BEGIN ${adding}' | ip -batch -`)
  t.ok(watch.takeChange())
  while (watch.takeChange());
  lab.run('a', 'ip route add blackhole 10.2.0.0/16')
  t.ok(watch.takeChange(), 'it goes on hearing')
})
