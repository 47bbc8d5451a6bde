import t from 'tap'
import {
  type Action,
  checkRealserver,
  lineOf,
  NOTHING_REMEMBERED,
  type Observed,
  planDown,
  planUp,
} from '../../src/realserver/plan.js'

const VIP = '192.168.1.110'
const VIP6 = '2001:db8:1::110'

const NAMES = ['lo', 'all'].flatMap((where) =>
  ['arp_ignore', 'arp_announce'].map((what) => `net.ipv4.conf.${where}.${what}`),
)

function fresh(values: Record<string, string> = {}): Observed {
  const sysctls = Object.fromEntries(NAMES.map((name) => [name, '0']))
  return { addresses: [], sysctls: { ...sysctls, ...values }, persistent: false }
}

/** The machine after the actions, as a model. */
function after(seen: Observed, actions: readonly Action[]): Observed {
  let { addresses, persistent } = seen
  const sysctls = { ...seen.sysctls }
  for (const action of actions) {
    if (action.kind === 'set-sysctl') sysctls[action.name] = action.value
    else if (action.kind === 'write-persistent') persistent = true
    else if (action.kind === 'remove-persistent') persistent = false
    else if (action.kind === 'delete-address') {
      addresses = addresses.filter(({ address }) => address !== action.address)
    } else {
      const prefixLength = action.address.includes(':') ? 128 : 32
      addresses = [...addresses, { interface: 'lo', address: action.address, prefixLength }]
    }
  }
  return { addresses, sysctls, persistent }
}

const idsOf = (seen: Observed, vip: string) =>
  checkRealserver(vip, seen)
    .filter(({ level }) => level === 'problem')
    .map(({ id }) => id)

t.test('up gives the article’s lines, silence first', (t) => {
  const { actions } = planUp(VIP, fresh(), NOTHING_REMEMBERED, false)
  t.same(actions.map(lineOf), [
    'sysctl -w net.ipv4.conf.lo.arp_ignore=1',
    'sysctl -w net.ipv4.conf.lo.arp_announce=2',
    'sysctl -w net.ipv4.conf.all.arp_ignore=1',
    'sysctl -w net.ipv4.conf.all.arp_announce=2',
    'ip addr add 192.168.1.110/32 dev lo',
  ])
  t.end()
})

t.test('up, up, down: as it was before, to the odd value', (t) => {
  const before = fresh({
    'net.ipv4.conf.all.arp_ignore': '8',
    'net.ipv4.conf.lo.arp_announce': '2',
  })
  const first = planUp(VIP, before, NOTHING_REMEMBERED, true)
  const up = after(before, first.actions)
  t.same(idsOf(up, VIP), [], 'nothing is wrong any more')
  const second = planUp(VIP, up, first.remember, true)
  t.same(second, { actions: [], remember: first.remember }, 'the second time does nothing')
  const down = planDown(VIP, up, second.remember)
  t.same(after(up, down.actions), before)
  t.same(down.remember, NOTHING_REMEMBERED)
  t.same(planDown(VIP, before, down.remember).actions, [], 'and again nothing')
  t.end()
})

t.test('two VIPs: the silence stays until the last IPv4 one is gone', (t) => {
  const one = planUp(VIP, fresh(), NOTHING_REMEMBERED, false)
  const seen1 = after(fresh(), one.actions)
  const two = planUp('192.168.1.111', seen1, one.remember, false)
  const seen2 = after(seen1, two.actions)
  const six = planUp(VIP6, seen2, two.remember, false)
  const seen3 = after(seen2, six.actions)
  const down1 = planDown(VIP, seen3, six.remember)
  t.same(down1.actions, [{ kind: 'delete-address', address: VIP }])
  const seen4 = after(seen3, down1.actions)
  const down2 = planDown('192.168.1.111', seen4, down1.remember)
  t.equal(down2.actions.length, 5, 'the last takes the address and the four values')
  const seen5 = after(seen4, down2.actions)
  const down3 = planDown(VIP6, seen5, down2.remember)
  t.same(after(seen5, down3.actions), fresh())
  t.same(down3.remember, NOTHING_REMEMBERED)
  t.end()
})

t.test('IPv6 needs the address and nothing else', (t) => {
  const { actions } = planUp(VIP6, fresh(), NOTHING_REMEMBERED, true)
  t.same(actions.map(lineOf), [`ip addr add ${VIP6}/128 dev lo`])
  t.same(idsOf(after(fresh(), actions), VIP6), [])
  t.end()
})

t.test('check names each thing that is wrong, with the line that mends it', (t) => {
  t.same(idsOf(fresh(), VIP), ['vip-on-lo', 'arp-ignore', 'arp-announce'])
  const silent = { 'net.ipv4.conf.all.arp_ignore': '1', 'net.ipv4.conf.all.arp_announce': '2' }
  const onEth = { interface: 'eth0', address: VIP, prefixLength: 24 }
  const wrongPlace = checkRealserver(VIP, { ...fresh(silent), addresses: [onEth] })
  t.equal(wrongPlace[0]!.fix, 'ip addr del 192.168.1.110/24 dev eth0')
  const wide = { interface: 'lo', address: VIP, prefixLength: 24 }
  t.match(checkRealserver(VIP, { ...fresh(silent), addresses: [wide] })[0], {
    level: 'problem',
    found: '192.168.1.110/24 is on lo',
  })
  // 8 would also silence the realserver's own address, by which the director finds it.
  t.same(idsOf(fresh({ ...silent, 'net.ipv4.conf.all.arp_ignore': '8' }), VIP), [
    'vip-on-lo',
    'arp-ignore',
  ])
  t.end()
})
