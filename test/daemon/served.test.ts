import t from 'tap'
import type { MarkRule, ServiceKey } from '../../src/balance/rule.js'
import { servedBy } from '../../src/daemon/served.js'
import { addService, key, makeBook } from '../balance/rule-book.js'

const mark = (fwmark: number, family: 'inet' | 'inet6' = 'inet'): ServiceKey => ({ fwmark, family })
const vip = '192.168.1.110'

function served(services: readonly ServiceKey[], rules: readonly MarkRule[]) {
  const book = makeBook()
  for (const service of services) book.apply(addService(service))
  for (const rule of rules) book.apply({ op: 'add-mark', rule })
  return servedBy(book)
}

t.test('the addresses of services', async (t) => {
  const service = key(80)
  t.same(served([service], []), { vips: [vip], services: [service] })
})

t.test('an address that a rule names, if its mark has a service of that family', async (t) => {
  const rule: MarkRule = { mark: 1, protocol: 'tcp', destination: vip, ports: [80, 81] }
  const ports = [80, 81].map((port) => ({ protocol: 'tcp', address: vip, port }))
  t.same(served([mark(1)], [rule]), { vips: [vip], services: ports })
  t.same(served([mark(2)], [rule]), { vips: [], services: [] })
  t.same(served([mark(1, 'inet6')], [rule]), { vips: [], services: [] })
  t.same(served([mark(1)], [{ mark: 1, destination: '192.168.1.0/24' }]).vips, [])
  t.same(served([mark(1, 'inet6')], [{ mark: 1, destination: '2001:db8::1/128' }]).vips, [
    '2001:db8::1',
  ])
})

t.test('what the own kernel is kept from', async (t) => {
  const guarded = (rule: Partial<MarkRule>) =>
    served([mark(1)], [{ mark: 1, destination: vip, ...rule }]).services.map(
      ({ protocol, port }) => `${protocol} ${port}`,
    )
  t.same(guarded({}), ['tcp 0', 'udp 0', 'sctp 0'])
  t.same(guarded({ protocol: 'udp' }), ['udp 0'])
  t.same(guarded({ protocol: 'udp', ports: [53, 53] }), ['udp 53'])
  t.equal(guarded({ protocol: 'udp', ports: [1, 1024] }).length, 1024)
  t.same(guarded({ protocol: 'udp', ports: [1, 1025] }), ['udp 0'])
  t.same(guarded({ protocol: 'icmp' }), [])
})
