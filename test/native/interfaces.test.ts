/** What is read of interfaces, addresses and routes, beside what was configured. */
import t from 'tap'
import { readAddresses, readInterface, readRoutes } from '../../src/native/interfaces.js'
import { SystemCallError } from '../../src/native/libc.js'
import { makeNamespaces } from '../namespaces.js'

t.test('of a namespace, also while /sys shows another one', async (t) => {
  const lab = makeNamespaces(t, {
    hosts: ['a', 'b'],
    links: [['a:eth0', 'b:eth0']],
  })
  if (lab === undefined) return
  lab.run(
    'a',
    `ip link set eth0 mtu 1400
     ip addr add 192.0.2.1/24 dev eth0
     ip addr add 2001:db8::1/64 dev eth0 nodad
     ip route add default via 192.0.2.254
     ip route add 198.51.100.0/25 via 192.0.2.253 table 77 metric 5
     ip route add blackhole 203.0.113.9
     ip -6 route add default via 2001:db8::ff`,
  )
  const found = lab.inside('a', () => readInterface('eth0'))
  t.match(found, {
    name: 'eth0',
    mac: lab.macOf('a:eth0'),
    macHigh: 0x0200,
    macLow: 0x00000101,
    mtu: 1400,
    isUp: true,
    hardwareType: 1,
  })
  lab.run('a', 'ip link set lo down')
  t.match(
    lab.inside('a', () => readInterface('lo')),
    { isUp: false, hardwareType: 772 },
  )
  const addresses = lab.inside('a', () => readAddresses()).filter((a) => a.scope === 'global')
  t.same(addresses, [
    {
      interface: 'eth0',
      index: found.index,
      family: 4,
      address: '192.0.2.1',
      prefixLength: 24,
      scope: 'global',
    },
    {
      interface: 'eth0',
      index: found.index,
      family: 6,
      address: '2001:db8::1',
      prefixLength: 64,
      scope: 'global',
    },
  ])
  const routes = lab.inside('a', () => readRoutes())
  const has = (what: string, wanted: object) =>
    t.ok(
      routes.some((route) =>
        Object.entries(wanted).every(([key, value]) => route[key as keyof typeof route] === value),
      ),
      what,
    )
  has('default', {
    family: 4,
    destination: '0.0.0.0',
    prefixLength: 0,
    gateway: '192.0.2.254',
    interface: 'eth0',
    table: 'main',
    type: 'unicast',
  })
  has('another table', {
    destination: '198.51.100.0',
    prefixLength: 25,
    table: '77',
    metric: 5,
    gateway: '192.0.2.253',
  })
  has('blackhole', { type: 'blackhole', destination: '203.0.113.9', prefixLength: 32 })
  has('the connected network', { destination: '192.0.2.0', prefixLength: 24, gateway: undefined })
  has('its own address', {
    type: 'local',
    table: 'local',
    destination: '192.0.2.1',
    prefixLength: 32,
  })
  has('default of IPv6', { family: 6, destination: '::', prefixLength: 0, gateway: '2001:db8::ff' })
  const other = lab.inside('b', () => readRoutes())
  t.notOk(
    other.some((route) => route.family === 4 && route.interface === 'eth0'),
    'another namespace has its own',
  )
})

t.test('an interface that is not there', async (t) => {
  t.throws(() => readInterface('nowhere0'), { code: 'ENODEV', message: /nowhere0.*ip link/ })
  t.throws(() => readInterface('nowhere0'), SystemCallError)
  t.throws(() => readInterface(''), { code: 'ENODEV', message: /\(""\); .*1 to 15 bytes/ })
  t.throws(() => readInterface('x'.repeat(16)), { code: 'ENODEV', message: /"x{16}"/ })
})
