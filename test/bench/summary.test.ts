/** What bench/wire makes of what it measured. */
import t from 'tap'
import { textTable } from '../../src/bench/report/table.js'
import type { Load, Measurement, Turn } from '../../src/bench/wire/round.js'
import {
  differingRules,
  disagreements,
  disturbance,
  spreadOf,
  summarize,
  summarizeNoLoss,
} from '../../src/bench/wire/summary.js'
import { loadTable, noLossTable } from '../../src/bench/wire/tables.js'

const NAMES = ['generator', 'ip_forward', 'af_packet', 'libpcap']
const TITLES = new Map([['ip_forward', 'kernel ip_forward']])

function measured(
  contestant: string,
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
  const [first, second] = summarize([alone, half], NAMES)
  t.equal(first.contestant, 'generator')
  t.equal(first.machineMicroseconds.median, 1, 'nothing is taken off its own')
  // 5 ms less 2000 frames of 1 µs, over 1000 frames; 7 ms less 2000 frames of 2 µs.
  t.equal(second.machineMicroseconds.median, 3)
  t.equal(second.involvedMicroseconds.median, 3)
  t.equal(second.ownMicroseconds.median, 2)
  t.equal(second.loss.median, 0.5)
})

t.test('the share is that of the same round and load', async (t) => {
  const summaries = summarize(
    [
      alone,
      measured('generator', 1, { busyMs: 3 }),
      measured('generator', 1, { busyMs: 100 }, 'fixed'),
      measured('ip_forward', 1, { busyMs: 4 }),
    ],
    NAMES,
  )
  const kernel = summaries.find((summary) => summary.contestant === 'ip_forward')
  t.equal(kernel?.machineMicroseconds.median, 1)
  const text = (load: Load) => textTable(loadTable('title', summaries, load, TITLES))
  t.match(text('unlimited'), /^kernel ip_forward +400 \(400\.\.400\) +0\.00 .* 1\.00 /m)
  t.notMatch(text('fixed'), /ip_forward/)
})

t.test('counters that agree, and all the ways in which they do not', async (t) => {
  const sayings = (contestant: string, differing: Partial<Measurement>) =>
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

function turn(contestant: string, round: number, differing: Partial<Turn>): Turn {
  const nothing = { measurements: [], trials: [], noLoss: null, rules: null }
  return { round, contestant, ...nothing, ...differing }
}

t.test('the rate without loss, and where it is only the least that it can be', async (t) => {
  const found = (rate: number, isGeneratorsLimit: boolean) => ({
    noLoss: { rate, isGeneratorsLimit },
  })
  const turns = [
    turn('generator', 0, {}),
    turn('af_packet', 0, found(300_000, false)),
    turn('af_packet', 1, found(100_000, false)),
    turn('ip_forward', 0, found(900_000, true)),
  ]
  const summaries = summarizeNoLoss(turns, NAMES)
  t.same(
    summaries.map(({ contestant, rate }) => [contestant, rate.median, rate.least]),
    [
      ['ip_forward', 900_000, 900_000],
      ['af_packet', 200_000, 100_000],
    ],
  )
  const text = textTable(noLossTable('title', summaries, TITLES))
  t.match(text, /^kernel ip_forward +≥ 900 /m)
  t.match(text, /^af_packet +200 \(100\.\.300\)$/m)
})

t.test('a contestant with other rules is named', async (t) => {
  const turns = [
    turn('ip_forward', 0, {}),
    turn('af_xdp', 0, { rules: '-A -u 10.0.0.1:9 -s rr\n' }),
    turn('af_packet', 0, { rules: '-A -u 10.0.0.1:9 -s rr\n' }),
  ]
  t.same(differingRules(turns), [])
  const services = ['-A -u 10.0.0.1:9 -s rr\n-a 1\n-a 2\n', '-A -t 10.0.0.1:9 -s rr\n']
  const both = turn('af_xdp', 0, { rules: services.join('') })
  const order = turn('ipvs', 0, { rules: `${services[1]}${services[0]}` })
  t.same(differingRules([both, order]), [], 'the order is theirs')
  const moved = '-A -u 10.0.0.1:9 -s rr\n-a 1\n-A -t 10.0.0.1:9 -s rr\n-a 2\n'
  t.equal(differingRules([both, turn('ipvs', 0, { rules: moved })]).length, 1)
  const other = turn('libpcap', 1, { rules: '' })
  t.same(differingRules([...turns, other]), ['libpcap, round 1: its rules are not those of af_xdp'])
})
