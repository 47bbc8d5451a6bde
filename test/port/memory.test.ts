import t from 'tap'
import { FORWARDED, NOT_VIP } from '../../src/engine/verdict.js'
import { MemoryPort } from '../../src/port/memory.js'

const frame = (first: number, length = 60) => new Uint8Array(length).fill(first)

t.test('a forwarded frame leaves once, by its arm, with what was written into it', (t) => {
  const port = new MemoryPort({ arms: [{}, { name: 'mem-b', mtu: 9000 }] })
  t.equal(port.arms[0].macHigh, 0x0200)
  t.equal(port.arms[0].macLow, 0xff01)
  t.equal(port.arms[1].mtu, 9000)
  port.inject(frame(1))
  port.inject(frame(2, 61), 0, { partialChecksum: true, segmentBytes: 1448 })
  const batch = port.receive()
  t.equal(batch.count, 2)
  t.equal(batch.length[1], 61)
  t.equal(batch.partialChecksum[1], 1)
  t.equal(batch.segmentBytes[1], 1448)
  batch.verdict[0] = NOT_VIP
  batch.verdict[1] = FORWARDED
  batch.egress[1] = 1
  batch.bytes[batch.offset[1]] = 0xee
  const slot = port.outbox.reserve(42, 0)
  port.outbox.bytes.fill(7, slot, slot + 42)
  port.settle(batch)
  t.same(
    port.sent.map((s) => [s.arm, s.origin, s.bytes.length, s.bytes[0], s.bytes[1]]),
    [
      [1, 'forwarded', 61, 0xee, 2],
      [0, 'own', 42, 7, 7],
    ],
  )
  t.same(port.verdicts, [NOT_VIP, FORWARDED])
  t.equal(port.outbox.count, 0)
  t.equal(port.receive().count, 0, 'and does not come again')
  t.end()
})

t.test('all frames come in order over many laps of the ring, and a full ring drops', (t) => {
  const port = new MemoryPort({ slots: 5, batch: 2, slotBytes: 64 })
  const seen: number[] = []
  let next = 0
  for (let lap = 0; lap < 7; lap++) {
    while (port.inject(frame(next))) next++
    for (let batch = port.receive(); batch.count > 0; batch = port.receive()) {
      for (let i = 0; i < batch.count; i++) {
        seen.push(batch.bytes[batch.offset[i]])
        batch.verdict[i] = FORWARDED
        batch.egress[i] = 0
      }
      port.settle(batch)
    }
  }
  t.same(
    seen,
    Array.from({ length: 35 }, (_, i) => i),
  )
  t.equal(port.counters.ringDrops, 7)
  t.equal(port.sent.length, 35)
  t.throws(() => port.inject(frame(1, 65)), /slotBytes >= 65/)
  t.end()
})

t.test('arms take turns', (t) => {
  const port = new MemoryPort({ arms: [{}, {}, {}], batch: 1 })
  for (const arm of [0, 0, 2, 2]) port.inject(frame(arm), arm)
  const order: number[] = []
  for (let batch = port.receive(); batch.count > 0; batch = port.receive()) {
    order.push(batch.arm)
    batch.verdict[0] = NOT_VIP
    port.settle(batch)
  }
  t.same(order, [0, 2, 0, 2])
  t.throws(() => port.inject(frame(1), 3), /no arm 3/)
  t.end()
})

t.test('every way to break the rule of ownership throws', (t) => {
  const received = () => {
    const port = new MemoryPort({ arms: [{}, {}] })
    port.inject(frame(1))
    port.inject(frame(2), 1)
    const batch = port.receive()
    batch.verdict[0] = FORWARDED
    batch.egress[0] = 0
    return { port, batch }
  }
  const once = received()
  t.throws(() => once.port.receive(), /before the last batch was settled/)
  once.port.settle(once.batch)
  t.throws(() => once.port.settle(once.batch), /not out/, 'settled twice')

  const other = received()
  t.throws(() => other.port.settle(once.batch), /another batch/)

  const fewer = received()
  fewer.batch.count = 0
  t.throws(() => fewer.port.settle(fewer.batch), /1 frames came back with 0/)

  const moved = received()
  moved.batch.offset[0]++
  t.throws(() => moved.port.settle(moved.batch), /has moved/)

  const longer = received()
  longer.batch.length[0]++
  t.throws(() => longer.port.settle(longer.batch), /had 60 bytes and came back with 61/)

  const astray = received()
  astray.batch.egress[0] = 2
  t.throws(() => astray.port.settle(astray.batch), /leaves by arm 2/)

  const closed = received()
  closed.port.settle(closed.batch)
  closed.port.close()
  t.throws(() => closed.port.receive(), /closed/)
  t.end()
})

t.test('a batch without frames may be settled, again and again, and flushes the outbox', (t) => {
  const port = new MemoryPort()
  const batch = port.receive()
  port.outbox.reserve(42, 0)
  port.settle(batch)
  port.settle(batch)
  t.equal(port.sent.length, 1)
  port.inject(frame(1))
  t.equal(port.receive().count, 1, 'and it hid nothing')
  t.end()
})

t.test('a preloaded ring gives full batches for ever; rewind() gives the first bytes back', (t) => {
  const port = new MemoryPort({ batch: 4, discard: true })
  port.receive()
  port.preload([frame(10), frame(11, 100), frame(12)])
  const firsts: number[] = []
  for (let lap = 0; lap < 3; lap++) {
    const batch = port.receive()
    t.equal(batch.count, 4)
    for (let i = 0; i < batch.count; i++) {
      firsts.push(batch.bytes[batch.offset[i]])
      t.equal(batch.offset[i] % 64, 0)
      batch.verdict[i] = i === 0 ? NOT_VIP : FORWARDED
    }
    port.settle(batch)
  }
  t.same(firsts, [10, 11, 12, 10, 11, 12, 10, 11, 12, 10, 11, 12])
  t.equal(port.settledFrames, 12)
  t.equal(port.forwardedFrames, 9)
  t.same(port.sent, [])

  const batch = port.receive()
  batch.bytes[batch.offset[0]] = 99
  batch.length[0] = 1
  port.settle(batch)
  port.rewind()
  const again = port.receive()
  const at = Array.from(again.offset).indexOf(0)
  t.equal(again.bytes[0], 10)
  t.equal(again.length[at], 60)
  t.throws(() => port.preload([frame(1)]), /batch is out/)
  t.throws(() => new MemoryPort().preload([]), /at least one/)
  t.end()
})

t.test('injected frames come before the preloaded ones', (t) => {
  const port = new MemoryPort({ batch: 2 })
  port.preload([frame(1)])
  port.inject(frame(9))
  const first = port.receive()
  t.same([first.count, first.bytes[first.offset[0]]], [1, 9])
  first.verdict[0] = NOT_VIP
  port.settle(first)
  t.equal(port.receive().count, 2)
  t.end()
})
