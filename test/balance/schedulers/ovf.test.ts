import t from 'tap'
import { chosen } from './load.js'

t.test('the greatest weight that has no more active connections than that', async (t) => {
  t.equal(chosen('ovf', [{ weight: 1 }, { weight: 3, active: 3 }]), '1', 'as many are not too many')
  t.equal(chosen('ovf', [{ weight: 1 }, { weight: 3, active: 4 }]), '0')
  t.equal(
    chosen('ovf', [
      { weight: 1, active: 2 },
      { weight: 3, active: 4 },
    ]),
    '-',
  )
  t.equal(chosen('ovf', [{ weight: 1 }, { weight: 3, over: true }, { weight: 0 }]), '0')
})
