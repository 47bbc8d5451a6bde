/** What bench/wire makes of what it measured. */
import t from 'tap'
import type { ContestantName } from '../../bench/wire/contestants.js'
import { disagreements, disturbance, spreadOf, summarize, table } from '../../bench/wire/report.js'
import type { Load, Measurement } from '../../bench/wire/round.js'

function measured(
  contestant: ContestantName,
  round: number,
  differing: Partial<Measurement> = {},
  load: Load = 'unlimited',
): Measurement {
  return {
    round,
    contestant,
    load,
    offered: 1000,
    delivered: 1000,
    received: 1000,
    deliveredRate: 500_000,
    receivedRate: 400_000,
    passedMs: 1000,
    busyMs: 1,
    stolenMs: 0,
    interruptsMs: 0,
    ownMs: 0,
    involvedMs: 1,
    counts: null,
    ...differing,
  }
}

const counts = { forwarded: 1000, frames: 1000, ringDrops: 0, sendErrors: 0, ownFrames: 0 }
const alone = measured('generator', 0, { received: 0, busyMs: 1, involvedMs: 2 })

t.test('the median, and the middle of two', async (t) => {
  t.same(spreadOf([3, 1, 2]), { median: 2, least: 1, most: 3 })
  t.same(spreadOf([4, 1, 2, 10]), { median: 3, least: 1, most: 10 })
})

t.test('the generator pays for its own frames, whether they arrive or not', async (t) => {
  const half = measured('af_packet', 0, {
    delivered: 2000,
    received: 1000,
    busyMs: 5,
    involvedMs: 7,
    ownMs: 2,
  })
  const [first, second] = summarize([alone, half])
  t.equal(first.contestant, 'generator')
  t.equal(first.machineMicroseconds.median, 1, 'nothing is taken off its own')
  // 5 ms less 2000 frames of 1 µs, over 1000 frames; 7 ms less 2000 frames of 2 µs.
  t.equal(second.machineMicroseconds.median, 3)
  t.equal(second.involvedMicroseconds.median, 3)
  t.equal(second.ownMicroseconds.median, 2)
  t.equal(second.loss.median, 0.5)
})

t.test('the share is that of the same round and load', async (t) => {
  const summaries = summarize([
    alone,
    measured('generator', 1, { busyMs: 3 }),
    measured('generator', 1, { busyMs: 100 }, 'fixed'),
    measured('ip_forward', 1, { busyMs: 4 }),
  ])
  const kernel = summaries.find((summary) => summary.contestant === 'ip_forward')
  t.equal(kernel?.machineMicroseconds.median, 1)
  t.match(table(summaries, 'unlimited'), /kernel ip_forward +400 400\.\.400 +0\.00 .* 1\.00 .* -$/m)
  t.notMatch(table(summaries, 'fixed'), /ip_forward/)
})

t.test('counters that agree, and all the ways in which they do not', async (t) => {
  const sayings = (contestant: ContestantName, differing: Partial<Measurement>) =>
    disagreements([measured(contestant, 0, differing)]).length
  t.equal(sayings('af_packet', { counts }), 0)
  t.equal(sayings('af_packet', { counts: { ...counts, sendErrors: 10 }, received: 990 }), 0)
  t.equal(sayings('af_packet', { counts: { ...counts, ownFrames: 3 }, received: 1003 }), 0)
  t.equal(sayings('af_packet', { counts: { ...counts, forwarded: 999 } }), 1)
  t.equal(sayings('af_packet', { counts, received: 999 }), 1)
  t.equal(sayings('ip_forward', { received: 5 }), 1, 'a contestant that forwards nothing')
  t.equal(sayings('generator', { received: 1 }), 1, 'frames that nobody can have forwarded')
  t.equal(sayings('generator', { received: 0 }), 0)
})

t.test('who else used the machine', async (t) => {
  const quiet = measured('libpcap', 0, { busyMs: 840, involvedMs: 800 })
  t.equal(disturbance([quiet, alone]), '')
  const busy = measured('libpcap', 1, { busyMs: 900, involvedMs: 800 })
  t.match(disturbance([quiet, busy]), /in 1 of 2 stretches, up to 10 % of a processor/)
})
