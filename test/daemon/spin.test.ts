import t from 'tap'
import { SPIN_MS_MAX, SPIN_MS_MIN, Spin } from '../../src/daemon/spin.js'

/** Frames `gap` ms apart, one after the other; how often the worker slept, and the ms it looked. */
function live(spin: Spin, gap: number, frames: number): { sleeps: number; looked: number } {
  let sleeps = 0
  let looked = 0
  for (let i = 0; i < frames; i++) {
    looked += Math.min(gap, spin.ms)
    if (gap <= spin.ms) continue
    sleeps++
    spin.slept(gap - spin.ms)
  }
  return { sleeps, looked }
}

t.test('frames close enough together find it awake, after a few sleeps', async (t) => {
  for (const gap of [0.005, 0.02, 0.05, SPIN_MS_MAX]) {
    t.ok(live(new Spin(), gap, 1000).sleeps <= 4, `${gap} ms`)
  }
})

t.test('frames further apart find it asleep, and it looks for no longer than ever', async (t) => {
  for (const gap of [SPIN_MS_MAX * 1.01, 0.1, 1, 40]) {
    const { sleeps, looked } = live(new Spin(), gap, 1000)
    t.equal(sleeps, 1000, `${gap} ms`)
    t.ok(looked < 1001 * SPIN_MS_MIN, `${looked} ms of looking`)
  }
})

t.test('when nothing comes any more it is as at first, after four sleeps', async (t) => {
  const spin = new Spin()
  live(spin, SPIN_MS_MAX, 1000)
  t.equal(spin.ms, SPIN_MS_MAX)
  for (let i = 0; i < 4; i++) spin.slept(40)
  t.equal(spin.ms, SPIN_MS_MIN)
})
