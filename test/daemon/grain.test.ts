/** How coarsely clients are divided: by the coarsest mask, and not under connections' feet. */
import t from 'tap'
import type { Rule } from '../../src/balance/rule.js'
import { Grain } from '../../src/daemon/grain.js'
import { addDestination, addService, editService, key, VIP6 } from '../balance/rule-book.js'

const mask = (netmask: string, persistent = 60): Rule =>
  addService(key(), { scheduler: 'rr', persistent, netmask })
const prefix = (netmask: string): Rule =>
  addService(key(80, 'tcp', VIP6), { persistent: 60, netmask })

t.test('the coarsest mask of persistent services counts, and stays', async (t) => {
  const grain = new Grain()
  t.same(grain.value, { mask4: -1, prefix6: 128 }, 'every address by itself')
  for (const rule of [addService(), addDestination('10.0.0.1'), mask('255.0.0.0', 0)]) {
    grain.include(rule)
  }
  t.same(grain.value, { mask4: -1, prefix6: 128 }, 'these tie nobody together')
  grain.include(mask('255.255.255.0'))
  grain.include(mask('255.255.255.128'))
  grain.include(prefix('64'))
  t.same(grain.value, { mask4: -256, prefix6: 64 })
  grain.include(editService(key(), { persistent: 60, netmask: '255.255.0.0' }))
  grain.include({ op: 'flush' })
  t.same(grain.value, { mask4: -65_536, prefix6: 64 })
})

t.test('with connections only what changes nothing is admitted', async (t) => {
  const grain = new Grain()
  grain.include(mask('255.255.255.0'))
  const refused = (rule: Rule, connections = 1) =>
    grain.refuse([{ op: 'flush' }, rule], connections)
  t.match(refused(mask('255.255.0.0')), { index: 1, error: { code: 'EINVAL' } })
  t.match(refused(prefix('64'))?.error.message, /make the service before there are any/)
  t.match(refused(editService(key(), { persistent: 1, netmask: '0.0.0.0' })), { index: 1 })
  t.equal(refused(mask('255.255.0.0'), 0), null)
  t.equal(refused(mask('255.255.255.0')), null)
  t.equal(refused(mask('255.255.255.255')), null)
  t.equal(refused(mask('255.0.0.0', 0)), null)
  t.same(grain.value, { mask4: -256, prefix6: 128 }, 'nothing is changed by asking')
})
