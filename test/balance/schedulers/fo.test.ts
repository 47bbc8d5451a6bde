import t from 'tap'
import { chosen } from './load.js'

t.test('the greatest weight of those that may be chosen', async (t) => {
  t.equal(chosen('fo', [{ weight: 1 }, { weight: 9, active: 1000 }, { weight: 9 }]), '1')
  t.equal(chosen('fo', [{ weight: 1 }, { weight: 9, over: true }]), '0')
  t.equal(chosen('fo', [{ weight: 0 }]), '-')
})
