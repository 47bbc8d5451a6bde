import t from 'tap'
import { chosen } from './load.js'

t.test('the first that is idle, whatever its weight; else as sed', async (t) => {
  t.equal(chosen('nq', [{ weight: 1 }, { weight: 9 }]), '0')
  t.equal(chosen('nq', [{ weight: 9, active: 1 }, { weight: 1 }]), '1')
  t.equal(chosen('nq', [{ weight: 0 }, { weight: 9, over: true }, { weight: 1 }]), '2')
  t.equal(
    chosen('nq', [
      { weight: 1, active: 1 },
      { weight: 9, active: 1 },
    ]),
    '1',
  )
  t.equal(chosen('nq', [{ weight: 0, active: 1 }]), '-')
})
