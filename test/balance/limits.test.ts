import t from 'tap'
import { Balancer } from '../../src/balance/balancer.js'
import { DEFAULT_LIMITS } from '../../src/balance/limits.js'

t.test('a million connections fit, and the tables into what a small machine has', async (t) => {
  t.equal(DEFAULT_LIMITS.connections4, 2 ** 20)
  const bytes = Balancer.bytes(DEFAULT_LIMITS)
  t.ok(bytes < 256 * 2 ** 20, `${bytes} bytes`)
})
