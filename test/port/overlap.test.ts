import fc from 'fast-check'
import t from 'tap'
import { Overlap } from '../../src/port/overlap.js'

const OLD = true
const NEW = false

t.test('the same frame from both handles is taken once, whichever comes first', (t) => {
  for (const first of [OLD, NEW]) {
    const overlap = new Overlap()
    const bytes = Buffer.from('a frame, and what is left of another in the buffer')
    t.equal(overlap.isNew(bytes, 7, first), true)
    t.equal(overlap.isNew(bytes, 7, !first), false)
    t.equal(overlap.isNew(bytes, 7, first), true, 'the next of the same bytes is another frame')
    t.equal(overlap.isNew(bytes, 8, !first), true, 'other bytes')
  }
  t.end()
})

t.test('in any interleaving, each frame of the overlap is taken exactly once', (t) => {
  const frames = fc.array(fc.nat(3), { maxLength: 12 })
  fc.assert(
    fc.property(frames, frames, frames, fc.array(fc.boolean()), (before, during, after, order) => {
      // Both handles keep the order of the wire. What comes before, and after, differs from the
      // rest.
      const ofOld = [...before.map((f) => f + 10), ...during]
      const ofNew = [...during, ...after.map((f) => f + 20)]
      const overlap = new Overlap()
      const taken: number[] = []
      const take = (frame: number | undefined, isOld: boolean) => {
        if (frame === undefined) return
        if (overlap.isNew(Buffer.of(frame), 1, isOld)) taken.push(frame)
      }
      for (const isOld of order) take((isOld ? ofOld : ofNew).shift(), isOld)
      while (ofOld.length > 0) take(ofOld.shift(), OLD)
      while (ofNew.length > 0) take(ofNew.shift(), NEW)
      const sent = [...before.map((f) => f + 10), ...during, ...after.map((f) => f + 20)]
      return taken.sort().join() === sent.sort().join()
    }),
    { seed: 20260104 },
  )
  t.pass()
  t.end()
})
