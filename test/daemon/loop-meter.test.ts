import t from 'tap'
import {
  BREATH_BUCKETS,
  LOOP_CELLS,
  LoopMeter,
  loopTimes,
  sumOfLoops,
} from '../../src/daemon/loop-meter.js'

function make() {
  const cells = new Float64Array(LOOP_CELLS)
  return { meter: new LoopMeter(cells), times: () => loopTimes(cells) }
}

/** The bucket that a breath of so many microseconds falls into. */
function bucketOf(microseconds: number): number {
  const { meter, times } = make()
  meter.breath(microseconds / 1000, 1)
  return times().breaths.indexOf(1)
}

t.test('buckets: each bound is the last value of its own', async (t) => {
  t.equal(bucketOf(0), 0)
  t.equal(bucketOf(0.08), 0)
  t.equal(bucketOf(1), 0)
  t.equal(bucketOf(1.001), 1)
  t.equal(bucketOf(2), 1)
  t.equal(bucketOf(2.5), 2)
  t.equal(bucketOf(4), 2)
  t.equal(bucketOf(4.0001), 3)
  t.equal(bucketOf(1024), 10)
  t.equal(bucketOf(32_768), 15)
  t.equal(bucketOf(32_769), BREATH_BUCKETS - 1)
  t.equal(bucketOf(3_600_000_000), BREATH_BUCKETS - 1)
})

t.test('breaths without frames are no work, but can be a gap', async (t) => {
  const { meter, times } = make()
  meter.breath(0.5, 0)
  t.same(times(), {
    breaths: new Array(BREATH_BUCKETS).fill(0),
    busyMs: 0,
    gaps: 0,
    longestGapMs: 0,
  })
  meter.breath(3, 0)
  meter.breath(1, 64)
  meter.breath(2, 64)
  meter.gap(0.2)
  meter.gap(2.5)
  t.match(times(), { busyMs: 3, gaps: 3, longestGapMs: 3 })
})

t.test('several meters as one', async (t) => {
  const cells = [new Float64Array(LOOP_CELLS), new Float64Array(LOOP_CELLS)]
  const [first, second] = cells.map((each) => new LoopMeter(each))
  first.breath(0.003, 5)
  first.gap(7)
  second.breath(0.003, 5)
  second.breath(20, 1)
  const { breaths, busyMs, gaps, longestGapMs } = loopTimes(sumOfLoops(cells))
  t.same([breaths[2], gaps, longestGapMs], [2, 2, 20])
  t.equal(Math.round(busyMs), 20)
})
