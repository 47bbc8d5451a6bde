import t from 'tap'
import { RateLimit } from '../../src/engine/rate-limit.js'

t.test('a burst at once, then so many a second', async (t) => {
  const limit = new RateLimit(10, 5)
  const taken = (now: number, tries: number) =>
    Array.from({ length: tries }, () => limit.take(now)).filter(Boolean).length
  t.equal(taken(0, 8), 5)
  t.equal(taken(99, 3), 0)
  t.equal(taken(100, 3), 1)
  t.equal(taken(350, 5), 2, 'two and a half, of which two can be taken')
  t.equal(taken(400, 5), 1, 'and the half was kept')
  t.equal(taken(1e9, 8), 5, 'no more than a burst after a long rest')
})

t.test('over a long time no more than the rate', async (t) => {
  const limit = new RateLimit(1000, 1000)
  let taken = 0
  for (let now = 0; now < 10_000; now += 0.25) if (limit.take(now)) taken++
  t.ok(taken >= 10_990 && taken <= 11_000, `${taken}`)
})

t.test('none, and no limit', async (t) => {
  const none = new RateLimit(0, 0)
  const any = new RateLimit(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)
  for (let now = 0; now < 100; now += 50) {
    t.notOk(none.take(now))
    for (let i = 0; i < 1000; i++) if (!any.take(now)) t.fail('limited')
  }
})
