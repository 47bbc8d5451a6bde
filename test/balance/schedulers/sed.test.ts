import t from 'tap'
import { chosen } from './load.js'

t.test('the fewest active connections, the new one among them, for the weight', async (t) => {
  t.equal(chosen('sed', [{ weight: 1 }, { weight: 2 }]), '1', '1/1 against 1/2')
  t.equal(chosen('sed', [{ weight: 1 }, { weight: 2, active: 1 }]), '0', 'a tie: the first')
  t.equal(chosen('sed', [{ weight: 1 }, { weight: 2, active: 2 }]), '0')
  t.equal(
    chosen('sed', [
      { weight: 1, active: 1 },
      { weight: 2, active: 2 },
    ]),
    '1',
  )
  t.equal(chosen('sed', [{ weight: 0 }, { weight: 1, active: 99 }]), '1')
  t.equal(chosen('sed', [{ weight: 9, over: true }, { weight: 1, active: 99 }, { weight: 0 }]), '1')
  t.equal(chosen('sed', [{ weight: 9, over: true }]), '-')
  const huge = { weight: 2_147_483_647, active: 2_000_000_000 }
  t.equal(chosen('sed', [{ ...huge, weight: 2_147_483_646 }, huge]), '1', 'beyond 2^53')
})
