/** What a benchmark says while it runs. */
import t from 'tap'
import { Progress } from '../../src/bench/progress.js'

function watched(isTTY: boolean, columns = 60) {
  const written: string[] = []
  let now = 0
  const stream = { isTTY, columns, write: (text: string) => written.push(text) }
  const progress = new Progress(stream, 100, () => now)
  return {
    progress,
    written,
    pass: (seconds: number) => {
      now += seconds * 1000
    },
  }
}

t.test('on a terminal: a bar, time left, what is measured, in one line that fits', async (t) => {
  const { progress, written, pass } = watched(true)
  progress.tell(0, 'round 1 of 2, uipvs af_xdp', 'start')
  t.equal(
    written.pop(),
    '\r\x1b[K[....................] 0 %, 1:40 left  round 1 of 2, uipvs ',
    'the estimate, before anything is known',
  )
  pass(30)
  progress.tell(0.25, 'round 1', 'full speed')
  t.equal(written.pop(), '\r\x1b[K[#####...............] 25 %, 1:30 left  round 1: full speed')
  progress.end()
  t.equal(written.pop(), '\r\x1b[K', 'gone, so that figures can be printed')
})

t.test('elsewhere: one line for each step', async (t) => {
  const { progress, written, pass } = watched(false)
  progress.tell(0, 'round 1', 'start')
  progress.tell(0.1, 'round 1', 'full speed')
  pass(60)
  progress.tell(0.5, 'round 2', 'start')
  progress.end()
  t.same(written, ['uipvs: 0 %, 1:40 left: round 1\n', 'uipvs: 50 %, 1:00 left: round 2\n'])
})
